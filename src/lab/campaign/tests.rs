//! Campaigns of made-up runs, without a clock or a disk.

use super::cell::{Cell, Ramp};
use super::outcome::{RunOutcome, RunRecord, SCHEMA, SystemUse};
use super::schedule::{
    CampaignState, Ending, Forecast, Request, Step, Strategy, SystemWish, find_overload, find_shed, needs_restart,
    next_step,
};
use crate::lab::statistics::certificate::SystemIdentity;
use crate::lab::statistics::wilson::Proportion;
use crate::report::interval_counts::IntervalCounts;
use crate::units::{Instant, Time};
use crate::verdict::VerdictText;
use crate::verdict::goodput::Bin;

pub const fn secs(seconds: u64) -> Time {
    Time::from_secs(seconds)
}

/// A run with this verdict, such as `METASTABLE`. Its baseline is healthy, and its last window has this share of good
/// requests.
pub fn run(cell: Cell, verdict: &str, last: f64) -> RunOutcome {
    let identity = SystemIdentity { plan_hash: "a1".to_owned(), ..SystemIdentity::default() };
    let end = Instant::START.plus(secs(65));
    let exit_code = match verdict {
        "RECOVERED" | "UNAFFECTED" | "STABLE" => 0,
        "METASTABLE" => 10,
        "DRAINING" => 11,
        "OVERLOADED" => 14,
        _ => 20,
    };
    RunOutcome {
        record: RunRecord {
            schema: SCHEMA,
            run: 1,
            cell,
            system: SystemUse::Started,
            shed: Time::ZERO,
            expected: Time::ZERO,
            took: Time::ZERO,
            before: identity.clone(),
            after: identity,
        },
        folder: cell.folder_name(),
        verdict: VerdictText {
            kind: String::new(),
            name: verdict.to_owned(),
            exit_code,
            because: Vec::new(),
            next: Vec::new(),
            tau_ns: (verdict == "RECOVERED").then_some(3_000_000_000),
            loss_seconds: None,
            loss_requests: None,
            baseline_goodput: Some(1.0),
        },
        started: None,
        baseline: Proportion::new(3000, 3000).ok(),
        last: Proportion::new((9000.0 * last) as u64, 9000).ok(),
        baseline_at: None,
        last_from: end.minus(secs(30)),
        goodput: Vec::new(),
        intervals: IntervalCounts::default(),
        fault: Some((Instant::START.plus(secs(15)), Instant::START.plus(secs(35)))),
        end,
        warmup_end: Instant::START.plus(secs(5)),
        stuck_for: secs(30),
        longest_answer: secs(10),
        in_flight_max: 1800,
    }
}

pub const CELL: Cell = Cell { rate: 300.0, outage: secs(20), seed: 1, ramp: None };
/// Every key that an answer adds to `campaign.json` is in the documentation.
pub fn assert_documented(details: &serde_json::Value) {
    const PAGE: &str = include_str!("../../../docs/laboratory.md");
    match details {
        serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            assert!(PAGE.contains(&format!("`{name}`")), "docs/laboratory.md does not name {name}");
            assert_documented(value);
        }),
        serde_json::Value::Array(items) => items.iter().for_each(assert_documented),
        _ => {}
    }
}

pub const LATE: &str = "INVALID: the generator was late";
pub const UNHEALTHY: &str = "INVALID: unhealthy before the fault";

/// Asks for one run at each seed.
struct Seeds(u64);

impl Seeds {
    fn request(seed: u64) -> Request {
        let cell = Cell { seed, ..CELL };
        Request { cell, system: SystemWish::Healthy, duration: None, load: secs(40) }
    }
}

impl Strategy for Seeds {
    fn next(&self, runs: &[&RunOutcome], _same_system: bool) -> Option<Request> {
        let seed = runs.len() as u64 + 1;
        (seed <= self.0).then(|| Seeds::request(seed))
    }

    fn left(&self, runs: &[&RunOutcome], _same_system: bool) -> Forecast {
        let runs = self.0 as usize - runs.len();
        Forecast { runs, load: secs(40).times(runs as u64) }
    }
}

/// The step after runs with these verdicts, of which an earlier process left some.
fn step(verdicts: &[&str], earlier: usize) -> Step {
    let runs: Vec<_> = verdicts.iter().map(|verdict| run(CELL, verdict, 0.0)).collect();
    let state = CampaignState {
        runs: &runs,
        earlier,
        client_timeout: None,
        same_system: true,
        shed: None,
        budget: None,
        spent: secs(1000),
    };
    next_step(&Seeds(3), &state)
}

fn run_seed(seed: u64) -> Step {
    Step::Run(Seeds::request(seed))
}

