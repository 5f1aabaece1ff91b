//! `--json`: the numbers of a plain load, for programs. The schema has a version: fields may be added without a new
//! version, but no field is changed or removed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::load_totals::LoadTotals;
use super::response_bounds::BoundsSummary;
use super::summary::{AccountSummary, GeneratorSummary, LatencySummary, Wrk2Values};
use crate::load::LoadResult;
use crate::record::event::RunEnd;
use crate::record::{ErrorCounts, PartStats, RunOrigin};
use crate::threshold::ThresholdResult;

/// The version of [`LoadSummary`].
pub const SCHEMA: u32 = 1;

/// The content of the JSON report. All numbers are finite; they are 0 where there was no sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadSummary {
    pub schema: u32,
    /// Program and version.
    pub program: String,
    /// Wall time of the start of load, RFC 3339.
    pub started: String,
    /// What made the results.
    #[serde(default)]
    pub origin: RunOrigin,
    pub ended: RunEnd,
    /// The settings of each URL.
    pub plan: Value,
    /// The sums over all URLs.
    #[serde(flatten)]
    pub total: TotalsSummary,
    /// Whether the load kept each threshold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<ThresholdResult>,
    /// Each URL, in the order of the command line.
    pub urls: Vec<UrlSummary>,
    /// Each of several generators. Left out if there was only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartStats>,
}

/// One URL and its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UrlSummary {
    pub url: String,
    #[serde(flatten)]
    pub totals: TotalsSummary,
}

/// The numbers of one URL, or the sums over all URLs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TotalsSummary {
    #[serde(flatten)]
    pub wrk2_values: Wrk2Values,
    /// scheduled = answered + failed + unanswered + unsent.
    pub account: AccountSummary,
    /// Failed attempts, including errors that belong to no request.
    pub errors: ErrorCounts,
    /// Response times (end - due) in us, with lower bounds.
    pub response: LatencySummary,
    #[serde(default)]
    pub response_bounds: BoundsSummary,
    /// Service times (end - sent) in us, of answers.
    pub service: LatencySummary,
    /// Send lag (sent - ready) in ns.
    pub send_lag_ns: LatencySummary,
    /// Wake-up latency (seen - end) in ns, of the responses with a kernel timestamp.
    #[serde(default)]
    pub wakeup_latency_ns: LatencySummary,
    pub generator: GeneratorSummary,
}

impl From<&LoadTotals> for TotalsSummary {
    fn from(n: &LoadTotals) -> TotalsSummary {
        let response = LatencySummary::of(&n.latencies.response);
        TotalsSummary {
            wrk2_values: Wrk2Values::of(
                &response,
                &n.req_per_sec,
                (n.answered_in_time, n.bytes_in_time),
                &n.errors,
                n.runtime,
            ),
            account: AccountSummary { account: n.generator.account, balances: n.generator.account.balances() },
            errors: n.errors,
            response,
            response_bounds: n.generator.bounds.summary.clone(),
            service: LatencySummary::of(&n.latencies.service),
            send_lag_ns: LatencySummary::of(&n.latencies.send_lag),
            wakeup_latency_ns: LatencySummary::of(&n.latencies.wakeup),
            generator: GeneratorSummary::of(&n.generator),
        }
    }
}

