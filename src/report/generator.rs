//! What the generator did itself: the part of a report that says whether the rest can be trusted.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::ReportData;
use super::digest::Digest;
use super::warning::Warning;
use crate::record::Account;
use crate::record::event::GeneratorStats;
use crate::stats::{ratio, value_at_percentile};
use crate::units::wrk_time;

/// The generator's own conduct over a run.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorBlock {
    pub account: Account,
    /// Requests that were sent before arrivals ended, or found no server to connect to.
    pub sent: u64,
    /// As planned, in requests per second.
    pub planned_rate: f64,
    /// For how long requests were scheduled, in ns.
    pub arrivals_ns: u64,
    /// Requests due before this are in no latency, in ns.
    pub warmup_ns: u64,
    /// From the start until the run was over, in ns: what CPU time is compared with.
    pub elapsed_ns: u64,
    pub threads: u16,
    pub lag: Lag,
    pub own: GeneratorStats,
    /// Its threads never slept, as they were told.
    pub spins: bool,
    /// With HTTP/2: the fewest streams that the server took on a connection, where that was fewer than planned.
    pub fewest_streams: Option<usize>,
}

/// How late requests left for the generator's own sake, in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub max_ns: u64,
}

impl Lag {
    /// Of a histogram whose unit is `unit_ns` (1 for ns, 1000 for us).
    pub fn of(histogram: &Histogram<u64>, unit_ns: u64) -> Lag {
        let at = |percent| value_at_percentile(histogram, percent).saturating_mul(unit_ns);
        Lag { p50_ns: at(50.0), p99_ns: at(99.0), max_ns: at(100.0) }
    }
}

impl GeneratorBlock {
    pub fn of(story: &ReportData, digest: &Digest) -> GeneratorBlock {
        GeneratorBlock {
            account: digest.account,
            sent: digest.sent,
            planned_rate: story.planned_rate,
            arrivals_ns: story.end,
            warmup_ns: story.warmup,
            elapsed_ns: digest.span,
            threads: story.threads,
            lag: Lag::of(&digest.lag, 1),
            own: story.generator.clone(),
            spins: false,
            fewest_streams: None,
        }
    }

    /// Requests sent per second while requests were scheduled.
    pub fn achieved_rate(&self) -> f64 {
        ratio(self.sent as f64, self.arrivals_ns as f64 / 1e9)
    }

    /// Requests that came due per second: random arrivals differ a little from the planned rate.
    pub fn scheduled_rate(&self) -> f64 {
        ratio(self.account.scheduled as f64, self.arrivals_ns as f64 / 1e9)
    }

    /// CPU time used, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.own.cpu_ns as f64 / 1e9
    }

    /// Percent of one core that a thread used, on the mean.
    pub fn cpu_percent_per_thread(&self) -> f64 {
        100.0 * ratio(self.cpu_seconds(), self.elapsed_ns as f64 / 1e9 * f64::from(self.threads))
    }

    pub fn warnings(&self) -> Vec<Warning> {
        Warning::of(self)
    }

    /// Names and values as a person reads them: the rows of every table that shows this.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let a = &self.account;
        let lag = [self.lag.p50_ns, self.lag.p99_ns, self.lag.max_ns].map(|ns| wrk_time(ns as f64 / 1e3));
        let percent = 100.0 * ratio(self.sent as f64, a.scheduled as f64);
        let mut rows = vec![
            (
                "scheduled",
                format!(
                    "{} = {} answered + {} failed + {} unanswered + {} unsent",
                    a.scheduled, a.answered, a.failed, a.unanswered, a.unsent
                ),
            ),
            (
                "sent",
                format!(
                    "{:.2}/s of {:.2}/s scheduled ({percent:.1} %), {:.2}/s planned",
                    self.achieved_rate(),
                    self.scheduled_rate(),
                    self.planned_rate
                ),
            ),
            ("send lag", format!("p50 {}, p99 {}, max {}", lag[0], lag[1], lag[2])),
            (
                "connections",
                format!("{} opened, at most {} in flight", self.own.connections_opened, self.own.in_flight_max),
            ),
            (
                "own CPU",
                format!(
                    "{:.2} s in {:.2} s on {} ({:.0} % of a core each)",
                    self.cpu_seconds(),
                    self.elapsed_ns as f64 / 1e9,
                    plural(u64::from(self.threads), "thread"),
                    self.cpu_percent_per_thread()
                ),
            ),
        ];
        if a.lower_bounds > 0 {
            let abandoned = a.lower_bounds.saturating_sub(a.unanswered + a.unsent);
            rows.insert(
                1,
                (
                    "lower bound",
                    format!(
                        "{} response times are at least so long: {} unanswered + {} unsent + {abandoned} abandoned",
                        a.lower_bounds, a.unanswered, a.unsent
                    ),
                ),
            );
        }
        if a.attempts != a.scheduled - a.unsent.min(a.scheduled) {
            rows.insert(1, ("attempts", a.attempts.to_string()));
        }
        rows
    }

    /// The lines that wrk2's text report has after `Transfer/sec:`.
    pub fn text(&self) -> String {
        let mut text = String::from("Generator:\n");
        for (name, value) in self.rows() {
            let _ = writeln!(text, "  {name:<12}{value}");
        }
        for warning in self.warnings() {
            let _ = writeln!(text, "  warning: {warning}");
        }
        text
    }
}

