use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::arrivals::{ArrivalProcess, GeneratorPart, Profile, SchedulePart};
use crate::byte_text::ByteText;
use crate::script::Script;
use crate::units::Time;

/// The settings of a load. A [`LoadPlan`](super::LoadPlan) has checked them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoadSettings {
    /// `http://host:port/path?query`, or `https`.
    pub url: String,
    /// Threads of the generator.
    pub threads: usize,
    /// Connections of all threads together, spread evenly over the threads.
    pub connections: usize,
    /// Requests are due within this time.
    pub duration: Time,
    /// Requests per second of all threads together.
    pub rate: Profile,
    /// The distribution of the gaps between requests.
    pub arrivals: ArrivalProcess,
    /// The seed of random arrivals.
    pub seed: u64,
    /// The place of this load among the loads that share one schedule.
    pub part: SchedulePart,
    /// The place of this generator among those that send this load.
    #[serde(default)]
    pub generator: GeneratorPart,
    /// The script that makes the requests. Without one all requests are the same.
    pub script: Option<Script>,
    /// The arguments of the script's `init` function.
    pub args: Vec<ByteText>,
    /// `wrk.method`, which a script may change. Default: GET.
    #[serde(default)]
    pub method: Option<String>,
    /// `wrk.body`, which a script may change.
    #[serde(default)]
    pub body: Option<ByteText>,
    /// Headers that are added to `wrk.headers`.
    pub headers: Vec<(String, ByteText)>,
    /// What happens to a due request if all connections are busy.
    pub when_busy: WhenBusy,
    /// With `open`: the most connections of all threads together.
    pub max_connections: usize,
    /// With `wait`: a late schedule is caught up at no more than this multiple of the planned rate. `None` for no limit:
    /// late requests are sent as soon as a connection is free, as wrk2 does in fact.
    pub catch_up: Option<f64>,
    /// An attempt that lasts longer counts as a timeout.
    pub timeout: Time,
    /// What happens to it then.
    pub on_timeout: OnTimeout,
    /// How often a failed attempt is retried.
    pub retries: Retries,
    /// After the end of arrivals, requests in flight may finish within this time.
    pub drain: Time,
    /// The longest response time of a good answer, if goodput is to be counted.
    #[serde(default)]
    pub slo: Option<Time>,
    /// The histograms leave out what belongs to the first part of the run, of this length.
    pub warmup: Time,
    /// What belongs to the warm-up.
    pub warmup_by: WarmupBy,
    /// Build the next request before it is due, if the script allows it.
    pub ahead: bool,
    /// Of the requests that a script returns in one string, only the latency of the last one counts.
    pub batch_latency: bool,
    /// How a thread waits for the due time of a request.
    pub spin: Spin,
    /// A request may be sent late by this, so that those due within it are sent together.
    pub slack: Time,
    /// Which clock says when a response arrived.
    pub timestamps: Timestamps,
    /// How the certificate of the target is verified, and which one the client has.
    pub tls: TlsSettings,
    /// Connect to this unix socket, and not to the host of the URL.
    #[serde(default)]
    pub unix_socket: Option<PathBuf>,
    /// Use HTTP/2: by ALPN over TLS, with prior knowledge otherwise.
    pub http2: bool,
    /// With HTTP/2: the most requests in flight per connection.
    pub streams: usize,
}

impl LoadSettings {
    /// wrk2's defaults: 2 threads, 10 connections, 10 s, and a timeout of 2 s that is only counted.
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
            generator: GeneratorPart::default(),
            script: None,
            args: Vec::new(),
            method: None,
            body: None,
            headers: Vec::new(),
            when_busy: WhenBusy::Wait,
            max_connections: 10_000,
            catch_up: None,
            timeout: Time::from_secs(2),
            on_timeout: OnTimeout::Wait,
            retries: Retries::default(),
            drain: Time::from_secs(2),
            slo: None,
            warmup: Time::ZERO,
            warmup_by: WarmupBy::End,
            ahead: true,
            batch_latency: false,
            spin: Spin::Auto,
            slack: Time::ZERO,
            timestamps: Timestamps::Auto,
            tls: TlsSettings::default(),
            unix_socket: None,
            http2: false,
            streams: 100,
        }
    }
}

/// How a thread waits for the due time of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Spin {
    /// Sleep until then. The kernel wakes the thread some time later
    Never,
    /// Sleep, then spin for the learned wake-up latency. Uses up to a tenth of a core per thread
    #[default]
    Auto,
    /// Spin all the time. Uses a whole core per thread
    Always,
}

/// Which clock says when a response arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Timestamps {
    /// The kernel's where it has timestamps, and the generator's at a rate that keeps its threads busy
    #[default]
    Auto,
    /// The kernel's. Without timestamps the load does not start
    Kernel,
    /// The generator's: when it reads the response
    User,
}

/// How the certificate of an `https` target is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsSettings {
    /// Verify it. wrk2 does not.
    pub verify: bool,
    /// Verify it with the certificate authorities in this PEM file, not with the system's.
    pub authorities: Option<PathBuf>,
    /// The client's certificate, a PEM file, with the certificates of its authorities after it.
    pub certificate: Option<PathBuf>,
    /// The private key of `certificate`, a PEM file. Default: in the same file.
    pub key: Option<PathBuf>,
    /// The name that is asked for and verified, in place of the URL's host.
    pub server_name: Option<String>,
}

impl TlsSettings {
    /// Certificates are verified. Certificate authorities in a file imply it.
    pub fn verifies(&self) -> bool {
        self.verify || self.authorities.is_some()
    }
}

/// What happens to a due request if all connections are busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum WhenBusy {
    /// It waits for a connection. The wait is part of its response time
    #[default]
    Wait,
    /// It is sent on a busy connection behind the requests in flight: HTTP/1.1 pipelining
    Pipeline,
    /// A new connection is opened for it: an open system
    Open,
}

/// What happens to a request that reaches the timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnTimeout {
    /// It is counted as a timeout, and its response is still waited for, as in wrk2
    #[default]
    Wait,
    /// Its connection is closed, and the attempt has failed
    Abandon,
}

/// Which requests belong to the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarmupBy {
    /// Those that ended in it, as in wrk2. If the system is overloaded from the start, what it answers after the warm-up
    /// was due in it: by the due time nearly all answers would be left out.
    #[default]
    End,
    /// Those that were due in it, as in an experiment: a verdict judges requests by their due time.
    Due,
}

/// How often a failed attempt (no response, or a status of 500 or above) is retried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retries {
    /// The most further attempts per request.
    pub count: u16,
    /// The wait before the first further attempt. It doubles for each one after it.
    pub backoff: Time,
}