impl LoadSummary {
    /// The report of loads, one for each URL, that ran with `plan` on these generators.
    ///
    /// # Errors
    /// If the plan cannot be written as JSON.
    pub fn of(
        plan: &impl Serialize,
        (started, origin): (String, RunOrigin),
        ended: RunEnd,
        (loads, parts): (&[LoadResult], &[PartStats]),
        thresholds: &[ThresholdResult],
    ) -> Result<LoadSummary, serde_json::Error> {
        let totals = |loads: &[LoadResult]| TotalsSummary::from(&LoadTotals::of(loads));
        Ok(LoadSummary {
            schema: SCHEMA,
            program: format!("metawrk {}", env!("CARGO_PKG_VERSION")),
            started,
            origin,
            ended,
            plan: serde_json::to_value(plan)?,
            total: totals(loads),
            thresholds: thresholds.to_vec(),
            urls: loads
                .iter()
                .map(|load| UrlSummary { url: load.plan.url.clone(), totals: totals(std::slice::from_ref(load)) })
                .collect(),
            parts: parts.to_vec(),
        })
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None that data could cause: every key is a string.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{ConnectionCounts, LoadPlan, LoadSettings, ThreadTimes, WorkerResult};
    use crate::record::{Account, ErrorCause, ErrorCauses, Latencies, Outcome, RequestRecord};
    use crate::units::{Instant, Time};

    const SECOND: u64 = 1_000_000_000;

    /// One thread sent 10 requests/s for 2 s, and one request has no response.
    fn load_result(url: &str) -> LoadResult {
        let (mut account, mut latencies) = (Account::default(), Latencies::default());
        for i in 0..20 {
            let due = i * SECOND / 10;
            let mut r = RequestRecord::planned(i, Instant(due), 0);
            (r.ready, r.sent, r.end, r.seen) =
                (Instant(due), Instant(due + 20_000), Instant(due + 3_000_000), Instant(due + 3_040_000));
            (r.status, r.bytes) = (200, 100);
            r.set_outcome(Outcome::Answered);
            if i == 19 {
                (r.status, r.bytes, r.end, r.seen) = (0, 0, Instant(4 * SECOND), Instant::NEVER);
                r.set_outcome(Outcome::Unanswered);
            }
            r.set_last(true);
            account.add(&r);
            latencies.add(&r);
        }
        let mut connections = ConnectionCounts::default();
        (connections.opened, connections.errors) = (2, 1);
        connections.establish(true, Instant::START);
        let mut causes = ErrorCauses::default();
        causes.count(ErrorCause::Refused, &"Connection refused (os error 111)");
        let thread = WorkerResult {
            thread: 0,
            account,
            latencies,
            calibration: crate::stats::latency_histogram(),
            rates: Default::default(),
            in_time: (19, 1900),
            arrivals_end: Instant(2 * SECOND),
            ended: Instant(4 * SECOND),
            times: ThreadTimes { cpu: Time(5_000_000), core_wait: Some(Time(1_000_000)) },
            connections,
            connections_planned: 1,
            causes,
            sent_again: 3,
            unsolicited: 2,
            fewest_streams: 100,
            in_flight_max: 1,
            limit_reached: false,
            waited: 0,
            held_back: 0,
            late_warmup: 0,
            good: 0,
            last_success: Some(Instant(2 * SECOND)),
            script_unsent: 0,
            has_uncounted: false,
            timestamps: 19,
            timestamps_missing: 0,
            dropped: 0,
            failure: None,
        };
        let settings = LoadSettings { threads: 1, connections: 1, ..LoadSettings::new(url, 10.0) };
        LoadResult::new(LoadPlan::new(settings).unwrap(), vec![thread])
    }

    fn summary(loads: &[LoadResult]) -> LoadSummary {
        let plan = serde_json::json!({ "rate": 10.0 });
        LoadSummary::of(
            &plan,
            ("2026-01-01T00:00:00Z".into(), RunOrigin::default()),
            RunEnd::Complete,
            (loads, &[]),
            &[],
        )
        .unwrap()
    }

    #[test]
    fn the_report_of_one_url() {
        let json = summary(&[load_result("http://a/")]).to_json().unwrap();
        let from = json.find("\"urls\"").unwrap();
        insta::assert_snapshot!(json[..from].trim_end());
    }

    #[test]
    fn each_of_several_urls_has_its_own_numbers() {
        let summary = summary(&[load_result("http://a/"), load_result("http://b/")]);
        let of = |n: &TotalsSummary| {
            (n.account.account.scheduled, n.wrk2_values.tot_requests, n.response.count, n.errors.read)
        };
        assert_eq!(of(&summary.total), (40, 38, 40, 4));
        assert_eq!((summary.total.generator.planned_rate, summary.total.wrk2_values.req_sec_tot), (20.0, 19.0));
        let urls: Vec<_> = summary.urls.iter().map(|u| (u.url.as_str(), of(&u.totals))).collect();
        assert_eq!(urls, [("http://a/", (20, 19, 20, 2)), ("http://b/", (20, 19, 20, 2))]);
    }

    #[test]
    fn a_written_report_can_be_read_and_has_zeros_where_nothing_was_measured() {
        for loads in [vec![], vec![load_result("http://a/")]] {
            let json = summary(&loads).to_json().unwrap();
            assert!(!json.contains("null") && !json.contains("NaN"), "{json}");
            assert_eq!(serde_json::from_str::<LoadSummary>(&json).unwrap(), summary(&loads));
        }
    }
}
