//! What load to make: plain data that one process can send another. A [`LoadPlan`] that exists is valid.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::arrivals::Process;
use crate::script::Script;
use crate::target::{Target, TargetError};
use crate::units::Time;

/// A load as asked for. [`LoadPlan`] is the same, found possible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoadSettings {
    /// `http://host:port/path?query`, or `https`.
    pub url: String,
    pub threads: usize,
    /// Connections in all; spread over the threads, the remainder too.
    pub connections: usize,
    /// Requests are scheduled for this long.
    pub duration: Time,
    /// Requests per second over all threads.
    pub rate: f64,
    pub arrivals: Process,
    /// Of random arrivals.
    pub seed: u64,
    /// This load's place among those that share one schedule in turn.
    pub part: Part,
    pub script: Option<Script>,
    /// Given to the script's `init(args)`.
    pub args: Vec<String>,
    /// Added to `wrk.headers`.
    pub headers: Vec<(String, String)>,
    pub when_busy: WhenBusy,
    /// With `open`: the most connections in all.
    pub max_connections: usize,
    /// With `wait`: a late schedule is caught up at most this many times faster than planned.
    pub catch_up: f64,
    pub timeout: Time,
    pub on_timeout: OnTimeout,
    pub retries: Retries,
    /// After the last arrival, requests in flight may finish for this long.
    pub drain: Time,
    /// Requests due before this are left out of the histograms.
    pub warmup: Time,
    /// Build the next request before it is due (where the script lets us).
    pub ahead: bool,
    /// Of the requests that a script returns in one string, only the last one's latency is a sample.
    pub batch_latency: bool,
    /// Never sleep: each thread looks at its clock and its sockets all the time, and uses up a core.
    pub spin: bool,
    pub tls: TlsSettings,
    /// Speak HTTP/2: by ALPN over TLS, with prior knowledge in clear.
    pub http2: bool,
    /// With HTTP/2: requests that a connection carries at once, at most.
    pub streams: usize,
}

impl LoadSettings {
    /// wrk2's defaults: 2 threads, 10 connections, 10 s, a timeout of 2 s that is only counted.
    pub fn new(url: impl Into<String>, rate: f64) -> LoadSettings {
        LoadSettings {
            url: url.into(),
            threads: 2,
            connections: 10,
            duration: Time::from_secs(10),
            rate,
            arrivals: Process::Fixed,
            seed: 1,
            part: Part::default(),
            script: None,
            args: Vec::new(),
            headers: Vec::new(),
            when_busy: WhenBusy::Wait,
            max_connections: 10_000,
            catch_up: 2.0,
            timeout: Time::from_secs(2),
            on_timeout: OnTimeout::Wait,
            retries: Retries::default(),
            drain: Time::from_secs(2),
            warmup: Time::ZERO,
            ahead: true,
            batch_latency: false,
            spin: false,
            tls: TlsSettings::default(),
            http2: false,
            streams: 100,
        }
    }
}

/// Part `index` of `of` loads that share one schedule in turn, so that no two of them send at the same instant: the
/// requests of all are numbered through, and so are their threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub index: u16,
    pub of: u16,
}

impl Default for Part {
    /// All of it.
    fn default() -> Part {
        Part { index: 0, of: 1 }
    }
}

/// How an `https` target's certificate is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsSettings {
    /// Check it. wrk2 does not.
    pub verify: bool,
    /// Check it against the authorities in this PEM file, not against the system's.
    pub authorities: Option<PathBuf>,
}

impl TlsSettings {
    /// Certificates are checked: authorities of one's own are for nothing else.
    pub fn verifies(&self) -> bool {
        self.verify || self.authorities.is_some()
    }
}

/// What happens to a request that is due when every connection is busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum WhenBusy {
    /// It waits for one, and its wait counts.
    #[default]
    Wait,
    /// It is written behind those that are outstanding on a connection, each in turn: an HTTP/1.1 pipeline.
    Pipeline,
    /// A new connection is opened for it: an open system.
    Open,
}

/// What happens to a request that outlives the timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnTimeout {
    /// It is counted, and waited for all the same, as wrk2 does.
    #[default]
    Wait,
    /// The client closes the connection; the attempt failed.
    Abandon,
}