#[test]
fn a_campaign_asks_until_the_question_is_answered() {
    assert_eq!(step(&[], 0), run_seed(1));
    assert_eq!(step(&["METASTABLE"], 0), run_seed(2));
    assert_eq!(step(&["METASTABLE", "RECOVERED", "METASTABLE"], 0), Step::End(Ending::Answered));
}

#[test]
fn a_resumed_campaign_goes_on_where_it_ended() {
    assert_eq!(step(&["METASTABLE", "RECOVERED"], 2), run_seed(3));
    assert_eq!(step(&["METASTABLE", "RECOVERED", "METASTABLE"], 3), Step::End(Ending::Answered));
}

#[test]
fn an_invalid_run_is_repeated_and_does_not_count() {
    assert_eq!(step(&[LATE], 0), run_seed(1));
    assert_eq!(step(&["METASTABLE", LATE, LATE], 0), run_seed(2));
    assert_eq!(step(&[LATE, LATE, "METASTABLE", LATE, LATE], 0), run_seed(2), "not in a row");
}

#[test]
fn three_invalid_runs_in_a_row_end_the_campaign_with_the_reason() {
    let invalid = |verdict: &str| Step::End(Ending::Invalid { verdict: verdict.to_owned() });
    assert_eq!(step(&["METASTABLE", UNHEALTHY, UNHEALTHY, LATE], 0), invalid(LATE));
    assert_eq!(step(&[UNHEALTHY, UNHEALTHY, UNHEALTHY], 0), invalid(UNHEALTHY), "it was never healthy");
    // A resumed campaign tries three times more, because what made its runs INVALID may have ended.
    assert_eq!(step(&["METASTABLE", LATE, LATE, LATE], 4), run_seed(2));
    assert_eq!(step(&["METASTABLE", LATE, LATE, LATE, LATE, LATE], 4), run_seed(2));
    assert_eq!(step(&["METASTABLE", LATE, LATE, LATE, LATE, LATE, LATE], 4), invalid(LATE));
}

#[test]
fn a_system_that_was_healthy_once_and_stays_broken_ends_the_campaign_as_permanent() {
    assert_eq!(step(&["METASTABLE", UNHEALTHY, UNHEALTHY, UNHEALTHY], 0), Step::End(Ending::Permanent));
    let overloaded = "INVALID: overloaded before the fault";
    assert_eq!(step(&["RECOVERED", UNHEALTHY, overloaded, UNHEALTHY], 1), Step::End(Ending::Permanent));
}

/// The run of a system that the campaign does not start, after this time without load.
pub fn after_shed(run: RunOutcome, shed: Time) -> RunOutcome {
    let record = RunRecord { shed, system: SystemUse::External, ..run.record };
    RunOutcome { record, ..run }
}

#[test]
fn a_system_that_had_too_little_time_to_recover_is_not_called_permanent() {
    let ending = |shed: u64, client_timeout: Option<Time>| {
        let broken = after_shed(run(CELL, UNHEALTHY, 0.0), secs(shed));
        let runs = [run(CELL, "METASTABLE", 0.0), broken.clone(), broken.clone(), broken];
        let state = CampaignState {
            runs: &runs,
            earlier: 1,
            client_timeout,
            same_system: true,
            shed: None,
            budget: None,
            spent: secs(9),
        };
        next_step(&Seeds(3), &state)
    };
    // A request was answered after 10 s.
    assert_eq!(ending(20, None), Step::End(Ending::Permanent));
    assert_eq!(ending(1, None), Step::End(Ending::ShedTooShort { needed: secs(20) }));
    assert_eq!(ending(20, Some(secs(15))), Step::End(Ending::ShedTooShort { needed: secs(30) }));
}

#[test]
fn a_rate_is_too_large_only_if_the_system_is_healthy_at_a_smaller_one() {
    let at = |rate, verdict| run(Cell { rate, ..CELL }, verdict, 0.0);
    let runs = |after: Option<RunOutcome>| {
        let first = at(200.0, "METASTABLE");
        [first].into_iter().chain(vec![at(400.0, UNHEALTHY); 3]).chain(after).collect::<Vec<_>>()
    };
    assert_eq!(find_overload(&runs(None)), Some(400.0));
    assert_eq!(find_overload(&runs(Some(at(140.0, "RECOVERED")))), Some(400.0));
    assert_eq!(find_overload(&runs(Some(at(140.0, UNHEALTHY)))), None, "it is broken at every rate");
    assert_eq!(find_overload(&runs(None)[..3]), None, "two are not enough");
    assert_eq!(find_overload(&vec![at(400.0, UNHEALTHY); 3]), None, "it was never healthy");
}

