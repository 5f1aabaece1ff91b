//! Searches for the stable rate of made-up systems.

use super::answer::StableAnswer;
use super::prediction::{Method, Predicted, Predictor};
use super::strategy::StableSearch;
use super::{StableCells, StableQuestion, ramp_goodput};
use crate::lab::campaign::cell::{Cell, Ramp};
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::question::Question;
use crate::lab::campaign::run::{CampaignEnd, CampaignResult};
use crate::lab::campaign::schedule::{Ending, Strategy};
use crate::lab::campaign::tests::{run, secs};
use crate::plan::ExperimentPlan;
use crate::plan::config::{Overrides, read_plan};
use crate::report::interval_counts::IntervalCounts;
use crate::units::{Instant, Time};

pub fn plan() -> ExperimentPlan {
    read_plan(None, &Overrides { early: Some(secs(45)), ..Overrides::default() }).unwrap().plan
}

/// A made-up system that is stuck after a fault above its stable rate.
#[derive(Clone, Copy)]
pub struct MadeUp {
    pub stable_rate: f64,
    /// In attempts per second.
    pub capacity: f64,
    /// Clients give up while the system is stuck, so that nothing succeeds, and try this many times.
    pub attempts: Option<f64>,
    /// Requests that wait in a stuck system.
    pub backlog: f64,
    /// The system comes back only after a shed of this length.
    pub needs_shed: Time,
}

pub const MEMORY: MadeUp =
    MadeUp { stable_rate: 120.0, capacity: 2000.0, attempts: None, backlog: 450.0, needs_shed: Time::from_secs(30) };
pub const STORM: MadeUp = MadeUp {
    stable_rate: 400.0 / 3.0,
    capacity: 400.0,
    attempts: Some(3.0),
    backlog: 120.0,
    needs_shed: Time::from_secs(30),
};

impl MadeUp {
    /// What a run of `cell` shows.
    pub fn run(self, cell: Cell) -> RunOutcome {
        let has_fault = cell.outage > Time::ZERO;
        let end = cell.ramp.map_or(secs(90), |ramp| ramp.end());
        let tips = has_fault && cell.rate > self.stable_rate;
        let mut counts = IntervalCounts { width_ns: 1_000_000_000, ..IntervalCounts::default() };
        let mut is_stuck = false;
        for second in 0..end.0 / 1_000_000_000 {
            let (at, middle) = (secs(second), Time(second * 1_000_000_000 + 500_000_000));
            let ramp = cell.ramp.filter(|ramp| at >= ramp.begins);
            let is_back = ramp.is_some_and(|ramp| at >= ramp.begins.plus(ramp.lasts));
            let rate = ramp.filter(|_| !is_back).map_or(cell.rate, |ramp| ramp.rate_at(middle));
            is_stuck = (is_stuck || tips && second == 15) && !self.comes_back(&cell, at, rate);
            let overloaded = rate > self.capacity;
            let successful = match (is_stuck, self.attempts) {
                (true, Some(_)) => 0.0,
                (true, None) => self.stable_rate.min(rate),
                (false, _) => rate.min(self.capacity),
            };
            let attempts = if is_stuck { self.attempts.unwrap_or(1.0) } else { 1.0 };
            counts.due.push(rate as u64);
            counts.good.push(if is_stuck || overloaded { 0 } else { rate as u64 });
            counts.successful.push(successful as u64);
            counts.errors.push((attempts * rate - successful).max(0.0) as u64);
            counts.backlog.push(if is_stuck { self.backlog } else { 1.0 });
        }
        let verdict = match (has_fault, is_stuck) {
            (true, true) => "METASTABLE",
            (true, false) => "RECOVERED",
            (false, _) => "STABLE",
        };
        let mut outcome = run(cell, verdict, if is_stuck { 0.0 } else { 1.0 });
        outcome.end = Instant::START.plus(end);
        outcome.last_from = outcome.end.minus(secs(45));
        outcome.intervals = counts;
        outcome
    }

    /// Whether a stuck system comes back at this instant: after a shed that is long enough, or as soon as the rate has
    /// fallen below the stable rate by what its backlog costs.
    fn comes_back(self, cell: &Cell, at: Time, rate: f64) -> bool {
        let Some(ramp) = cell.ramp.filter(|ramp| at >= ramp.begins) else { return false };
        if ramp.from == ramp.to {
            return rate < self.stable_rate && at.minus(ramp.begins) >= self.needs_shed;
        }
        let slope = (ramp.from - ramp.to) / ramp.lasts.as_secs_f64();
        rate < self.stable_rate - (2.0 * slope * self.backlog).sqrt()
    }
}

pub fn predictor(method: Option<Method>, abandons: bool) -> Predictor {
    Predictor { cells: StableCells::new(&plan()).unwrap(), method, abandons }
}

