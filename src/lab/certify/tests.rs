//! Certificates of made-up runs.

use super::{Certify, CertifyAnswer, CertifyQuestion, draw_certificate};
use crate::lab::campaign::cell::Cell;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::question::Question;
use crate::lab::campaign::run::{CampaignEnd, CampaignResult};
use crate::lab::campaign::schedule::{Ending, Strategy, SystemWish};
use crate::lab::campaign::tests::{CELL, LATE, run, secs};
use crate::lab::statistics::certificate::ProcessIdentity;
use crate::plan::config::{Overrides, read_plan};
use crate::signals::StopSignal;
use crate::units::{Instant, Time};
use crate::verdict::goodput::Bin;

fn certify() -> Certify {
    let overrides = Overrides { early: Some(secs(30)), ..Overrides::default() };
    Certify::new(&read_plan(None, &overrides).unwrap().plan).unwrap()
}

const AFTER_SHED: Cell = Cell { outage: Time::ZERO, ..CELL };

fn stuck() -> RunOutcome {
    run(CELL, "METASTABLE", 0.024)
}

/// The run after the shed, with this share of good requests.
fn after_shed(verdict: &str, last: f64) -> RunOutcome {
    let mut run = run(AFTER_SHED, verdict, last);
    run.record.shed = secs(20);
    run
}

fn answer(runs: Vec<RunOutcome>) -> CertifyAnswer {
    CertifyAnswer::of(&certify(), &CampaignResult { runs, end: CampaignEnd::Ended(Ending::Answered) })
}

/// What the strategy asks for after these runs: the cell and the system.
fn next(runs: &[RunOutcome], same_system: bool) -> Option<(Cell, SystemWish)> {
    let runs: Vec<_> = runs.iter().collect();
    let left = certify().left(&runs, same_system);
    let next = certify().next(&runs, same_system);
    assert_eq!(next.is_none(), left.runs == 0 && left.load == Time::ZERO);
    next.map(|request| (request.cell, request.system))
}

#[test]
fn the_run_with_the_fault_comes_first_and_the_one_after_the_shed_is_on_the_same_system() {
    let with_fault = Some((CELL, SystemWish::Healthy));
    assert_eq!(next(&[], false), with_fault);
    assert_eq!(next(&[stuck()], true), Some((AFTER_SHED, SystemWish::Same)));
    assert_eq!(next(&[stuck(), after_shed("STABLE", 1.0)], true), None);
    assert_eq!(next(&[stuck()], false), with_fault, "the system that was stuck is gone");
    assert_eq!(next(&[stuck(), stuck()], true), Some((AFTER_SHED, SystemWish::Same)));
}

#[test]
fn a_system_that_was_not_stuck_needs_no_second_run() {
    for verdict in ["RECOVERED", "UNAFFECTED", "DRAINING"] {
        assert_eq!(next(&[run(CELL, verdict, 1.0)], true), None, "{verdict}");
    }
}

#[test]
fn a_certificate_needs_a_fault() {
    let overrides = Overrides { early: Some(secs(30)), outage: Some(Time::ZERO), ..Overrides::default() };
    let error = Certify::new(&read_plan(None, &overrides).unwrap().plan).unwrap_err().to_string();
    assert_eq!(error, "fault: a certificate needs a fault that leaves the system stuck. Add a [[fault]] section");
}

#[test]
fn each_answer_has_its_name_exit_code_and_sentence() {
    let mut restarted = after_shed("STABLE", 1.0);
    let process = ProcessIdentity { process_id: 7, started: "2".to_owned(), restarts: 0 };
    restarted.record.after.processes.insert("post-db".to_owned(), process);
    let sentences: Vec<String> = [
        vec![stuck(), after_shed("STABLE", 1.0)],
        vec![run(CELL, "RECOVERED", 1.0)],
        vec![run(CELL, "UNAFFECTED", 1.0)],
        vec![stuck(), after_shed("OVERLOADED", 0.0)],
        vec![stuck(), restarted],
        vec![stuck(), after_shed("OVERLOADED", 0.7)],
        vec![run(CELL, "DRAINING", 0.3)],
    ]
    .into_iter()
    .map(|runs| {
        let answer = answer(runs);
        format!("{} {}", answer.exit_code(), answer.sentence(300.0))
    })
    .collect();
    insta::assert_snapshot!(sentences.join("\n"));
}

