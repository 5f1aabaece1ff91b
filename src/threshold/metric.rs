//! What a threshold is about.

use std::fmt;
use std::str::FromStr;

/// A number of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// Of the response times.
    Response(Statistic),
    /// Of the service times.
    Service(Statistic),
    /// Of the send lag.
    SendLag(Statistic),
    /// Requests with an error: answered with a status above 399 or after the timeout, failed, unanswered or unsent.
    Errors,
    /// Requests that were sent and had no answer at the end of the run.
    Unanswered,
    /// Requests that were due and never sent.
    Unsent,
    /// The share of the requests that were answered with a status below 400 within the SLO.
    Goodput,
    /// Answers per second, as in `Requests/sec`.
    Rate,
}

/// A number that describes a distribution of times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// Above 0 and at most 100.
    Percentile(f64),
    Mean,
    Min,
    Max,
}

/// The names of all metrics, for error messages.
pub const NAMES: &str = "p50, p99, p99.9 or any other percentile, mean, min, max, the same with `service.` or `send-lag.` \
                         before it, errors, unanswered, unsent, goodput, rate";

impl FromStr for Metric {
    type Err = ();

    fn from_str(name: &str) -> Result<Metric, ()> {
        if let Some(statistic) = name.strip_prefix("service.") {
            return Ok(Metric::Service(statistic.parse()?));
        }
        if let Some(statistic) = name.strip_prefix("send-lag.") {
            return Ok(Metric::SendLag(statistic.parse()?));
        }
        Ok(match name {
            "errors" => Metric::Errors,
            "unanswered" => Metric::Unanswered,
            "unsent" => Metric::Unsent,
            "goodput" => Metric::Goodput,
            "rate" => Metric::Rate,
            statistic => Metric::Response(statistic.parse()?),
        })
    }
}

impl FromStr for Statistic {
    type Err = ();

    fn from_str(name: &str) -> Result<Statistic, ()> {
        Ok(match name {
            "mean" => Statistic::Mean,
            "min" => Statistic::Min,
            "max" => Statistic::Max,
            percentile => {
                let digits = percentile.strip_prefix('p').ok_or(())?;
                let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                let percent = digits.parse().ok().filter(|percent| is_plain && (0.0..=100.0).contains(percent));
                Statistic::Percentile(percent.filter(|percent| *percent > 0.0).ok_or(())?)
            }
        })
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Metric::Response(statistic) => write!(f, "{statistic}"),
            Metric::Service(statistic) => write!(f, "service.{statistic}"),
            Metric::SendLag(statistic) => write!(f, "send-lag.{statistic}"),
            Metric::Errors => write!(f, "errors"),
            Metric::Unanswered => write!(f, "unanswered"),
            Metric::Unsent => write!(f, "unsent"),
            Metric::Goodput => write!(f, "goodput"),
            Metric::Rate => write!(f, "rate"),
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statistic::Percentile(percent) => write!(f, "p{percent}"),
            Statistic::Mean => write!(f, "mean"),
            Statistic::Min => write!(f, "min"),
            Statistic::Max => write!(f, "max"),
        }
    }
}