/// Makes all runs that a strategy asks for.
pub fn finish(strategy: &dyn Strategy, system: MadeUp) -> CampaignResult {
    let mut runs: Vec<RunOutcome> = Vec::new();
    loop {
        let valid: Vec<&RunOutcome> = runs.iter().collect();
        let left = strategy.left(&valid, true);
        let Some(request) = strategy.next(&valid, true) else {
            assert_eq!(left.runs, 0);
            return CampaignResult { runs, end: CampaignEnd::Ended(Ending::Answered) };
        };
        assert!(left.runs > 0 && left.load >= request.load, "{left:?}");
        assert!(runs.len() < 40, "the search does not end");
        runs.push(system.run(request.cell));
    }
}

fn search(method: Option<Method>, verify: u64, verify_advice: bool) -> StableSearch {
    StableSearch {
        predictor: predictor(method, method.is_some_and(|method| method == Method::Capacity)),
        verify,
        verify_advice,
    }
}

fn predicted(method: Option<Method>, abandons: bool, system: MadeUp) -> (f64, Method, usize) {
    let search = StableSearch { predictor: predictor(method, abandons), ..search(None, 0, false) };
    let result = finish(&search, system);
    let runs: Vec<&RunOutcome> = result.runs.iter().collect();
    match search.predictor.predict(&runs) {
        Predicted::Found(found) => (found.stable_rate.value, found.method, runs.len()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_method_that_applies_predicts_the_stable_rate() {
    let (rate, method, runs) = predicted(None, false, MEMORY);
    assert_eq!((rate, method, runs), (120.0, Method::StuckThroughput, 1));
    // Nothing succeeds in a stuck retry storm, so its capacity must be known.
    let (rate, method, runs) = predicted(None, true, STORM);
    assert!((rate / STORM.stable_rate - 1.0).abs() < 0.02 && method == Method::Capacity && runs == 2, "{rate}");
}

#[test]
fn two_sweeps_predict_it_for_both_kinds_of_systems() {
    for (system, abandons, made) in [(MEMORY, false, 3), (STORM, true, 4)] {
        let (rate, method, runs) = predicted(Some(Method::Sweeps), abandons, system);
        assert!((rate / system.stable_rate - 1.0).abs() < 0.05, "{rate}, not {}", system.stable_rate);
        assert_eq!((method, runs), (Method::Sweeps, made));
    }
}

#[test]
fn a_capacity_that_was_not_reached_predicts_nothing() {
    let search = search(Some(Method::Capacity), 5, false);
    let result = finish(&search, MadeUp { capacity: 5000.0, ..STORM });
    assert_eq!(result.runs.len(), 2);
    insta::assert_snapshot!(StableAnswer::of(&search, &result).sentence(300.0));
}

#[test]
fn the_prediction_is_verified_from_both_sides_and_the_advice_is_tested() {
    let search = search(None, 5, true);
    let result = finish(&search, MEMORY);
    let rates: Vec<f64> = result.runs.iter().map(|run| run.cell().rate).collect();
    assert_eq!(rates, [300.0, 108.0, 132.0, 108.0, 132.0, 108.0, 132.0, 108.0, 132.0, 108.0, 132.0, 300.0]);
    let seeds: Vec<u64> = result.runs[1..11].iter().map(|run| run.cell().seed).collect();
    assert_eq!(seeds, [2, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
    let answer = StableAnswer::of(&search, &result);
    assert_eq!((answer.name(), answer.exit_code()), ("VERIFIED", 0));
    insta::assert_snapshot!(answer.sentence(300.0));
}

#[test]
fn an_advice_that_does_not_suffice_is_tried_for_longer() {
    let search = search(None, 0, true);
    let sentence = |needs_shed| {
        let result = finish(&search, MadeUp { needs_shed, ..MEMORY });
        (result.runs.len(), StableAnswer::of(&search, &result).sentence(300.0))
    };
    let (runs, text) = sentence(secs(100));
    assert!(runs == 4 && text.ends_with("Tested: 75 s did not suffice, and 150 s did."), "{runs} {text}");
    let (runs, text) = sentence(secs(1000));
    assert!(runs == 5 && text.ends_with("Tested: the system did not recover, even after 300 s."), "{runs} {text}");
}

#[test]
fn an_advice_is_not_tested_on_a_system_that_was_not_stuck() {
    let search = search(None, 0, true);
    let mut result = finish(&search, MEMORY);
    let shed = result.runs.last_mut().unwrap();
    shed.intervals.good = shed.intervals.due.clone();
    let text = StableAnswer::of(&search, &result).sentence(300.0);
    assert!(text.ends_with("Not tested: the system was not stuck when the shed began."), "{text}");
}

#[test]
fn a_verified_rate_is_the_answer_although_the_advice_was_not_tested_to_the_end() {
    let search = search(None, 3, true);
    let mut result = finish(&search, MEMORY);
    result.runs.pop();
    result.end = CampaignEnd::Ended(Ending::BudgetSpent { expected: secs(90) });
    let answer = StableAnswer::of(&search, &result);
    assert_eq!((answer.name(), answer.exit_code()), ("VERIFIED", 0));
    insta::assert_snapshot!(answer.sentence(300.0));
}

#[test]
fn a_system_is_not_stable_at_a_rate_at_which_it_is_stuck() {
    // Without retries, the capacity over the attempts is the capacity, which has nothing to do with being stuck.
    let system = MadeUp { attempts: Some(1.0), ..STORM };
    let (rate, method, runs) = predicted(None, true, system);
    assert!((rate / system.stable_rate - 1.0).abs() < 0.1 && method == Method::Sweeps && runs == 4, "{rate}");
}

#[test]
fn a_low_rate_is_judged_by_enough_requests() {
    let cell = |rate: f64| {
        let ramp = Ramp { begins: secs(60), from: rate, to: 0.05 * rate, lasts: secs(1200), back: Time::ZERO };
        Cell { rate, outage: secs(20), seed: 1, ramp: Some(ramp) }
    };
    let bins = |rate: f64| ramp_goodput(&MadeUp { stable_rate: rate / 2.0, ..MEMORY }.run(cell(rate)));
    let step = |rate: f64| bins(rate)[0].rate - bins(rate)[1].rate;
    // 50 requests at 0.3 of the rate: a second, and 34 seconds.
    assert!((step(300.0) - 300.0 * 0.95 / 1200.0).abs() < 1e-9, "{}", step(300.0));
    assert!((step(5.0) - 34.0 * 5.0 * 0.95 / 1200.0).abs() < 1e-9, "{}", step(5.0));
}

#[test]
fn a_prediction_that_runs_contradict_is_not_verified() {
    let search = search(None, 5, false);
    let mut result = finish(&search, MEMORY);
    for run in result.runs.iter_mut().filter(|run| run.cell().rate == 108.0).take(2) {
        run.verdict.name = "METASTABLE".to_owned();
        run.verdict.exit_code = 10;
    }
    let answer = StableAnswer::of(&search, &result);
    assert_eq!((answer.name(), answer.exit_code()), ("NOT VERIFIED", 17));
    insta::assert_snapshot!(answer.sentence(300.0));
}

#[test]
fn a_system_that_was_not_stuck_has_no_stable_rate_to_find() {
    let search = search(None, 5, false);
    let result = finish(&search, MadeUp { stable_rate: 500.0, ..MEMORY });
    let answer = StableAnswer::of(&search, &result);
    assert_eq!((result.runs.len(), answer.name(), answer.exit_code()), (1, "NOT STUCK", 18));
    insta::assert_snapshot!(answer.sentence(300.0));
}

#[test]
fn a_search_that_ended_early_says_what_it_knows() {
    let search = search(None, 5, false);
    let mut result = finish(&search, MEMORY);
    result.runs.truncate(4);
    result.end = CampaignEnd::Ended(Ending::BudgetSpent { expected: secs(90) });
    let answer = StableAnswer::of(&search, &result);
    assert_eq!((answer.name(), answer.exit_code()), ("UNANSWERED", 20));
    insta::assert_snapshot!(answer.sentence(300.0));
    result.runs.clear();
    insta::assert_snapshot!(StableAnswer::of(&search, &result).sentence(300.0));
}

#[test]
fn a_surge_excludes_runs_in_which_the_rate_changes() {
    let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/surge.toml"));
    let plan = read_plan(Some(path), &Overrides { early: Some(secs(45)), ..Overrides::default() }).unwrap().plan;
    let question = |method| StableQuestion { method: Some(method), verify: 5, verify_advice: false };
    assert!(question(Method::StuckThroughput).strategy(&plan).is_ok());
    let error = question(Method::Sweeps).strategy(&plan).unwrap_err().to_string();
    assert!(error.starts_with("fault: a surge excludes runs in which the rate changes"), "{error}");
}

#[test]
fn a_question_survives_its_file() {
    let question = StableQuestion { method: Some(Method::StuckThroughput), verify: 5, verify_advice: true };
    let table = toml::Table::try_from(question).unwrap();
    assert_eq!(table.to_string(), "method = \"stuck-throughput\"\nverify = 5\nverify-advice = true\n");
    assert_eq!(table.try_into::<StableQuestion>().unwrap(), question);
    assert!(question.strategy(&plan()).is_ok());
    let overrides = Overrides { early: Some(secs(45)), outage: Some(Time::ZERO), ..Overrides::default() };
    let error = question.strategy(&read_plan(None, &overrides).unwrap().plan).unwrap_err().to_string();
    assert_eq!(error, "fault: a stable rate needs a fault that leaves the system stuck. Add a [[fault]] section");
}
