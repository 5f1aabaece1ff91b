//! Comparisons of made-up runs, without a clock.

use super::answer::{Comparison, Finding, Row};
use super::metric::Metric;
use super::run::{ComparedRun, ComparedVerdict, Phase, PhaseContent, PhaseName, PhaseSorter};
use crate::arrivals::RandomStream;
use crate::record::{Outcome, RequestRecord};
use crate::units::{Instant, Time};

const SECOND: u64 = 1_000_000_000;

/// A request that was due at `due_ns`, with this response time, or an error.
fn record(due_ns: u64, response_us: u64, status: u16) -> RequestRecord {
    let mut record = RequestRecord::planned(0, Instant(due_ns), 0);
    record.sent = record.due;
    record.end = record.due.plus(Time(response_us * 1000));
    record.status = status;
    record.set_outcome(Outcome::Answered);
    record.set_last(true);
    record
}

/// 100 requests/s for so many seconds. Response times are around `us`, and higher for some seconds in a row; a share of the
/// requests fails.
fn load(seed: u64, seconds: u64, us: f64, errors: f64) -> ComparedRun {
    let mut random = RandomStream::new(seed, 9);
    let mut sorter = PhaseSorter::new(None, None);
    let mut slow = 0.0;
    for request in 0..100 * seconds {
        if request % 100 == 0 {
            slow = 0.7 * slow + 0.3 * random.draw_unit();
        }
        let response = us * (0.8 + 0.2 * slow - 0.3 * (1.0 - random.draw_unit()).ln());
        let status = if random.draw_unit() < errors { 503 } else { 200 };
        sorter.add(&record(request * SECOND / 100, response as u64, status));
    }
    run("x", sorter.finish())
}

fn run(name: &str, phases: Vec<Phase>) -> ComparedRun {
    ComparedRun { name: name.to_owned(), verdict: None, settings: vec![], has_slo: false, phases }
}

fn row(comparison: &Comparison, metric: Metric) -> &Row {
    comparison.phases[0].rows.iter().find(|row| row.metric == metric).unwrap()
}

#[test]
fn a_run_that_is_slower_by_a_tenth_is_worse() {
    let (a, b) = (load(1, 60, 1000.0, 0.001), load(2, 60, 1100.0, 0.001));
    let comparison = Comparison::new(&a, &b);
    for metric in [Metric::Mean, Metric::P50, Metric::P90] {
        let row = row(&comparison, metric);
        assert_eq!(row.finding, Finding::Worse, "{row:?}");
        assert!(row.change.low.unwrap() < 1.1 && 1.1 < row.change.high.unwrap(), "{row:?}");
        assert!(row.a.low.unwrap() < row.a.value && row.a.value < row.a.high.unwrap(), "{row:?}");
    }
    // 6 of 6000 samples are above p99.9.
    let p999 = row(&comparison, Metric::P999);
    assert_eq!((p999.finding, p999.a.low), (Finding::Unknown, None));
    assert_eq!(row(&comparison, Metric::Errors).finding, Finding::NoDifference);
    assert!(comparison.list_worse(0.0).contains(&"p50".to_owned()), "{:?}", comparison.list_worse(0.0));
    assert!(comparison.list_worse(0.5).is_empty(), "a tenth is within a tolerance of a half");
    let back = Comparison::new(&b, &a);
    assert!(row(&back, Metric::P50).finding == Finding::Better && back.list_worse(0.0).is_empty());
    assert!(comparison == Comparison::new(&a, &b), "the same runs give the same comparison");
}

#[test]
fn more_errors_are_worse_whatever_the_tolerance() {
    let comparison = Comparison::new(&load(1, 60, 1000.0, 0.001), &load(2, 60, 1000.0, 0.02));
    assert_eq!(comparison.list_worse(0.5), ["errors"]);
    let errors = row(&comparison, Metric::Errors);
    assert!(errors.change.value > 0.01 && errors.change.low > Some(0.0), "{errors:?}");
}

/// All changes together are tested at 95 %, so at most about one pair of equal runs in twenty differs. Blocks of a run of
/// 60 s are few, so that it may be some more.
#[test]
fn equal_runs_seldom_differ() {
    let differs = |seed: &u64| {
        let comparison = Comparison::new(&load(2 * seed, 60, 1000.0, 0.01), &load(2 * seed + 1, 60, 1000.0, 0.01));
        let rows = &comparison.phases[0].rows;
        rows.iter().any(|row| matches!(row.finding, Finding::Better | Finding::Worse))
    };
    let differ = (0..20).filter(differs).count();
    assert!(differ <= 3, "{differ} of 20");
}

