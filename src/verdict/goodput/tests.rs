use crate::units::Instant;
use proptest::prelude::*;

use super::*;
use crate::record::Outcome;

const S: u64 = 1_000_000_000;

fn answer(due: u64, end: u64, status: u16) -> RequestRecord {
    let mut record = RequestRecord::planned(due, Instant(due), 0);
    record.end = Instant(end);
    record.status = status;
    record.set_outcome(Outcome::Answered);
    record.set_last(true);
    record
}

fn cohorts(records: &[RequestRecord]) -> Cohorts {
    let mut cohorts = Cohorts::default();
    cohorts.add(records);
    cohorts
}

fn edges(layout: Layout, end: u64) -> Vec<(u64, u64)> {
    let bins = cohorts(&[]).bins(layout, S, std::iter::empty(), end);
    bins.into_iter().map(|bin| (bin.from, bin.to)).collect()
}

#[test]
fn bins_go_backward_from_t0_and_forward_from_t1() {
    let layout = |t0, t1| Layout { width: 10, t0, t1 };
    assert_eq!(edges(layout(25, Some(48)), 61), [(0, 5), (5, 15), (15, 25), (25, 35), (35, 48), (48, 58), (58, 61)]);
    assert_eq!(edges(layout(20, Some(20)), 40), [(0, 10), (10, 20), (20, 30), (30, 40)], "no fault");
    assert_eq!(edges(layout(10, Some(13)), 23), [(0, 10), (10, 13), (13, 23)], "a fault shorter than a bin");
    assert_eq!(edges(layout(5, None), 26), [(0, 5), (5, 15), (15, 25), (25, 26)], "a fault that lasts");
    assert_eq!(edges(layout(10, Some(30)), 17), [(0, 10), (10, 17)], "the load ended within the fault");
    assert_eq!(edges(layout(10, None), 0), []);
}

proptest! {
    #[test]
    fn every_request_is_in_the_bin_that_holds_its_due_time(
        width in 1..50u64, t0 in 0..200u64, outage in prop::option::of(0..200u64), end in 1..600u64,
        due in prop::collection::vec(0..700u64, 0..50),
    ) {
        let layout = Layout { width, t0, t1: outage.map(|outage| t0 + outage) };
        let records: Vec<_> = due.iter().map(|&due| answer(due, due, 200)).collect();
        let cohorts = cohorts(&records);
        let bins = cohorts.bins(layout, S, cohorts.due(), end);
        prop_assert_eq!((bins[0].from, bins.last().unwrap().to), (0, end));
        for (i, bin) in bins.iter().enumerate() {
            prop_assert!(bin.from < bin.to && (i == 0 || bins[i - 1].to == bin.from));
            let inside = due.iter().filter(|&&due| due >= bin.from && due < bin.to).count() as u64;
            prop_assert_eq!((bin.scheduled, bin.good), (inside, inside));
        }
    }
}

#[test]
fn good_is_a_last_attempt_answered_well_within_the_slo_of_its_due_time() {
    let mut retried = answer(1, 2, 200);
    retried.set_last(false);
    let mut broken = answer(1, 2, 0);
    broken.set_outcome(Outcome::ReadError);
    let mut open = answer(1, 2, 0);
    open.set_outcome(Outcome::Unanswered);
    let records =
        [answer(0, S, 200), answer(0, S + 1, 200), answer(5, 6, 399), answer(5, 6, 400), retried, broken, open];
    let cohorts = cohorts(&records);
    let bins = cohorts.bins(Layout { width: S, t0: 0, t1: Some(0) }, S, cohorts.due(), S);
    assert_eq!((bins[0].scheduled, bins[0].good), (6, 2));
}

#[test]
fn a_bin_is_final_an_slo_after_its_end() {
    let bin = |from| Bin { from, to: from + 10, scheduled: 0, good: 0 };
    let bins = vec![bin(0), bin(10)];
    assert_eq!(final_at(bins.clone(), 5, 14), []);
    assert_eq!(final_at(bins.clone(), 5, 15), [bin(0)]);
    assert_eq!(final_at(bins.clone(), 5, 25), bins);
}

#[test]
fn backlog_is_what_was_due_and_is_not_resolved() {
    let mut unsent = RequestRecord::planned(9, Instant(5), 0);
    unsent.end = Instant(25);
    unsent.set_last(true);
    let cohorts = cohorts(&[answer(0, 30, 200), answer(10, 20, 500), answer(15, 16, 200), unsent]);
    let backlog: Vec<f64> = cohorts.backlog(0, 10, 4).into_iter().map(|point| point.1).collect();
    assert_eq!(backlog, [1.0, 3.0, 2.0, 1.0, 1.0]);
}

#[test]
fn the_baseline_is_the_last_ten_seconds_of_whole_bins() {
    let windows = Windows::of(100.0);
    let records: Vec<_> =
        (0..2_000).map(|i| answer(i * S / 100, i * S / 100 + S / 100, if i < 600 { 500 } else { 200 })).collect();
    let of = |cohorts: &Cohorts, warmup, t0| cohorts.baseline(windows, warmup, t0, None, cohorts.due());
    let all = cohorts(&records);
    let got = of(&all, 0, 15 * S).unwrap();
    assert_eq!((got.from, got.to, got.slo), (5 * S, 15 * S, 5 * S), "a tenth failed: its p99 is endless");
    assert!((got.goodput - 0.9).abs() < 1e-9, "{got:?}");
    let got = of(&all, 7 * S, 15 * S + S / 2).unwrap();
    assert_eq!(
        (got.from, got.goodput, got.slo),
        (7 * S + S / 2, 1.0, S),
        "eight whole bins, and ten times 10 ms is below 1 s"
    );
    assert!(of(&all, 5 * S, 10 * S).is_some());
    assert_eq!(of(&all, 5 * S + 1, 10 * S), None);
    assert_eq!(of(&all, 15 * S, 10 * S), None);
}

#[test]
fn what_the_fault_may_have_decided_is_left_out_of_the_baseline() {
    let windows = Windows::of(100.0);
    // Each takes 300 ms; those in flight at 15 s fail, and the one due at 12.5 s never comes back.
    let record = |i: u64| {
        let due = i * S / 100;
        answer(due, due + 3 * S / 10, if due + 3 * S / 10 > 15 * S { 500 } else { 200 })
    };
    let cohorts = cohorts(&(0..1_600).filter(|i| *i != 1_250).map(record).collect::<Vec<_>>());
    let due = (0..1_600).map(|i| i * S / 100);
    let got = cohorts.baseline(windows, 0, 15 * S, None, due.clone()).unwrap();
    assert_eq!(got.slo, 3 * S);
    assert!((got.goodput - 1.0).abs() < 1e-9, "{got:?}");
    let got = cohorts.baseline(windows, 0, 15 * S, Some(Time::from_secs(2)), due).unwrap();
    assert!((got.goodput - 0.999).abs() < 1e-9, "2.5 s old and no answer is late, fault or not: {got:?}");
}

#[test]
fn the_schedule_holds_what_is_due_without_records() {
    let mut schedule = Schedule::new(Process::Fixed, &Rate::constant(100.0), 1, 3);
    assert_eq!(schedule.until(S).len(), 100);
    assert_eq!(schedule.until(S).len(), 100);
    assert_eq!(schedule.until(2 * S).len(), 200);
    assert!(schedule.until(2 * S).iter().all(|&due| due < 2 * S));
}
