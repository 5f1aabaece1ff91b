//! The generator's behaviour as text, for every product that shows it.

use std::fmt::Write as _;

use super::generator::GeneratorReport;
use super::warning::find_warnings;
use crate::stats::ratio;
use crate::units::format_wrk_time;

impl GeneratorReport {
    /// Texts of all warnings, the most serious first.
    pub fn warnings(&self) -> Vec<String> {
        find_warnings(self).iter().map(|warning| warning.describe(self.command)).collect()
    }

    /// Name and value of each row of a table.
    pub fn table_rows(&self) -> Vec<(&'static str, String)> {
        let a = &self.account;
        let mut rows = vec![(
            "scheduled",
            format!(
                "{} = {} answered + {} failed + {} unanswered + {} unsent",
                a.scheduled, a.answered, a.failed, a.unanswered, a.unsent
            ),
        )];
        if a.attempts != a.scheduled - a.unsent.min(a.scheduled) {
            rows.push(("attempts", a.attempts.to_string()));
        }
        if a.lower_bounds > 0 {
            let abandoned = a.lower_bounds.saturating_sub(a.unanswered + a.unsent);
            rows.push((
                "lower bound",
                format!(
                    "{} response times: {} unanswered + {} unsent + {abandoned} abandoned",
                    a.lower_bounds, a.unanswered, a.unsent
                ),
            ));
        }
        if !self.bounds.texts.is_empty() {
            rows.push(("at least", format!("{}: {}", self.bounds.which_percentiles(), self.bounds.texts.join(", "))));
        }
        let percent = 100.0 * ratio(self.sent as f64, a.scheduled as f64);
        let (achieved, scheduled) = (self.achieved_rate(), self.scheduled_rate());
        rows.push((
            "sent",
            format!(
                "{achieved:.2}/s of {scheduled:.2}/s scheduled ({percent:.1} %), {:.2}/s planned",
                self.planned_rate
            ),
        ));
        let lag = &self.send_lag;
        let [p50, p99, max] = [lag.p50_ns, lag.p99_ns, lag.max_ns].map(|ns| format_wrk_time(ns as f64 / 1e3));
        rows.push(("send lag", format!("p50 {p50}, p99 {p99}, max {max}")));
        let (opened, in_flight) = (self.own.connections_opened, self.own.in_flight_max);
        rows.push(("connections", format!("{opened} opened, at most {in_flight} in flight")));
        let threads = format!("{} thread{}", self.threads, if self.threads == 1 { "" } else { "s" });
        let (used, elapsed) = (self.cpu_seconds(), self.elapsed.as_secs_f64());
        let percent = self.cpu_percent_per_thread();
        rows.push(("CPU", format!("{used:.2} s in {elapsed:.2} s on {threads} ({percent:.0} % of a core each)")));
        rows
    }

