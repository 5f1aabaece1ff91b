//! What is compared, and how.

use serde::Serialize;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Metric {
    #[serde(rename = "mean")]
    Mean,
    #[serde(rename = "p50")]
    P50,
    #[serde(rename = "p90")]
    P90,
    #[serde(rename = "p99")]
    P99,
    #[serde(rename = "p99_9")]
    P999,
    #[serde(rename = "errors")]
    Errors,
    #[serde(rename = "goodput")]
    Goodput,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Of response times: B over A.
    Ratio,
    /// Of shares: B minus A.
    Difference,
}

impl ChangeKind {
    /// The change from `a` to `b`. Of times that are 0 there is no ratio: they are taken as 1 us.
    pub fn change(self, a: f64, b: f64) -> f64 {
        match self {
            ChangeKind::Ratio => b.max(1.0) / a.max(1.0),
            ChangeKind::Difference => b - a,
        }
    }

    /// No change.
    pub fn none(self) -> f64 {
        match self {
            ChangeKind::Ratio => 1.0,
            ChangeKind::Difference => 0.0,
        }
    }
}

impl Metric {
    pub const ALL: [Metric; 7] =
        [Metric::Mean, Metric::P50, Metric::P90, Metric::P99, Metric::P999, Metric::Errors, Metric::Goodput];

    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Mean => "mean",
            Metric::P50 => "p50",
            Metric::P90 => "p90",
            Metric::P99 => "p99",
            Metric::P999 => "p99_9",
            Metric::Errors => "errors",
            Metric::Goodput => "goodput",
        }
    }

    /// As in a table.
    pub fn text(self) -> &'static str {
        if self == Metric::P999 { "p99.9" } else { self.name() }
    }

    pub fn change_kind(self) -> ChangeKind {
        match self {
            Metric::Errors | Metric::Goodput => ChangeKind::Difference,
            _ => ChangeKind::Ratio,
        }
    }

    /// A larger value is worse.
    pub fn is_cost(self) -> bool {
        self != Metric::Goodput
    }

    /// The percentage of a percentile.
    pub fn percent(self) -> Option<f64> {
        match self {
            Metric::P50 => Some(50.0),
            Metric::P90 => Some(90.0),
            Metric::P99 => Some(99.0),
            Metric::P999 => Some(99.9),
            _ => None,
        }
    }
}
