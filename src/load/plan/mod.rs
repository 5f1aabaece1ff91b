//! The plan of a load: plain data that one process can send to another. An existing [`LoadPlan`] is valid.

mod request_limit;
mod settings;

use serde::{Deserialize, Serialize};

pub use settings::{LoadSettings, OnTimeout, Retries, Spin, Timestamps, TlsSettings, WarmupBy, WhenBusy};

pub use crate::arrivals::SchedulePart;
use crate::arrivals::{ArrivalProcess, Arrivals, Rate, RateError, ThreadShare};
use crate::record::RequestRecord;
use crate::stats::ratio;
use crate::target::{Target, TargetError};
use crate::units::{Instant, Time};

/// Why a load is not possible with its settings. Messages name options in backticks; the commands write them
/// as their users do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the variants mean")]
pub enum PlanError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Rate(#[from] RateError),
    // wrk's words.
    #[error("number of connections must be >= threads ({connections} < {threads})")]
    FewConnections { connections: usize, threads: usize },
    /// A value out of range.
    #[error("`{option}` must be {range}, not {value}")]
    Range { option: &'static str, range: &'static str, value: String },
    /// Options that exclude each other.
    #[error("`{option}` {why}")]
    Conflict { option: &'static str, why: &'static str },
}

/// [`LoadSettings`] that were found valid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LoadSettings", into = "LoadSettings")]
pub struct LoadPlan {
    settings: LoadSettings,
    target: Target,
    rate: Rate,
}

const MAX_CONNECTIONS: usize = 1_000_000;
const MAX_STREAMS: usize = 65_536;

/// A thread with more requests per second hardly ever sleeps, so timestamps would cost more than they tell.
const MAX_TIMESTAMPED_RATE: f64 = 100_000.0;
const MAX_RANDOM_RATE: f64 = 1e8;
/// Lower than any limit on the send lag that makes an experiment invalid.
const MAX_SLACK: Time = Time::from_millis(5);
/// The longest load: a year.
pub const MAX_DURATION: Time = Time::from_secs(366 * 24 * 3600);
const DAY: Time = Time::from_secs(24 * 3600);

impl LoadPlan {
    /// # Errors
    /// [`PlanError`] if a setting is not possible.
    pub fn new(settings: LoadSettings) -> Result<LoadPlan, PlanError> {
        let s = &settings;
        let target = Target::parse(&s.url)?;
        range((1..=1024).contains(&s.threads), "threads", "between 1 and 1024", &s.threads)?;
        if s.connections < s.threads {
            return Err(PlanError::FewConnections { connections: s.connections, threads: s.threads });
        }
        range(s.connections <= MAX_CONNECTIONS, "connections", "at most 1000000", &s.connections)?;
        let connections = s.connections..=MAX_CONNECTIONS;
        let is_possible = connections.contains(&s.max_connections);
        range(is_possible, "max-connections", "at least `connections`", &s.max_connections)?;
        let is_possible = s.duration > Time::ZERO && s.duration <= MAX_DURATION;
        range(is_possible, "duration", "above 0 and at most 8784h (a year)", &s.duration)?;
        let rate = s.rate.resolve(s.duration)?;
        // Random gaps are drawn one by one, also those of requests that are never sent.
        let can_be_drawn = s.arrivals == ArrivalProcess::Fixed || rate.peak() <= MAX_RANDOM_RATE;
        range(can_be_drawn, "rate", "at most 100M requests/s with random gaps", &s.rate)?;
        let threads = s.threads * usize::from(s.part.of);
        range(threads < usize::from(u16::MAX), "threads", "below 65535 over all URLs", &threads)?;
        range(s.part.index < s.part.of, "part", "below the number of parts", &s.part.index)?;
        let (is_one, index) = (s.generator.index < s.generator.of, &s.generator.index);
        range(is_one, "generator", "below the number of generators", index)?;
        range(s.timeout > Time::ZERO && s.timeout <= DAY, "timeout", "above 0 and at most 24h", &s.timeout)?;
        if let Some(slo) = s.slo {
            range(slo > Time::ZERO && slo <= DAY, "slo", "above 0 and at most 24h", &slo)?;
        }
        range(s.drain <= DAY, "drain", "at most 24h", &s.drain)?;
        range(s.warmup <= s.duration, "warmup", "no longer than the duration", &s.warmup)?;
        if let Some(factor) = s.catch_up {
            range((1.0..=1e6).contains(&factor), "catch-up", "between 1 and 1000000", &factor)?;
        }
        range(s.slack <= MAX_SLACK, "slack", "at most 5ms", &s.slack)?;
        range(s.retries.count <= 100, "retries", "at most 100", &s.retries.count)?;
        range((1..=MAX_STREAMS).contains(&s.streams), "streams", "between 1 and 65536", &s.streams)?;
        if s.http2 {
            let streams = s.connections.saturating_mul(s.streams);
            check_http2(s)?;
            range(streams <= MAX_CONNECTIONS, "streams", "at most 1000000 over all connections", &streams)?;
        }
        if let Some(method) = &s.method {
            let is_token = http::Method::from_bytes(method.as_bytes()).is_ok();
            range(
                is_token && method != "CONNECT",
                "method",
                "an HTTP method other than CONNECT, such as POST",
                method,
            )?;
        }
        check_conflicts(s, &target)?;
        Ok(LoadPlan { settings, target, rate })
    }

