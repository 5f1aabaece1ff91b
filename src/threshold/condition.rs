//! A condition as users write it: `p99>50ms`, `errors >= 1%`, `rate<1k`.

use std::fmt;
use std::str::FromStr;

use super::metric::{Metric, NAMES};
use crate::units::{Time, format_three_digits, format_wrk_time, parse_number};

/// A comparison of a metric with a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    pub metric: Metric,
    pub comparison: Comparison,
    pub limit: Quantity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// A value, and the unit that it has for users.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    Time(Time),
    /// Of the scheduled requests; of the planned rate, if the metric is a rate.
    Percent(f64),
    /// Requests, or requests per second.
    Number(f64),
}

/// Why a text is not a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    #[error("`{0}` is not a condition. Write METRIC>LIMIT or METRIC<LIMIT, for example p99>50ms or errors>1%")]
    Form(String),
    #[error("`{0}` is not a metric. Choose one of: {NAMES}")]
    Metric(String),
    #[error(
        "`{0}` has a window, but fail-if is about the whole run. Remove the @ and what follows it, or use abort-if"
    )]
    Window(String),
    #[error("`{limit}` is not a limit for {metric}. Write {expected}")]
    Limit { metric: String, limit: String, expected: &'static str },
}

impl Comparison {
    /// In the order in which they are looked for: `>=` before `>`.
    const ALL: [(&str, Comparison); 4] =
        [(">=", Comparison::AtLeast), ("<=", Comparison::AtMost), (">", Comparison::Above), ("<", Comparison::Below)];

    /// Whether the comparison is true of a value and a limit.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Comparison::Above => value > limit,
            Comparison::AtLeast => value >= limit,
            Comparison::Below => value < limit,
            Comparison::AtMost => value <= limit,
        }
    }

    /// The comparison that holds where this one does not.
    pub fn negated(self) -> Comparison {
        match self {
            Comparison::Above => Comparison::AtMost,
            Comparison::AtLeast => Comparison::Below,
            Comparison::Below => Comparison::AtLeast,
            Comparison::AtMost => Comparison::Above,
        }
    }

    /// It is true of large values.
    pub fn is_of_large_values(self) -> bool {
        matches!(self, Comparison::Above | Comparison::AtLeast)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Comparison::ALL.iter().find(|(_, comparison)| comparison == self).map_or("", |(text, _)| text))
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Condition, ConditionError> {
        let form = || ConditionError::Form(text.to_owned());
        let split = |(sign, comparison): (&str, Comparison)| {
            text.split_once(sign).map(|(metric, limit)| (metric.trim(), comparison, limit.trim()))
        };
        let (name, comparison, limit) = Comparison::ALL.into_iter().find_map(split).ok_or_else(form)?;
        if name.is_empty() || limit.is_empty() {
            return Err(form());
        }
        if limit.contains('@') {
            return Err(ConditionError::Window(text.to_owned()));
        }
        let metric: Metric = name.parse().map_err(|()| ConditionError::Metric(name.to_owned()))?;
        Ok(Condition { metric, comparison, limit: parse_limit(metric, limit)? })
    }
}

/// The limit of a metric, in the unit that fits it.
fn parse_limit(metric: Metric, text: &str) -> Result<Quantity, ConditionError> {
    let percent = || {
        let number = parse_number(text.strip_suffix('%')?.trim_end()).ok()?;
        Some(Quantity::Percent(number))
    };
    let number = || parse_number(text).ok().map(Quantity::Number);
    // A time without a unit could be meant in ms or in s.
    let time = || {
        let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
        let text = text.replace(' ', "");
        text.parse().ok().filter(|_| has_unit).map(Quantity::Time)
    };
    let (limit, expected) = match metric {
        Metric::Response(_) | Metric::Service(_) | Metric::SendLag(_) => {
            (time(), "a time with its unit, such as 500us, 50ms or 2s")
        }
        Metric::Errors | Metric::Unanswered | Metric::Unsent => {
            (percent().or_else(number), "a share of the requests, such as 1%, or a number of requests")
        }
        Metric::Goodput => (percent().filter(is_share), "a share of the requests from 0% to 100%, such as 99%"),
        Metric::Rate => (
            percent().or_else(number),
            "a number of answers per second, such as 2k, or a share of the planned rate, such as 95%",
        ),
    };
    limit.ok_or_else(|| ConditionError::Limit { metric: metric.to_string(), limit: text.to_owned(), expected })
}

fn is_share(limit: &Quantity) -> bool {
    matches!(limit, Quantity::Percent(percent) if (0.0..=100.0).contains(percent))
}

impl fmt::Display for Condition {
    /// `p99>50ms`; parses to the same condition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Condition { metric, comparison, limit } = self;
        match limit {
            Quantity::Time(time) => write!(f, "{metric}{comparison}{time}"),
            Quantity::Percent(percent) => write!(f, "{metric}{comparison}{percent}%"),
            Quantity::Number(number) => write!(f, "{metric}{comparison}{number}"),
        }
    }
}

impl Condition {
    /// A value of the metric as text, in the unit of the limit: `12.03ms`, `2.31 %`, `17`.
    pub fn format_value(&self, value: f64) -> String {
        match self.limit {
            Quantity::Time(_) => format_wrk_time(value / 1e3),
            Quantity::Percent(_) => format!("{} %", trimmed(value)),
            Quantity::Number(_) if self.metric == Metric::Rate => format!("{value:.2}/s"),
            Quantity::Number(_) => format_three_digits(value),
        }
    }

    /// The limit as text: `50ms`, `1 %`, `100`.
    pub fn format_limit(&self) -> String {
        match self.limit {
            Quantity::Time(time) => time.to_string(),
            Quantity::Percent(percent) => format!("{percent} %"),
            Quantity::Number(number) if self.metric == Metric::Rate => format!("{number}/s"),
            Quantity::Number(number) => number.to_string(),
        }
    }

    /// Whether it is about goodput.
    pub fn needs_slo(&self) -> bool {
        self.metric == Metric::Goodput
    }

    /// The limit as a number: of ns, of percent, or as it is.
    pub fn limit_value(&self) -> f64 {
        match self.limit {
            Quantity::Time(time) => time.0 as f64,
            Quantity::Percent(number) | Quantity::Number(number) => number,
        }
    }
}

/// At most three decimals, without zeros at the end.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