/// How often a failed attempt (no answer, or a status above 499) is made again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retries {
    /// At most so many further attempts.
    pub count: u16,
    /// Wait before the first further attempt; doubled for each one after it.
    pub backoff: Time,
}

/// Why a load cannot be made as asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("number of connections must be >= threads ({connections} < {threads})")]
    FewConnections { connections: usize, threads: usize },
    #[error("{what} must be {range}, not {value}")]
    Range { what: &'static str, range: &'static str, value: String },
    #[error("{what} {why}")]
    Senseless { what: &'static str, why: &'static str },
}

/// [`LoadSettings`] that can be carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LoadSettings", into = "LoadSettings")]
pub struct LoadPlan {
    settings: LoadSettings,
    target: Target,
}

impl LoadPlan {
    /// # Errors
    /// [`PlanError`] says which setting cannot be, and what can.
    pub fn new(settings: LoadSettings) -> Result<LoadPlan, PlanError> {
        let s = &settings;
        let range = |ok: bool, what, range, value: &dyn ToString| {
            if ok { Ok(()) } else { Err(PlanError::Range { what, range, value: value.to_string() }) }
        };
        let target = Target::parse(&s.url)?;
        range((1..=1024).contains(&s.threads), "threads", "between 1 and 1024", &s.threads)?;
        if s.connections < s.threads {
            return Err(PlanError::FewConnections { connections: s.connections, threads: s.threads });
        }
        range(s.connections <= MOST_CONNECTIONS, "connections", "at most 1000000", &s.connections)?;
        let most = s.connections..=MOST_CONNECTIONS;
        range(most.contains(&s.max_connections), "max-connections", "at least connections", &s.max_connections)?;
        range((1e-6..=1e8).contains(&s.rate), "rate", "above 0 and at most 100M requests/s", &s.rate)?;
        let day = Time::from_secs(24 * 3600);
        range(s.duration > Time::ZERO && s.duration <= day, "duration", "above 0 and at most 24h", &s.duration)?;
        range(s.timeout > Time::ZERO && s.timeout <= day, "timeout", "above 0 and at most 24h", &s.timeout)?;
        range(s.drain <= day, "drain", "at most 24h", &s.drain)?;
        range(s.warmup <= s.duration, "warmup", "no longer than the duration", &s.warmup)?;
        range((1.0..=1e6).contains(&s.catch_up), "catch-up", "between 1 and 1000000", &s.catch_up)?;
        range(s.retries.count <= 100, "retries", "at most 100", &s.retries.count)?;
        range((1..=MOST_STREAMS).contains(&s.streams), "streams", "between 1 and 65536", &s.streams)?;
        if s.http2 {
            let why = "has a place for each request that finds one, and no queue behind others; leave --when-busy out, and raise --streams or --connections";
            if s.when_busy != WhenBusy::Wait {
                return Err(PlanError::Senseless { what: "http2", why });
            }
            let places = s.connections * s.streams;
            range(places <= MOST_CONNECTIONS, "streams", "at most 1000000 over all connections", &places)?;
        }
        if s.tls.verifies() && !target.is_tls() {
            let why = "looks at a certificate, and an http URL has none; write https, or leave it out";
            let what = if s.tls.authorities.is_some() { "cacert" } else { "verify" };
            return Err(PlanError::Senseless { what, why });
        }
        Ok(LoadPlan { settings, target })
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The share of `total` connections that `thread` has.
    pub fn share(&self, total: usize, thread: usize) -> usize {
        total / self.threads + usize::from(thread < total % self.threads)
    }

    /// So many requests can be under way at once on the connections that `thread` keeps open.
    pub fn places(&self, thread: usize) -> usize {
        self.share(self.connections, thread) * if self.http2 { self.streams } else { 1 }
    }
}

const MOST_CONNECTIONS: usize = 1_000_000;
const MOST_STREAMS: usize = 65_536;

impl std::ops::Deref for LoadPlan {
    type Target = LoadSettings;

    fn deref(&self) -> &LoadSettings {
        &self.settings
    }
}

impl TryFrom<LoadSettings> for LoadPlan {
    type Error = PlanError;

    fn try_from(settings: LoadSettings) -> Result<LoadPlan, PlanError> {
        LoadPlan::new(settings)
    }
}

impl From<LoadPlan> for LoadSettings {
    fn from(plan: LoadPlan) -> LoadSettings {
        plan.settings
    }
}