    /// The parts of the URL.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The number of `thread` among the threads of all parts.
    pub fn number(&self, thread: usize) -> u16 {
        (usize::from(self.part.index) * self.threads + thread) as u16
    }

    /// The arrivals of `thread`.
    pub fn schedule(&self, thread: usize) -> Arrivals {
        let LoadSettings { part, generator, threads, .. } = self.settings;
        let share = ThreadShare { thread: thread as u64, threads: threads as u64, part, generator };
        Arrivals::new(self.arrivals, &self.rate, self.seed, share)
    }

    /// The mean rate of the whole run, in requests per second.
    pub fn planned_rate(&self) -> f64 {
        self.rate.mean()
    }

    /// The mean rate of the first `time` of the run, in requests per second.
    pub fn planned_rate_over(&self, time: Time) -> f64 {
        ratio(self.rate.cumulated(Instant::START.plus(time)), time.as_secs_f64())
    }

    /// The end of a response comes from the kernel's timestamps, if the system has them.
    pub fn wants_timestamps(&self) -> bool {
        match self.timestamps {
            Timestamps::Auto => {
                let threads = self.threads as f64 * f64::from(self.generator.of);
                self.rate.peak() <= MAX_TIMESTAMPED_RATE * threads
            }
            Timestamps::Kernel => true,
            Timestamps::User => false,
        }
    }

    /// Whether an attempt that has ended, or an unfinished one at the end of the run, belongs to the warm-up.
    #[inline]
    pub fn is_in_warmup(&self, record: &RequestRecord) -> bool {
        let at = match self.warmup_by {
            WarmupBy::End => record.end,
            WarmupBy::Due => record.due,
        };
        at < Instant::START.plus(self.warmup)
    }

    /// The share of `thread` in `total` connections.
    pub fn share(&self, total: usize, thread: usize) -> usize {
        total / self.threads + usize::from(thread < total % self.threads)
    }

    /// The most requests in flight on the connections that `thread` keeps open, without pipelining.
    pub fn max_in_flight(&self, thread: usize) -> usize {
        self.share(self.connections, thread) * if self.http2 { self.streams } else { 1 }
    }
}

fn range(ok: bool, option: &'static str, range: &'static str, value: &dyn ToString) -> Result<(), PlanError> {
    if ok { Ok(()) } else { Err(PlanError::Range { option, range, value: value.to_string() }) }
}

fn check_http2(s: &LoadSettings) -> Result<(), PlanError> {
    if s.when_busy != WhenBusy::Wait {
        let why = "cannot be combined with `when-busy`: a request is sent on a free stream, or waits for one. Leave out `when-busy`, and raise `streams` or `connections` to have more requests in flight";
        return Err(PlanError::Conflict { option: "http2", why });
    }
    Ok(())
}