    /// The lines of the text report: a row each, then a line for each warning.
    pub fn to_text(&self) -> String {
        let mut text = String::from("Generator:\n");
        for (name, value) in self.table_rows() {
            let _ = writeln!(text, "  {name:<12}{value}");
        }
        for warning in self.warnings() {
            let _ = writeln!(text, "  warning: {warning}");
        }
        text
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::load::plan::WarmupBy;
    use crate::option_name::CommandInUse;
    use crate::record::Account;
    use crate::record::event::GeneratorStats;
    use crate::report::generator::SendLag;
    use crate::report::response_bounds::{BoundsSummary, ResponseBounds};
    use crate::units::Time;

    fn healthy() -> GeneratorReport {
        GeneratorReport {
            command: CommandInUse::Load,
            account: Account { scheduled: 6000, answered: 6000, attempts: 6000, ..Account::default() },
            sent: 6000,
            planned_rate: 500.0,
            arrivals: Time::from_secs(12),
            warmup: Time::from_secs(10),
            warmup_by: WarmupBy::End,
            elapsed: Time::from_secs(12),
            threads: 2,
            send_lag: SendLag { p50_ns: 33_000, p99_ns: 120_000, max_ns: 1_200_000 },
            bounds: ResponseBounds::default(),
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
    fn a_healthy_generator_has_no_warnings() {
        insta::assert_snapshot!(healthy().to_text(), @r"
        Generator:
          scheduled   6000 = 6000 answered + 0 failed + 0 unanswered + 0 unsent
          sent        500.00/s of 500.00/s scheduled (100.0 %), 500.00/s planned
          send lag    p50 33.00us, p99 120.00us, max 1.20ms
          connections 10 opened, at most 4 in flight
          CPU         0.51 s in 12.00 s on 2 threads (2 % of a core each)
        ");
    }

    /// A generator with every problem that can occur together.
    pub(in crate::report) fn troubled() -> GeneratorReport {
        let mut report = healthy();
        report.account = Account {
            scheduled: 6000,
            answered: 4000,
            failed: 1,
            unanswered: 999,
            unsent: 999,
            attempts: 5100,
            lower_bounds: 1999,
            ..Account::default()
        };
        report.bounds = ResponseBounds {
            summary: BoundsSummary { count: 1999, exact_up_to_percent: 66.69, ..BoundsSummary::default() },
            percent: 33.3,
            texts: vec!["p75 4.80s".into(), "max 9.87s".into()],
        };
        report.sent = 5000;
        report.send_lag.p99_ns = 25_000_000;
        report.own.bound_reached = true;
        report.own.waited = 900;
        report.own.records_dropped = 7;
        report.own.cpu_ns = 23_000_000_000;
        report.warmup = Time::from_secs(13);
        report
    }

    #[test]
    fn every_problem_has_a_warning_with_a_remedy() {
        insta::assert_snapshot!(troubled().to_text());
        assert_eq!(find_warnings(&troubled()).len(), 8);
    }

    #[test]
    fn an_experiment_has_warnings_with_its_own_options() {
        let mut report = GeneratorReport { command: CommandInUse::Experiment, warmup_by: WarmupBy::Due, ..troubled() };
        report.own.late_warmup = 60;
        let warnings = report.warnings().join("\n");
        for flag in ["--threads", "--when-busy", "--max-connections", "--streams", "--warmup", "--http2"] {
            assert!(!warnings.contains(flag), "{flag}: {warnings}");
        }
        for option in [
            "lower --rate",
            "raise threads in [load]",
            "use when-busy = \"open\" in [load]",
            "max-connections in [load]",
            "warmup = \"0s\" in [phases]",
            "with --out",
        ] {
            assert!(warnings.to_lowercase().contains(option), "{option}: {warnings}");
        }
    }

    #[test]
    fn a_shortfall_is_explained_by_its_cause() {
        let shortfall = |read, bound_reached| {
            let mut report = healthy();
            report.account = Account { scheduled: 1000, answered: 500, unsent: 500, ..Account::default() };
            (report.sent, report.account.errors.read, report.own.bound_reached) = (500, read, bound_reached);
            find_warnings(&report).iter().map(|warning| warning.describe(report.command)).collect::<Vec<_>>().join("\n")
        };
        assert!(shortfall(51, true).contains("because connections broke or were refused"));
        let busy = shortfall(50, true);
        assert!(busy.contains("all connections were busy") && busy.contains("50.0 % of the requests waited"), "{busy}");
        assert!(shortfall(0, false).contains("Raise --threads or lower --rate"));
    }

    #[test]
    fn a_backlog_at_the_end_of_the_warm_up_is_a_warning() {
        let mut report = healthy();
        report.own.late_warmup = 60;
        assert!(report.warnings().is_empty(), "by the end they are in the histograms");
        report.warmup_by = WarmupBy::Due;
        assert!(
            report
                .to_text()
                .contains("1.0 % of the requests were due in the warm-up and still in the backlog at its end")
        );
    }

    #[test]
    fn requests_that_the_limit_on_catching_up_held_back_are_a_warning_of_their_own() {
        let mut report = healthy();
        let scheduled = report.account.scheduled;
        (report.own.waited, report.own.held_back) = (scheduled / 2, scheduled / 2);
        let warnings = report.warnings().join("\n");
        assert!(warnings.contains("50.0 % of the requests were late and waited although a connection was free"));
        assert!(warnings.contains("--catch-up limits") && !warnings.contains("waited for a free connection"));
    }

    #[test]
    fn an_empty_run_has_a_report_of_zeros() {
        let empty = GeneratorReport {
            account: Account::default(),
            sent: 0,
            arrivals: Time::ZERO,
            elapsed: Time::ZERO,
            warmup: Time::ZERO,
            threads: 0,
            send_lag: SendLag::default(),
            own: GeneratorStats::default(),
            ..healthy()
        };
        assert!(!empty.to_text().contains("NaN") && !empty.to_text().contains("inf"));
        assert_eq!(find_warnings(&empty), []);
    }
}