#[test]
fn no_run_begins_that_would_end_after_the_budget() {
    let runs = [run(CELL, "METASTABLE", 0.0)];
    let step = |spent: u64| {
        let budget = Some(secs(100));
        next_step(
            &Seeds(3),
            &CampaignState {
                runs: &runs,
                earlier: 0,
                client_timeout: None,
                same_system: true,
                shed: None,
                budget,
                spent: secs(spent),
            },
        )
    };
    assert_eq!(step(35), run_seed(2), "20 s without load, 40 s of it, and 5 s at the end");
    assert_eq!(step(36), Step::End(Ending::BudgetSpent { expected: secs(65) }));
}

#[test]
fn the_forecast_knows_the_time_without_load() {
    let expect = |runs: &[RunOutcome], shed| {
        let state = CampaignState {
            runs,
            earlier: 0,
            client_timeout: None,
            same_system: true,
            shed,
            budget: None,
            spent: Time::ZERO,
        };
        let left = Forecast { runs: 2, load: secs(80) };
        (state.expect(&Seeds::request(1)), state.expect_all(&left))
    };
    assert_eq!(
        expect(&[], None),
        (secs(45), secs(110)),
        "no time without load before the first run, then the usual 20 s"
    );
    assert_eq!(expect(&[], Some(secs(300))), (secs(45), secs(390)));
    let slow = RunOutcome { longest_answer: secs(25), ..run(CELL, "METASTABLE", 0.0) };
    assert_eq!(expect(std::slice::from_ref(&slow), None), (secs(95), secs(190)), "twice 50 s");
    assert_eq!(expect(&[slow], Some(secs(1))), (secs(46), secs(92)));
}

/// A run without a fault at 400 requests/s, after a health check in which this share of the requests was good.
pub fn run_with_check(cell: Cell, verdict: &str, share: f64) -> RunOutcome {
    let bin = |second: u64| {
        let from = Instant::START.plus(secs(second));
        let good = (100.0 * share) as u64;
        Bin { from, to: from.plus(secs(1)), scheduled: 100, good }
    };
    RunOutcome { goodput: (5..15).map(bin).collect(), fault: None, ..run(cell, verdict, 0.0) }
}

pub const CHECK: Ramp = Ramp { begins: Time::ZERO, from: 50.0, to: 50.0, lasts: secs(15), back: secs(30) };

#[test]
fn a_run_without_a_fault_counts_only_if_its_health_check_was_healthy() {
    let cell = Cell { outage: Time::ZERO, ramp: Some(CHECK), ..CELL };
    let (healthy, broken) = (run_with_check(cell, "OVERLOADED", 0.99), run_with_check(cell, "OVERLOADED", 0.5));
    assert!(healthy.is_valid() && !healthy.began_unhealthy());
    assert!(!broken.is_valid() && broken.began_unhealthy());
    // A system that was healthy once and is broken at a low rate is not judged again and again.
    let runs = [healthy, broken.clone(), broken.clone(), broken];
    let state = CampaignState {
        runs: &runs,
        earlier: 0,
        client_timeout: None,
        same_system: true,
        shed: None,
        budget: None,
        spent: secs(1000),
    };
    assert_eq!(next_step(&Seeds(3), &state), Step::End(Ending::Permanent));
}

#[test]
fn a_testbed_is_restarted_after_a_run_without_a_fault_that_broke_it() {
    let after = |verdict, outage| needs_restart(SystemWish::Healthy, &[run(Cell { outage, ..CELL }, verdict, 0.0)]);
    assert!(after("OVERLOADED", Time::ZERO) && !after("STABLE", Time::ZERO));
    assert!(!after("METASTABLE", CELL.outage));
}

#[test]
fn a_testbed_is_restarted_only_after_an_invalid_run() {
    let after = |verdict, wish| needs_restart(wish, &[run(CELL, verdict, 0.0)]);
    assert!(after(UNHEALTHY, SystemWish::Healthy) && after(LATE, SystemWish::Healthy));
    assert!(!after("METASTABLE", SystemWish::Healthy) && !after(UNHEALTHY, SystemWish::Same));
    assert!(!needs_restart(SystemWish::Healthy, &[]));
}

#[test]
fn the_load_is_shed_for_twice_the_longest_stay_of_a_request() {
    let last = run(CELL, "METASTABLE", 0.0);
    assert_eq!(find_shed(&last, None), secs(20));
    assert_eq!(find_shed(&last, Some(secs(15))), secs(30));
    let fast = RunOutcome { longest_answer: Time::from_millis(20), ..last };
    assert_eq!(find_shed(&fast, Some(Time::from_millis(200))), secs(10), "a queue of the server is not visible");
}
