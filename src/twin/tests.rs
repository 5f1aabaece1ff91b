use super::boundary::{BoundaryOutcome, find_stable_rate, find_tipping_outage};
use super::model::SystemModel;
use super::plan::{TwinOverrides, TwinPlan};
use super::run::TwinRun;
use crate::units::Time;

pub const RETRY_STORM: &str = include_str!("../../experiments/twin/retry-storm.toml");
const MEMORY_LOOP: &str = include_str!("../../experiments/twin/memory-loop.toml");
const HOTOS21: &str = include_str!("../../experiments/twin/hotos21.toml");
const SREGYM: &str = include_str!("../../experiments/twin/sregym.toml");

/// A system from the keys of `[system]`.
pub fn system(text: &str) -> SystemModel {
    toml::from_str(text).unwrap()
}

pub fn twin(text: &str) -> TwinPlan {
    TwinPlan::parse(text, "x.toml", &TwinOverrides::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn verdict(text: &str, overrides: TwinOverrides) -> String {
    TwinRun::simulate(&twin(text).vary(&overrides).unwrap()).judgement.verdict.name()
}

fn at_rate(rate: f64) -> TwinOverrides {
    TwinOverrides { rate: Some(rate), ..TwinOverrides::default() }
}

/// The outcome of a run that has five minutes to recover.
fn outcome(text: &str, rate: f64) -> BoundaryOutcome {
    let observe = Some(Time::from_secs(300));
    let plan = twin(text).vary(&TwinOverrides { observe, ..at_rate(rate) }).unwrap();
    BoundaryOutcome::of(&TwinRun::simulate(&plan).judgement.verdict)
}

#[test]
fn the_examples_have_their_published_verdicts() {
    for (text, rate) in [(MEMORY_LOOP, 300.0), (RETRY_STORM, 200.0), (HOTOS21, 280.0), (SREGYM, 8.0)] {
        assert_eq!(verdict(text, at_rate(rate)), "METASTABLE", "{text}");
    }
    let without = TwinOverrides { outage: Some(Time::ZERO), ..TwinOverrides::default() };
    for text in [MEMORY_LOOP, RETRY_STORM, HOTOS21, SREGYM] {
        assert_eq!(verdict(text, without), "STABLE", "{text}");
    }
}

#[test]
fn the_published_boundaries_lie_between_a_run_that_recovers_and_one_that_is_stuck() {
    for (text, boundary) in [(MEMORY_LOOP, 120.0), (RETRY_STORM, 400.0 / 3.0), (HOTOS21, 150.0), (SREGYM, 20.0 / 3.0)] {
        assert_eq!(outcome(text, 0.95 * boundary), BoundaryOutcome::Recovers, "{text}");
        assert_eq!(outcome(text, 1.05 * boundary), BoundaryOutcome::Stuck, "{text}");
    }
}

#[test]
fn the_boundaries_of_the_retry_storm_are_found() {
    let plan = twin(RETRY_STORM);
    let stable_rate = find_stable_rate(&plan).unwrap().unwrap().value().unwrap();
    assert!((stable_rate / (400.0 / 3.0) - 1.0).abs() < 0.03, "{stable_rate}");
    // The closed form says 0.3 s, for arrivals without chance.
    let outage = find_tipping_outage(&plan).unwrap().unwrap().value().unwrap();
    assert!((outage / 0.3 - 1.0).abs() < 0.15, "{outage}");
}

/// The known answers of the mitigations of the retry storm.
#[test]
fn mitigations_move_the_boundary() {
    let storm = |from: &str, to: &str| {
        assert!(RETRY_STORM.contains(from));
        RETRY_STORM.replace(from, to)
    };
    let with = |mitigation: &str| format!("{RETRY_STORM}\n[mitigation]\n{mitigation}");
    // A waiting request is never abandoned, if the queue is shorter than the timeout.
    let short_queue = storm("queue = 1000", "queue = 60");
    let lifo = storm("order = \"fifo\"", "order = \"lifo\"");
    for rate in [160.0, 240.0, 320.0] {
        assert_eq!(outcome(&short_queue, rate), BoundaryOutcome::Recovers, "queue of 60 at {rate}");
        assert_eq!(outcome(&lifo, rate), BoundaryOutcome::Recovers, "LIFO at {rate}");
    }
    // A budget of b is safe below mu / (1 + b), which is 333/s.
    assert_eq!(outcome(&with("retry-budget = 0.2"), 280.0), BoundaryOutcome::Recovers);
    assert_eq!(outcome(&with("retry-budget = 0.2"), 350.0), BoundaryOutcome::Stuck);
}

#[test]
fn shedding_for_long_enough_ends_the_storm() {
    let shed = |lasts: &str| {
        format!("{RETRY_STORM}\n[mitigation]\nshed = {{ share = 0.4, after = \"5s\", for = \"{lasts}\" }}")
    };
    assert_eq!(verdict(&shed("30s"), TwinOverrides::default()), "RECOVERED");
    assert_eq!(verdict(&shed("1s"), TwinOverrides::default()), "METASTABLE");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let plan = twin(RETRY_STORM).vary(&TwinOverrides { seed: Some(seed), ..TwinOverrides::default() }).unwrap();
        TwinRun::simulate(&plan).requests
    };
    assert!(run(1) == run(1));
    assert!(run(1) != run(2));
}

#[test]
fn what_cannot_be_simulated_is_refused_with_its_line() {
    let refused = |from: &str, to: &str| {
        assert!(RETRY_STORM.contains(from), "{from}");
        TwinPlan::parse(&RETRY_STORM.replace(from, to), "x.toml", &TwinOverrides::default()).unwrap_err().to_string()
    };
    let errors = [
        refused("servers = 4", "servers = 0"),
        refused("service-time = \"10ms\"", "service-time = \"0s\""),
        refused("order = \"fifo\"", "service-sigma = 1"),
        refused("order = \"fifo\"", "service-law = \"lognormal\""),
        refused("order = \"fifo\"", "costly = { servers = 5, hold = \"1s\" }"),
        refused("rate = 200", "rate = 1e6"),
        refused("rate = 200", "rate = 0"),
        refused("for = \"10s\"", "for = \"0s\""),
        refused("for = \"10s\"", "for = \"10s\"\n[mitigation]\nretry-budget = -1"),
        refused("for = \"10s\"", "for = \"10s\"\n[mitigation]\nadmission = { rate = 0, burst = 1 }"),
        refused("for = \"10s\"", "for = \"10s\"\n[mitigation]\nshed = { share = 2, for = \"1s\" }"),
        refused(
            "[outage]                    # What is served hangs until the end\nfor = \"10s\"",
            "[mitigation]\nshed = { share = 1, for = \"1s\" }",
        ),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}
