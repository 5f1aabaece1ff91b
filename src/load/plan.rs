//! What load to make: plain data that one process can send another. A [`LoadPlan`] that exists is valid.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::arrivals::SchedulePart;
use crate::arrivals::{ArrivalProcess, Arrivals, Profile, Rate, RateError, ThreadShare};
use crate::script::Script;
use crate::stats::ratio;
use crate::target::{Target, TargetError};
use crate::units::{Instant, Time};

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
    pub rate: Profile,
    pub arrivals: ArrivalProcess,
    /// Of random arrivals.
    pub seed: u64,
    /// This load's place among those that share one schedule in turn.
    pub part: SchedulePart,
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
    pub spin: Spin,
    pub tls: TlsSettings,
    /// Speak HTTP/2: by ALPN over TLS, with prior knowledge in clear.
    pub http2: bool,
    /// With HTTP/2: requests that a connection carries at once, at most.
    pub streams: usize,
}

impl LoadSettings {
    /// wrk2's defaults: 2 threads, 10 connections, 10 s, a timeout of 2 s that is only counted.
    pub fn new(url: impl Into<String>, rate: impl Into<Profile>) -> LoadSettings {
        LoadSettings {
            url: url.into(),
            threads: 2,
            connections: 10,
            duration: Time::from_secs(10),
            rate: rate.into(),
            arrivals: ArrivalProcess::Fixed,
            seed: 1,
            part: SchedulePart::default(),
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
            spin: Spin::Auto,
            tls: TlsSettings::default(),
            http2: false,
            streams: 100,
        }
    }
}

/// Whether a thread stays awake until a request is due, so as not to be woken too late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Spin {
    /// It sleeps until then, and the kernel wakes it some time later
    Never,
    /// For as long as the kernel is wont to be late, and a tenth of a core a thread at most
    #[default]
    Auto,
    /// It looks at its clock and its sockets all the time, and uses up a core
    Always,
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
    #[error(transparent)]
    Rate(#[from] RateError),
    #[error("number of connections must be >= threads ({connections} < {threads})")]
    FewConnections { connections: usize, threads: usize },
    #[error("{what} must be {range}, not {value}")]
    Range { what: &'static str, range: &'static str, value: String },
    #[error("{what} {why}")]
    Conflict { what: &'static str, why: &'static str },
}

/// [`LoadSettings`] that can be carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LoadSettings", into = "LoadSettings")]
pub struct LoadPlan {
    settings: LoadSettings,
    target: Target,
    planned: Rate,
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
        let day = Time::from_secs(24 * 3600);
        range(s.duration > Time::ZERO && s.duration <= day, "duration", "above 0 and at most 24h", &s.duration)?;
        let planned = s.rate.resolve(s.duration)?;
        let threads = s.threads * usize::from(s.part.of);
        range(threads < usize::from(u16::MAX), "threads over all parts", "below 65535", &threads)?;
        range(s.part.index < s.part.of, "part", "below the number of parts", &s.part.index)?;
        range(s.timeout > Time::ZERO && s.timeout <= day, "timeout", "above 0 and at most 24h", &s.timeout)?;
        range(s.drain <= day, "drain", "at most 24h", &s.drain)?;
        range(s.warmup <= s.duration, "warmup", "no longer than the duration", &s.warmup)?;
        range((1.0..=1e6).contains(&s.catch_up), "catch-up", "between 1 and 1000000", &s.catch_up)?;
        range(s.retries.count <= 100, "retries", "at most 100", &s.retries.count)?;
        range((1..=MOST_STREAMS).contains(&s.streams), "streams", "between 1 and 65536", &s.streams)?;
        if s.http2 {
            let why = "has a place for each request that finds one, and no queue behind others; leave --when-busy out, and raise --streams or --connections";
            if s.when_busy != WhenBusy::Wait {
                return Err(PlanError::Conflict { what: "http2", why });
            }
            let places = s.connections * s.streams;
            range(places <= MOST_CONNECTIONS, "streams", "at most 1000000 over all connections", &places)?;
        }
        if s.http2 && s.batch_latency {
            let why =
                "is of requests that go out together, and with --http2 each has a stream of its own; leave it out";
            return Err(PlanError::Conflict { what: "batch_latency", why });
        }
        if s.tls.verifies() && !target.is_tls() {
            let why = "looks at a certificate, and an http URL has none; write https, or leave it out";
            let what = if s.tls.authorities.is_some() { "cacert" } else { "verify" };
            return Err(PlanError::Conflict { what, why });
        }
        if s.when_busy == WhenBusy::Pipeline && s.on_timeout == OnTimeout::Abandon {
            let why = "would give up on all that is behind a request in its pipeline; choose another --when-busy";
            return Err(PlanError::Conflict { what: "on-timeout abandon", why });
        }
        Ok(LoadPlan { settings, target, planned })
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The number of `thread` among those of all parts.
    pub fn number(&self, thread: usize) -> u16 {
        (usize::from(self.part.index) * self.threads + thread) as u16
    }

    /// When `thread`'s requests are due.
    pub fn schedule(&self, thread: usize) -> Arrivals {
        let share = ThreadShare { part: self.part, ..ThreadShare::new(thread as u64, self.threads as u64) };
        Arrivals::new(self.arrivals, &self.planned, self.seed, share)
    }

    /// Requests per second over the whole run, on the mean.
    pub fn planned_rate(&self) -> f64 {
        self.planned.mean()
    }

    /// Requests per second over the first `time` of the run, on the mean: what was planned for a run that ended then.
    pub fn planned_rate_over(&self, time: Time) -> f64 {
        ratio(self.planned.cumulated(Instant::START.plus(time)), time.as_secs_f64())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(rate: &str) -> LoadSettings {
        LoadSettings::new("http://localhost/", rate.parse::<Profile>().unwrap())
    }

    #[test]
    fn a_plan_says_what_rate_it_comes_to() {
        let plan = LoadPlan::new(settings("100@2s,500")).unwrap();
        assert_eq!(plan.planned_rate(), 420.0);
        assert_eq!(plan.planned_rate_over(Time::from_secs(4)), 300.0);
        assert_eq!(plan.planned_rate_over(Time::ZERO), 0.0);
    }

    #[test]
    fn rates_and_parts_that_cannot_be_are_refused() {
        let why = |settings| LoadPlan::new(settings).unwrap_err().to_string();
        insta::assert_snapshot!(why(settings("0@1s,0")), @"the rate must be above 0 and at most 100M requests/s, but it is 0@1s,0");
        insta::assert_snapshot!(
            why(settings("100@10s,500")),
            @"the rate `500` begins at 10s, but the run ends at 10s. Remove it, or run for longer"
        );
        let part = SchedulePart { index: 2, of: 2 };
        insta::assert_snapshot!(why(LoadSettings { part, ..settings("1") }), @"part must be below the number of parts, not 2");
    }

    #[test]
    fn plans_have_a_number_or_a_profile_for_a_rate() {
        for (rate, json) in [("300", "\"rate\":300.0,"), ("0..300@5s,0", "\"rate\":\"0..300@5s,0\",")] {
            let plan = LoadPlan::new(settings(rate)).unwrap();
            let text = serde_json::to_string(&plan).unwrap();
            assert!(text.contains(json), "{text}");
            assert_eq!(serde_json::from_str::<LoadPlan>(&text).unwrap(), plan);
        }
    }
}