#[test]
fn a_restart_in_the_run_with_the_fault_is_the_cure_if_the_system_recovered_from_it() {
    let restarted = |verdict| {
        let mut run = run(CELL, verdict, 1.0);
        let process = ProcessIdentity { process_id: 7, started: "2".to_owned(), restarts: 0 };
        run.record.after.processes.insert("post-db".to_owned(), process);
        answer(vec![run])
    };
    insta::assert_snapshot!(restarted("RECOVERED").sentence(300.0), @"CURED BY A RESTART at 300 requests/s: goodput was 100.0 % (99.9..100.0) before the fault and 100.0 % (100.0..100.0) after it, but meanwhile these were restarted: post-db.");
    assert_eq!(restarted("UNAFFECTED").name(), "NOT STUCK", "there was nothing to cure");
}

#[test]
fn a_system_that_was_healthy_after_the_shed_and_broken_later_is_not_called_permanent() {
    let mut tipped = after_shed("OVERLOADED", 0.2);
    let bin = |second: u64, good| Bin {
        from: Instant::START.plus(secs(second)),
        to: Instant::START.plus(secs(second + 1)),
        scheduled: 300,
        good,
    };
    tipped.goodput = vec![bin(0, 300), bin(1, 290), bin(2, 280), bin(3, 100), bin(4, 300)];
    insta::assert_snapshot!(answer(vec![stuck(), tipped]).sentence(300.0), @"INCONCLUSIVE at 300 requests/s: the system was healthy for 3 s after the time without load, and then broken again without a fault. Either it can carry this load only for so long, or something tipped it, such as another program that uses the CPUs. Repeat this on an idle machine, or lower the rate.");
}

#[test]
fn a_system_that_is_still_broken_after_a_short_shed_proves_nothing() {
    let mut short = after_shed("OVERLOADED", 0.0);
    short.record.shed = secs(19);
    assert_eq!(answer(vec![stuck(), short]).name(), "INCONCLUSIVE", "an answer took 10 s");
}

#[test]
fn a_campaign_without_an_answer_says_why() {
    let answer = |runs, end| CertifyAnswer::of(&certify(), &CampaignResult { runs, end });
    let stopped = answer(vec![stuck()], CampaignEnd::Stopped(StopSignal::Interrupt));
    let budget = answer(vec![], CampaignEnd::Ended(Ending::BudgetSpent { expected: secs(73) }));
    let invalid = answer(vec![], CampaignEnd::Ended(Ending::Invalid { verdict: LATE.to_owned() }));
    let sentences = [&stopped, &budget, &invalid].map(|answer| answer.sentence(300.0)).join("\n");
    insta::assert_snapshot!(sentences);
    assert_eq!([&stopped, &budget, &invalid].map(CertifyAnswer::exit_code), [20; 3]);
    let permanent = answer(vec![], CampaignEnd::Ended(Ending::Permanent));
    assert_eq!((permanent.name(), permanent.exit_code()), ("PERMANENT", 15));
    let remedy = "restart another system yourself, and continue with --resume.";
    assert!(permanent.sentence(300.0).ends_with(remedy), "{}", permanent.sentence(300.0));
}

#[test]
fn the_same_runs_give_the_same_report() {
    let result =
        CampaignResult { runs: vec![stuck(), after_shed("STABLE", 1.0)], end: CampaignEnd::Ended(Ending::Answered) };
    let overrides = Overrides { early: Some(secs(30)), ..Overrides::default() };
    let plan = read_plan(None, &overrides).unwrap().plan;
    let answer = CertifyQuestion {}.answer(&plan, &certify(), &result).unwrap();
    let json = serde_json::to_value(&answer.details).unwrap();
    assert_eq!((answer.name.as_str(), &json["windows"]["certificate"]), ("BISTABLE", &"bistable".into()));
    assert_eq!(json["windows"]["stuck_ns"].as_u64(), Some(30_000_000_000));
    assert_eq!((answer.figures.len(), &answer.figures[0].alt_text), (1, &answer.sentence));
    let judged = CertifyAnswer::of(&certify(), &result);
    let figure = draw_certificate(&judged, "embedded", 300.0, &certify(), &result).unwrap();
    let labels: Vec<_> = figure.windows.iter().map(|window| window.label.as_str()).collect();
    assert_eq!(labels, ["fault", "W2 2.4 %", "no load", "W3 100.0 %"]);
    assert_eq!(figure.windows[2].to, 85.0, "the first run, and the time without load");
}
