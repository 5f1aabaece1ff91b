//! A plain load in numbers, for programs: `--json`. A versioned schema: fields are added, never changed or taken away
//! without a new number.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::load::LoadNumbers;
use super::summary::{AccountText, GeneratorText, Latency, Printed};
use crate::load::LoadResult;
use crate::record::ErrorCounts;
use crate::record::event::RunEnd;

/// Of [`LoadSummary`].
pub const SCHEMA: u32 = 1;

/// All numbers are finite; where there was no sample they are 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadSummary {
    pub schema: u32,
    /// Program and version.
    pub program: String,
    /// Wall time of the load's start, RFC 3339.
    pub started: String,
    pub ended: RunEnd,
    /// What was asked for.
    pub plan: Value,
    /// Over all URLs.
    #[serde(flatten)]
    pub total: Numbers,
    /// Each URL's own, one or several, in order of the command line.
    pub urls: Vec<OfUrl>,
}

/// The numbers of one URL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfUrl {
    pub url: String,
    #[serde(flatten)]
    pub numbers: Numbers,
}

/// The numbers of one URL, or of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    #[serde(flatten)]
    pub printed: Printed,
    /// scheduled = answered + failed + unanswered + unsent.
    pub account: AccountText,
    /// Attempts that went wrong, those included that belong to no request.
    pub errors: ErrorCounts,
    /// Corrected (end - due), in us, lower bounds included.
    pub response: Latency,
    /// Uncorrected (end - sent), in us, of answers only.
    pub service: Latency,
    /// The generator's own lateness (sent - ready), in ns.
    pub send_lag_ns: Latency,
    pub generator: GeneratorText,
}

impl From<&LoadNumbers> for Numbers {
    fn from(n: &LoadNumbers) -> Numbers {
        let response = Latency::of(&n.latencies.response);
        Numbers {
            printed: Printed::of(&response, &n.req_per_sec, n.in_time, &n.errors, n.runtime.0),
            account: AccountText { account: n.block.account, balances: n.block.account.balances() },
            errors: n.errors,
            response,
            service: Latency::of(&n.latencies.service),
            send_lag_ns: Latency::of(&n.latencies.send_lag),
            generator: GeneratorText::of(&n.block),
        }
    }
}

impl LoadSummary {
    /// Of the load that `plan` asked for, and what each URL's part of it left.
    ///
    /// # Errors
    /// Where the plan is nothing that JSON can say.
    pub fn of(
        plan: &impl Serialize,
        started: String,
        ended: RunEnd,
        loads: &[LoadResult],
    ) -> Result<LoadSummary, serde_json::Error> {
        let numbers = |loads: &[LoadResult]| Numbers::from(&LoadNumbers::of(loads));
        Ok(LoadSummary {
            schema: SCHEMA,
            program: format!("metawrk {}", env!("CARGO_PKG_VERSION")),
            started,
            ended,
            plan: serde_json::to_value(plan)?,
            total: numbers(loads),
            urls: loads
                .iter()
                .map(|load| OfUrl { url: load.plan.url.clone(), numbers: numbers(std::slice::from_ref(load)) })
                .collect(),
        })
    }

    /// The file's text.
    ///
    /// # Errors
    /// None that data could cause: every key is text.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{LoadPlan, LoadSettings, WorkerResult};
    use crate::record::{Account, Latencies, Outcome, RequestRecord};
    use crate::units::{Instant, Time};

    const SECOND: u64 = 1_000_000_000;

    /// One thread for 2 s at 10/s, of which one request was never answered.
    fn loaded(url: &str) -> LoadResult {
        let (mut account, mut latencies) = (Account::default(), Latencies::default());
        for i in 0..20 {
            let due = i * SECOND / 10;
            let mut r = RequestRecord::planned(i, Instant(due), 0);
            (r.ready, r.sent, r.end, r.status, r.bytes) =
                (Instant(due), Instant(due + 20_000), Instant(due + 3_000_000), 200, 100);
            r.set_outcome(Outcome::Answered);
            if i == 19 {
                (r.status, r.bytes, r.end) = (0, 0, Instant(4 * SECOND));
                r.set_outcome(Outcome::Unanswered);
            }
            r.set_last(true);
            account.add(&r);
            latencies.add(&r);
        }
        let left = WorkerResult {
            thread: 0,
            account,
            latencies,
            calibration: crate::stats::latency_histogram(),
            rates: Default::default(),
            in_time: (19, 1900),
            until: Instant(2 * SECOND),
            ended: Instant(4 * SECOND),
            cpu: Time(5_000_000),
            opened: 1,
            connect_errors: 1,
            unasked: 2,
            fewest_streams: 100,
            in_flight_max: 1,
            bound_reached: false,
            waited: 0,
            late_warmup: 0,
            dropped: 0,
            failure: None,
        };
        let settings = LoadSettings { threads: 1, connections: 1, ..LoadSettings::new(url, 10.0) };
        LoadResult::new(LoadPlan::new(settings).unwrap(), vec![left])
    }

    fn summary(loads: &[LoadResult]) -> LoadSummary {
        let plan = serde_json::json!({ "rate": 10.0 });
        LoadSummary::of(&plan, "2026-01-01T00:00:00Z".into(), RunEnd::Complete, loads).unwrap()
    }

    #[test]
    fn one_url_has_its_numbers_in_one_document() {
        let json = summary(&[loaded("http://a/")]).json().unwrap();
        let from = json.find("\"urls\"").unwrap();
        insta::assert_snapshot!(json[..from].trim_end());
    }

    #[test]
    fn several_urls_have_each_its_own_besides_the_total() {
        let summary = summary(&[loaded("http://a/"), loaded("http://b/")]);
        let of = |n: &Numbers| (n.account.account.scheduled, n.printed.tot_requests, n.response.count, n.errors.read);
        assert_eq!(of(&summary.total), (40, 38, 40, 4));
        assert_eq!((summary.total.generator.planned_rate, summary.total.printed.req_sec_tot), (20.0, 19.0));
        let urls: Vec<_> = summary.urls.iter().map(|u| (u.url.as_str(), of(&u.numbers))).collect();
        assert_eq!(urls, [("http://a/", (20, 19, 20, 2)), ("http://b/", (20, 19, 20, 2))]);
    }

    #[test]
    fn what_is_written_can_be_read_and_nothing_measured_is_zero() {
        for loads in [vec![], vec![loaded("http://a/")]] {
            let json = summary(&loads).json().unwrap();
            assert!(!json.contains("null") && !json.contains("NaN"), "{json}");
            assert_eq!(serde_json::from_str::<LoadSummary>(&json).unwrap(), summary(&loads));
        }
    }
}