fn plural(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn healthy() -> GeneratorBlock {
        GeneratorBlock {
            account: Account { scheduled: 6000, answered: 6000, attempts: 6000, ..Account::default() },
            sent: 6000,
            planned_rate: 500.0,
            arrivals_ns: 12_000_000_000,
            warmup_ns: 10_000_000_000,
            elapsed_ns: 12_000_000_000,
            threads: 2,
            lag: Lag { p50_ns: 33_000, p99_ns: 120_000, max_ns: 1_200_000 },
            own: GeneratorStats {
                cpu_ns: 510_000_000,
                connections_opened: 10,
                in_flight_max: 4,
                ..GeneratorStats::default()
            },
            spins: false,
            fewest_streams: None,
        }
    }

    #[test]
    fn a_healthy_generator_has_nothing_to_warn_of() {
        insta::assert_snapshot!(healthy().text(), @r"
        Generator:
          scheduled   6000 = 6000 answered + 0 failed + 0 unanswered + 0 unsent
          sent        500.00/s of 500.00/s scheduled (100.0 %), 500.00/s planned
          send lag    p50 33.00us, p99 120.00us, max 1.20ms
          connections 10 opened, at most 4 in flight
          own CPU     0.51 s in 12.00 s on 2 threads (2 % of a core each)
        ");
    }

    /// Everything went wrong that there is a warning for.
    pub(in crate::report) fn troubled() -> GeneratorBlock {
        let mut block = healthy();
        block.account = Account {
            scheduled: 6000,
            answered: 4000,
            failed: 1,
            unanswered: 999,
            unsent: 999,
            attempts: 5100,
            lower_bounds: 1999,
            ..Account::default()
        };
        block.sent = 5000;
        block.lag.p99_ns = 25_000_000;
        block.own.bound_reached = true;
        block.own.waited = 900;
        block.own.records_dropped = 7;
        block.own.cpu_ns = 23_000_000_000;
        block.warmup_ns = 13_000_000_000;
        block
    }

    #[test]
    fn every_trouble_has_a_warning_that_says_what_to_do() {
        insta::assert_snapshot!(troubled().text());
        assert_eq!(troubled().warnings().len(), 8);
    }

    #[test]
    fn requests_that_were_not_sent_are_blamed_on_what_kept_them() {
        let behind = |read, bound_reached| {
            let mut block = healthy();
            block.account = Account { scheduled: 1000, answered: 500, unsent: 500, ..Account::default() };
            (block.sent, block.account.errors.read, block.own.bound_reached) = (500, read, bound_reached);
            block.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert!(behind(51, true).contains("since connections kept breaking"));
        let busy = behind(50, true);
        assert!(busy.contains("all connections were busy") && busy.contains("50.0 % of the requests waited"), "{busy}");
        assert!(behind(0, false).contains("raise --threads or lower --rate"));
    }

    #[test]
    fn a_system_that_was_behind_in_the_warm_up_is_told_of() {
        let mut block = healthy();
        block.own.late_warmup = 60;
        assert!(block.text().contains("1.0 % of the requests were due within the warm-up and still open at its end"));
    }

    #[test]
    fn an_empty_run_has_a_block_too() {
        let empty = GeneratorBlock {
            account: Account::default(),
            sent: 0,
            arrivals_ns: 0,
            elapsed_ns: 0,
            warmup_ns: 0,
            threads: 0,
            lag: Lag::default(),
            own: GeneratorStats::default(),
            ..healthy()
        };
        assert!(!empty.text().contains("NaN") && !empty.text().contains("inf"));
        assert_eq!(empty.warnings(), []);
    }
}
