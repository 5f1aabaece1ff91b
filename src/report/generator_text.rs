//! The generator's behaviour as text, for every product that shows it.

use std::fmt::Write as _;

use super::generator::{DelayPercentiles, GeneratorReport};
use super::warning::find_warnings;
use crate::stats::ratio;
use crate::units::{Time, format_wrk_time};

impl DelayPercentiles {
    /// `p50 1.20us, p99 33.00us, max 1.20ms`
    fn to_text(self) -> String {
        let [p50, p99, max] = [self.p50_ns, self.p99_ns, self.max_ns].map(|ns| format_wrk_time(ns as f64 / 1e3));
        format!("p50 {p50}, p99 {p99}, max {max}")
    }
}

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
        let slack = match self.slack {
            Time::ZERO => String::new(),
            slack => format!("; the slack allows {}", format_wrk_time(slack.0 as f64 / 1e3)),
        };
        rows.push(("send lag", format!("{}{slack}", self.send_lag.to_text())));
        rows.extend(self.wakeup_text().map(|text| ("wake-up", text)));
        rows.push(("connections", self.connections_text()));
        if self.own.sent_again > 0 {
            let (n, s) = (self.own.sent_again, if self.own.sent_again == 1 { "" } else { "s" });
            rows.push((
                "sent again",
                format!(
                    "{n} request{s} that the server did not process: it closed an idle connection, or refused them"
                ),
            ));
        }
        rows.extend(self.own.causes.sorted().iter().map(|cause| ("error", cause.to_string())));
        let threads = format!("{} thread{}", self.threads, if self.threads == 1 { "" } else { "s" });
        let (used, elapsed) = (self.cpu_seconds(), self.elapsed.as_secs_f64());
        let percent = self.cpu_percent_per_thread();
        let waited = match self.core_wait_percent() {
            1.0.. => format!(", {:.2} s without a core", self.core_wait_seconds()),
            _ => String::new(),
        };
        rows.push((
            "CPU",
            format!("{used:.2} s in {elapsed:.2} s on {threads} ({percent:.0} % of a core each){waited}"),
        ));
        rows
    }

    /// How much later than they arrived responses were read, and how many arrivals are known. `None` if none should be.
    fn wakeup_text(&self) -> Option<String> {
        let (with, without) = (self.own.timestamps, self.own.timestamps_missing);
        let percent = 100.0 * ratio(with as f64, (with + without) as f64);
        match (with, without) {
            (0, 0) => None,
            (0, _) => Some("unknown: no response has a kernel timestamp".to_owned()),
            _ => Some(format!(
                "{} in {percent:.1} % of the responses, which have kernel timestamps",
                self.wakeup_latency.to_text()
            )),
        }
    }

    /// How many connections were opened, and what is unusual about them.
    fn connections_text(&self) -> String {
        let own = &self.own;
        let mut text = format!("{} opened", own.connections_opened);
        if own.connections_established < own.connections_opened {
            let _ = write!(text, ", {} came up", own.connections_established);
        }
        if own.connections_unused > 0 {
            let _ = write!(text, ", {} ended by the server without an answer", own.connections_unused);
        }
        if own.connections_never_up > 0 {
            let _ = write!(text, ", {} of {} never up", own.connections_never_up, own.connections_planned);
        }
        if self.connections_missing() {
            let _ = write!(text, ", {:.1} of {} up on average", own.connections_up_mean, own.connections_planned);
        }
        let _ = write!(text, ", at most {} in flight", own.in_flight_max);
        text
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
    use crate::record::event::GeneratorStats;
    use crate::record::{Account, ErrorCause};
    use crate::report::generator::ResponseTimes;
    use crate::report::response_bounds::{BoundsSummary, ResponseBounds};
    use crate::units::{Instant, Time};

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
            send_lag: DelayPercentiles { p50_ns: 33_000, p99_ns: 120_000, max_ns: 1_200_000 },
            wakeup_latency: DelayPercentiles::default(),
            requires_timestamps: false,
            response: Some(ResponseTimes { count: 1000, p50: Time(400_000), p99: Time(2_000_000) }),
            bounds: ResponseBounds::default(),
            own: GeneratorStats {
                cpu_ns: 510_000_000,
                connections_opened: 10,
                connections_established: 10,
                connections_planned: 10,
                connections_up_mean: 10.0,
                in_flight_max: 4,
                ..GeneratorStats::default()
            },
            slack: Time::ZERO,
            spins: false,
            last_success: Some(Instant(11_999_000_000)),
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

    #[test]
    fn the_wakeup_latency_has_a_row_that_says_how_many_responses_have_timestamps() {
        let row = |with, without| {
            let mut report = healthy();
            report.wakeup_latency = DelayPercentiles { p50_ns: 38_000, p99_ns: 95_000, max_ns: 2_000_000 };
            (report.own.timestamps, report.own.timestamps_missing) = (with, without);
            report.to_text().lines().find(|line| line.contains("wake-up")).map(str::to_owned)
        };
        assert_eq!(row(0, 0), None);
        assert_eq!(
            row(5990, 10).unwrap(),
            "  wake-up     p50 38.00us, p99 95.00us, max 2.00ms in 99.8 % of the responses, which have kernel timestamps"
        );
        assert_eq!(row(0, 6000).unwrap(), "  wake-up     unknown: no response has a kernel timestamp");
    }

    #[test]
    fn missing_timestamps_are_a_warning_if_the_user_asked_for_them() {
        let mut report = healthy();
        (report.own.timestamps, report.own.timestamps_missing) = (5939, 61);
        assert!(report.warnings().is_empty());
        report.requires_timestamps = true;
        let warnings = report.warnings().join("\n");
        assert!(warnings.starts_with("1.0 % of the responses have no kernel timestamp"), "{warnings}");
        (report.own.timestamps, report.own.timestamps_missing) = (5941, 59);
        assert!(report.warnings().is_empty());
    }

    #[test]
    fn a_load_of_errors_is_a_warning() {
        let mut report = healthy();
        report.account.errors.status = 3000;
        assert!(report.warnings().is_empty(), "half of the attempts");
        report.account.errors.read = 1;
        let warning = report.warnings().concat();
        assert!(
            warning.starts_with("50.0 % of the attempts ended with an error: 3000 answers with a status"),
            "{warning}"
        );
        report.command = CommandInUse::Experiment;
        assert!(report.warnings().is_empty(), "the verdict says it");
    }

    #[test]
    fn a_server_that_stops_to_answer_is_a_warning() {
        let mut report = healthy();
        report.last_success = Some(Instant(10_900_000_000));
        assert!(report.warnings().is_empty());
        report.last_success = Some(Instant(6_000_000_000));
        let warning = report.warnings().concat();
        assert!(warning.starts_with("the last successful answer came 6.0 s after the start, and none in the 6.0 s"));
        report.account = Account { scheduled: 19, answered: 19, attempts: 19, ..Account::default() };
        report.sent = 19;
        assert!(report.warnings().is_empty(), "9.5 requests in 6 s say little");
    }

    #[test]
    fn threads_without_a_core_are_a_warning() {
        let mut report = healthy();
        report.own.core_wait_ns = Some(2_300_000_000);
        let lines = |report: &GeneratorReport| report.to_text().lines().last().unwrap().to_owned();
        assert_eq!(
            lines(&report),
            "  CPU         0.51 s in 12.00 s on 2 threads (2 % of a core each), 2.30 s without a core"
        );
        report.own.core_wait_ns = Some(12_000_000_000);
        assert!(lines(&report).starts_with("  warning: for 50 % of the run the generator threads had no core"));
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

    /// The warning about the send lag of a run with these medians and 99th percentiles of send lag and response time.
    fn lag_warning(lag_us: (u64, u64), response_us: (u64, u64)) -> Option<String> {
        let mut report = healthy();
        report.send_lag = DelayPercentiles { p50_ns: lag_us.0 * 1000, p99_ns: lag_us.1 * 1000, max_ns: 60_000_000 };
        let [p50, p99] = [response_us.0, response_us.1].map(|us| Time(us * 1000));
        report.response = Some(ResponseTimes { count: 1000, p50, p99 });
        let warnings = report.warnings();
        assert!(warnings.len() <= 1, "{warnings:?}");
        warnings.first().cloned()
    }

    #[test]
    fn send_lag_that_is_visible_in_the_response_times_is_a_warning() {
        // Measured with a busy loop on the generator's core. The response time was 0.06 and 0.2 ms without it.
        let warning = lag_warning((1, 4_400), (60, 6_800)).unwrap();
        for words in ["99th percentile of the send lag is 4.40ms", "is 6.80ms", "taskset", "--threads", "--rate"] {
            assert!(warning.contains(words), "{words}: {warning}");
        }
        let warning = lag_warning((300, 400), (600, 9_000)).unwrap();
        assert!(warning.contains("50th percentile of the send lag is 300.00us"), "{warning}");
        // The limit is a tenth of the response time.
        assert_eq!((lag_warning((1, 900), (60, 9_000)), lag_warning((900, 900), (9_000, 9_000))), (None, None));
        assert!(lag_warning((1, 901), (60, 9_000)).is_some() && lag_warning((901, 901), (9_000, 9_011)).is_some());
    }

    #[test]
    fn send_lag_of_a_quiet_machine_is_no_warning_however_fast_the_server_is() {
        // Measured: 2,000/s; a wake-up without spinning; a script that runs at the due time; the worst of 28 quiet runs.
        for (lag, response) in
            [((1, 44), (60, 102)), ((42, 60), (64, 117)), ((70, 130), (160, 250)), ((9, 372), (201, 622))]
        {
            assert_eq!(lag_warning(lag, response), None, "{lag:?} {response:?}");
        }
    }

    #[test]
    fn a_long_send_lag_is_a_warning_unless_all_response_times_are_far_longer() {
        assert!(lag_warning((1, 10_001), (60, 5_000_000)).is_some());
        assert_eq!(lag_warning((1, 9_999), (60, 5_000_000)), None);
        // An overloaded server: nobody sees 13 ms in 5 s.
        assert_eq!(lag_warning((7_500, 13_280), (5_030_000, 7_480_000)), None);
        let mut report = healthy();
        (report.send_lag.p99_ns, report.response) = (11_000_000, None);
        assert_eq!(report.warnings().len(), 1, "no response time, and the lag is long");
        let response = |count| Some(ResponseTimes { count, p50: Time(60_000), p99: Time(3_000_000) });
        (report.send_lag.p99_ns, report.response) = (2_000_000, response(199));
        assert!(report.warnings().is_empty(), "one or two requests of so few are no reason");
        report.response = response(200);
        assert_eq!(report.warnings().len(), 1);
    }

    #[test]
    fn send_lag_that_the_slack_allows_is_no_warning() {
        let mut report = GeneratorReport { slack: Time::from_millis(1), ..healthy() };
        report.send_lag = DelayPercentiles { p50_ns: 550_000, p99_ns: 1_040_000, max_ns: 1_200_000 };
        report.response = Some(ResponseTimes { count: 1000, p50: Time(610_000), p99: Time(1_100_000) });
        let text = report.to_text();
        let row = "  send lag    p50 550.00us, p99 1.04ms, max 1.20ms; the slack allows 1.00ms\n";
        assert!(text.contains(row) && report.warnings().is_empty(), "{text}");
        report.send_lag.p99_ns = 1_600_000;
        assert!(report.to_text().contains("99th percentile of the send lag is 1.60ms"), "{}", report.to_text());
        report.slack = Time::ZERO;
        assert!(!report.to_text().contains("slack"));
    }

    #[test]
    fn a_shortfall_is_explained_by_its_cause() {
        let shortfall = |read, bound_reached| {
            let mut report = healthy();
            report.account = Account { scheduled: 1000, answered: 500, unsent: 500, ..Account::default() };
            (report.sent, report.account.errors.read, report.own.bound_reached) = (500, read, bound_reached);
            (0..read).for_each(|_| report.own.causes.count(ErrorCause::Reset, &"Connection reset by peer"));
            find_warnings(&report).iter().map(|warning| warning.describe(report.command)).collect::<Vec<_>>().join("\n")
        };
        let broken = shortfall(51, true);
        assert!(broken.contains("because connections broke or were refused (connection reset)"), "{broken}");
        assert!(broken.contains("Check in the log of the server why it ends connections"), "{broken}");
        let busy = shortfall(50, true);
        assert!(busy.contains("all connections were busy") && busy.contains("50.0 % of the requests waited"), "{busy}");
        assert!(shortfall(0, false).contains("Raise --threads or lower --rate"));
    }

    /// A run with `count` errors of this cause, of which `connect` were made while connecting.
    fn with_errors(cause: ErrorCause, count: u64, connect: u64) -> GeneratorReport {
        let mut report = healthy();
        (0..count).for_each(|_| report.own.causes.count(cause, &"the first error"));
        report.own.connect_errors = connect;
        report
    }

    #[test]
    fn connections_that_were_down_are_a_warning_that_names_the_cause() {
        let mut report = with_errors(ErrorCause::NoLocalPort, 358, 358);
        report.own.connections_opened = 379;
        report.own.connections_established = 21;
        report.own.connections_planned = 50;
        report.own.connections_never_up = 29;
        report.own.connections_up_mean = 20.96;
        report.own.bound_reached = true;
        report.own.waited = 3000;
        insta::assert_snapshot!(report.to_text());
        assert!(!report.to_text().contains("Raise --connections"));
    }

    #[test]
    fn a_server_that_keeps_few_connections_is_no_reason_to_raise_their_number() {
        let mut report = healthy();
        report.own.connections_opened = 1234;
        report.own.connections_established = 1234;
        report.own.connections_unused = 1220;
        report.own.connections_planned = 100;
        report.own.connections_up_mean = 12.3;
        report.own.bound_reached = true;
        (report.sent, report.account.answered, report.account.unsent) = (3000, 3000, 3000);
        insta::assert_snapshot!(report.to_text());
        assert!(!report.to_text().contains("Raise --connections"));
    }

    #[test]
    fn requests_that_went_again_have_a_row_and_no_warning() {
        let mut report = healthy();
        report.own.sent_again = 69;
        let row = "  sent again  69 requests that the server did not process: it closed an idle connection, or refused them\n";
        assert!(report.to_text().contains(row) && report.warnings().is_empty(), "{}", report.to_text());
    }

    #[test]
    fn errors_that_the_server_did_not_cause_are_warnings_at_any_number() {
        for cause in ErrorCause::ALL {
            let text = with_errors(cause, 1, 0).to_text();
            assert!(text.contains(&format!("  error       1 {} (the first error)\n", cause.words())), "{text}");
            assert_eq!(text.contains("warning: "), cause.is_of_generator(), "{text}");
        }
        let not_http1 = with_errors(ErrorCause::NotHttp1, 7, 0).warnings();
        assert_eq!(
            not_http1,
            ["7 not HTTP/1 (the first error). These answers cannot be counted. Check that the port of the URL speaks \
              HTTP/1.1 (--http2 for HTTP/2)."]
        );
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
            send_lag: DelayPercentiles::default(),
            response: None,
            own: GeneratorStats::default(),
            ..healthy()
        };
        assert!(!empty.to_text().contains("NaN") && !empty.to_text().contains("inf"));
        assert_eq!(find_warnings(&empty), []);
    }
}