fn check_conflicts(s: &LoadSettings, target: &Target) -> Result<(), PlanError> {
    if s.http2 && s.batch_latency {
        let why = "cannot be combined with `http2`: it measures requests that are sent together, and HTTP/2 sends each on its own stream. Leave out `batch_latency`";
        return Err(PlanError::Conflict { option: "batch_latency", why });
    }
    if s.tls.verifies() && !target.is_tls() {
        let why = "needs an https URL: with http there is no certificate to verify. Write https, or leave it out";
        let option = if s.tls.authorities.is_some() { "cacert" } else { "verify" };
        return Err(PlanError::Conflict { option, why });
    }
    if s.unix_socket.is_some() && target.is_tls() {
        let why = "needs an http URL: TLS over a unix socket is not supported. Write http, or leave it out";
        return Err(PlanError::Conflict { option: "unix-socket", why });
    }
    let of_tls =
        [("cert", s.tls.certificate.is_some()), ("key", s.tls.key.is_some()), ("sni", s.tls.server_name.is_some())];
    if let Some((option, _)) = of_tls.into_iter().find(|(_, is_given)| *is_given && !target.is_tls()) {
        let why = "needs an https URL. Write https, or leave it out";
        return Err(PlanError::Conflict { option, why });
    }
    if s.tls.key.is_some() && s.tls.certificate.is_none() {
        let why = "needs `cert`: a key alone proves nothing. Add `cert`, or leave it out";
        return Err(PlanError::Conflict { option: "key", why });
    }
    if s.slack > Time::ZERO && s.spin == Spin::Always {
        let why = "cannot be combined with `spin`: it lets requests be late to save CPU time, and spinning uses CPU time so that none is late. Leave out one of the two";
        return Err(PlanError::Conflict { option: "slack", why });
    }
    if s.when_busy == WhenBusy::Pipeline && s.on_timeout == OnTimeout::Abandon {
        let why = "abandon cannot be combined with `when-busy` pipeline: it would abandon all requests in the pipeline. Choose another `when-busy`";
        return Err(PlanError::Conflict { option: "on-timeout", why });
    }
    Ok(())
}

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
    use crate::arrivals::Profile;

    fn settings(rate: &str) -> LoadSettings {
        LoadSettings::new("http://localhost/", rate.parse::<Profile>().unwrap())
    }

    #[test]
    fn a_plan_knows_its_mean_rate() {
        let plan = LoadPlan::new(settings("100@2s,500")).unwrap();
        assert_eq!(plan.planned_rate(), 420.0);
        assert_eq!(plan.planned_rate_over(Time::from_secs(4)), 300.0);
        assert_eq!(plan.planned_rate_over(Time::ZERO), 0.0);
    }

    #[test]
    fn at_a_rate_that_keeps_its_threads_busy_a_plan_does_without_timestamps() {
        let wants = |rate, timestamps| {
            LoadPlan::new(LoadSettings { threads: 2, timestamps, ..settings(rate) }).unwrap().wants_timestamps()
        };
        assert!(wants("200000", Timestamps::Auto) && !wants("200001", Timestamps::Auto));
        assert!(!wants("1..300000", Timestamps::Auto), "the peak counts");
        assert!(wants("300000", Timestamps::Kernel) && !wants("1", Timestamps::User));
    }

    #[test]
    fn impossible_rates_and_parts_are_refused() {
        let why = |settings| LoadPlan::new(settings).unwrap_err().to_string();
        insta::assert_snapshot!(why(settings("0@1s,0")), @"the rate must be above 0 and at most 100G requests/s, but it is 0@1s,0");
        insta::assert_snapshot!(
            why(settings("100@10s,500")),
            @"the rate `500` begins at 10s, but the run ends at 10s. Remove it, or run for longer"
        );
        let part = SchedulePart { index: 2, of: 2 };
        insta::assert_snapshot!(why(LoadSettings { part, ..settings("1") }), @"`part` must be below the number of parts, not 2");
    }

    #[test]
    fn a_rate_is_a_number_or_a_profile() {
        for (rate, json) in [("300", "\"rate\":300.0,"), ("0..300@5s,0", "\"rate\":\"0..300@5s,0\",")] {
            let plan = LoadPlan::new(settings(rate)).unwrap();
            let text = serde_json::to_string(&plan).unwrap();
            assert!(text.contains(json), "{text}");
            assert_eq!(serde_json::from_str::<LoadPlan>(&text).unwrap(), plan);
        }
    }
}