#[test]
fn a_run_is_divided_at_its_fault() {
    let phases = |fault| {
        let mut sorter = PhaseSorter::new(Some(Time::from_millis(500)), fault);
        for second in 0..30 {
            let mut warmup = record(second * SECOND, 1000, 200);
            warmup.set_warmup(second < 5);
            sorter.add(&warmup);
            let mut retried = record(second * SECOND, 1000, 503);
            retried.set_last(false);
            sorter.add(&retried);
        }
        let seconds = |content: &PhaseContent| match content {
            PhaseContent::Seconds(seconds) => seconds.iter().map(|second| second.due).collect::<Vec<_>>(),
            PhaseContent::Summary { .. } => vec![],
        };
        sorter.finish().iter().map(|phase| (phase.name, seconds(&phase.content).len())).collect::<Vec<_>>()
    };
    let at = |second: u64| Instant(second * SECOND);
    assert_eq!(phases(None), [(PhaseName::Load, 25)]);
    let parts = [(PhaseName::Baseline, 5), (PhaseName::Fault, 8), (PhaseName::AfterFault, 12)];
    assert_eq!(phases(Some((at(10), Some(at(18))))), parts);
    // A fault that was never removed has no end.
    assert_eq!(phases(Some((at(10), None))), [(PhaseName::Baseline, 5), (PhaseName::Fault, 20)]);
}

#[test]
fn a_long_run_is_compared_by_wider_intervals() {
    let long = load(1, 1000, 1000.0, 0.0);
    let PhaseContent::Seconds(seconds) = &long.phases[0].content else { panic!() };
    assert_eq!(
        (seconds.len(), seconds[0].due, seconds.iter().map(|second| second.due).sum::<u64>()),
        (250, 400, 100_000)
    );
}

#[test]
fn a_value_that_was_not_awaited_is_a_lower_bound() {
    let mut sorter = PhaseSorter::new(None, None);
    for request in 0..3000 {
        let mut record = record(request * SECOND / 100, 1000, 200);
        if request % 20 == 0 {
            record.end = record.due.plus(Time::from_millis(200));
            record.set_outcome(Outcome::Abandoned);
        }
        sorter.add(&record);
    }
    let comparison = Comparison::new(&run("a", sorter.clone().finish()), &run("b", sorter.finish()));
    let bounds: Vec<bool> = comparison.phases[0].rows.iter().map(|row| row.a.is_lower_bound).collect();
    // Mean, p50, p90, p99, p99.9, errors.
    assert_eq!(bounds, [true, false, false, true, true, false]);
    assert_eq!(row(&comparison, Metric::Errors).a.value, 0.05);
}

#[test]
fn short_runs_and_summaries_have_no_interval() {
    let summary = |p50: f64| {
        let content = PhaseContent::Summary { requests: 500, values: vec![(Metric::P50, p50), (Metric::Errors, 0.0)] };
        run("x.json", vec![Phase { name: PhaseName::Load, content }])
    };
    for (a, b) in [(load(1, 9, 1000.0, 0.0), load(2, 60, 1000.0, 0.0)), (summary(1000.0), load(2, 60, 1000.0, 0.0))] {
        let comparison = Comparison::new(&a, &b);
        assert!(!comparison.can_tell() && comparison.list_worse(0.0).is_empty());
    }
    let comparison = Comparison::new(&summary(1000.0), &summary(2500.0));
    assert_eq!((comparison.phases[0].rows.len(), row(&comparison, Metric::P50).change.value), (2, 2.5));
}

#[test]
fn a_system_that_stays_stuck_is_worse_than_one_that_recovers() {
    let verdict = |name: &str, exit_code| {
        let verdict = ComparedVerdict { name: name.to_owned(), exit_code, recovery_s: None };
        ComparedRun { verdict: Some(verdict), ..load(1, 20, 1000.0, 0.0) }
    };
    let compare = |a, b| Comparison::new(&a, &b);
    let (recovered, stuck) = (|| verdict("RECOVERED", 0), || verdict("METASTABLE", 10));
    assert_eq!(compare(recovered(), stuck()).list_worse(0.0), ["the verdict"]);
    assert_eq!(compare(stuck(), recovered()).verdict, Some(Finding::Better));
    assert_eq!(compare(stuck(), verdict("DEGRADED", 12)).verdict, Some(Finding::NoDifference));
    assert_eq!(compare(recovered(), verdict("INVALID: interrupted", 20)).verdict, None);
    assert_eq!(compare(recovered(), load(1, 20, 1000.0, 0.0)).verdict, None);
}

#[test]
fn the_table_says_what_differs() {
    let settings =
        |rate: &str| vec![("load.rate".to_owned(), rate.to_owned()), ("load.seed".to_owned(), "1".to_owned())];
    let verdict =
        |name: &str, exit_code, recovery_s| Some(ComparedVerdict { name: name.to_owned(), exit_code, recovery_s });
    let a = ComparedRun {
        name: "results/a".to_owned(),
        verdict: verdict("RECOVERED", 0, Some(12.34)),
        settings: settings("100"),
        ..load(1, 60, 1000.0, 0.001)
    };
    let b = ComparedRun {
        name: "results/b".to_owned(),
        verdict: verdict("METASTABLE", 10, None),
        settings: settings("200"),
        ..load(2, 60, 1200.0, 0.02)
    };
    let equal = Comparison::new(&a, &a).to_text();
    let short = Comparison::new(&load(1, 5, 1000.0, 0.0), &load(2, 5, 1000.0, 0.0)).to_text();
    insta::assert_snapshot!(format!("{}\n---\n{equal}\n---\n{short}", Comparison::new(&a, &b).to_text()));
}
