use proptest::prelude::*;

use super::super::bins::take_final;
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

fn layout(width: u64, t0: u64, t1: Option<u64>) -> BinLayout {
    BinLayout { width: Time(width), t0: Instant(t0), t1: t1.map(Instant) }
}

fn edges(layout: BinLayout, end: u64) -> Vec<(u64, u64)> {
    let bins = cohorts(&[]).bins(layout, Time(S), std::iter::empty(), Instant(end));
    bins.into_iter().map(|bin| (bin.from.0, bin.to.0)).collect()
}

#[test]
fn bins_go_backward_from_t0_and_forward_from_t1() {
    let layout = |t0, t1| layout(10, t0, t1);
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
        let layout = layout(width, t0, outage.map(|outage| t0 + outage));
        let records: Vec<_> = due.iter().map(|&due| answer(due, due, 200)).collect();
        let cohorts = cohorts(&records);
        let bins = cohorts.bins(layout, Time(S), cohorts.due(), Instant(end));
        prop_assert_eq!((bins[0].from, bins.last().unwrap().to), (Instant::START, Instant(end)));
        for (i, bin) in bins.iter().enumerate() {
            prop_assert!(bin.from < bin.to && (i == 0 || bins[i - 1].to == bin.from));
            let inside = due.iter().filter(|&&due| due >= bin.from.0 && due < bin.to.0).count() as u64;
            prop_assert_eq!((bin.scheduled, bin.good), (inside, inside));
        }
    }
}

#[test]
fn a_request_is_good_if_its_last_attempt_is_answered_within_the_slo() {
    let mut retried = answer(1, 2, 200);
    retried.set_last(false);
    let mut broken = answer(1, 2, 0);
    broken.set_outcome(Outcome::ReadError);
    let mut open = answer(1, 2, 0);
    open.set_outcome(Outcome::Unanswered);
    let records =
        [answer(0, S, 200), answer(0, S + 1, 200), answer(5, 6, 399), answer(5, 6, 400), retried, broken, open];
    let cohorts = cohorts(&records);
    let bins = cohorts.bins(layout(S, 0, Some(0)), Time(S), cohorts.due(), Instant(S));
    assert_eq!((bins[0].scheduled, bins[0].good), (6, 2));
}

#[test]
fn a_bin_is_final_an_slo_after_its_end() {
    let bin = |from| Bin { from: Instant(from), to: Instant(from + 10), scheduled: 0, good: 0 };
    let bins = vec![bin(0), bin(10)];
    assert_eq!(take_final(bins.clone(), Time(5), Instant(14)), []);
    assert_eq!(take_final(bins.clone(), Time(5), Instant(15)), [bin(0)]);
    assert_eq!(take_final(bins.clone(), Time(5), Instant(25)), bins);
}

#[test]
fn the_backlog_counts_requests_due_and_not_ended() {
    let mut unsent = RequestRecord::planned(9, Instant(5), 0);
    unsent.end = Instant(25);
    unsent.set_last(true);
    let cohorts = cohorts(&[answer(0, 30, 200), answer(10, 20, 500), answer(15, 16, 200), unsent]);
    let backlog: Vec<f64> = cohorts.backlog(Instant::START, Time(10), 4).into_iter().map(|point| point.1).collect();
    assert_eq!(backlog, [1.0, 3.0, 2.0, 1.0, 1.0]);
}

#[test]
fn the_baseline_is_the_last_ten_seconds_of_whole_bins() {
    let windows = VerdictWindows::of(100.0);
    let records: Vec<_> =
        (0..2_000).map(|i| answer(i * S / 100, i * S / 100 + S / 100, if i < 600 { 500 } else { 200 })).collect();
    let of = |cohorts: &Cohorts, warmup, t0| cohorts.baseline(windows, Time(warmup), Instant(t0), None, cohorts.due());
    let all = cohorts(&records);
    let got = of(&all, 0, 15 * S).unwrap();
    assert_eq!((got.from.0, got.to.0, got.slo.0), (5 * S, 15 * S, 5 * S), "a tenth failed, so p99 is endless");
    assert!((got.goodput - 0.9).abs() < 1e-9, "{got:?}");
    let got = of(&all, 7 * S, 15 * S + S / 2).unwrap();
    assert_eq!(
        (got.from.0, got.goodput, got.slo.0),
        (7 * S + S / 2, 1.0, S),
        "eight whole bins, and ten times 10 ms is below 1 s"
    );
    assert!(of(&all, 5 * S, 10 * S).is_some());
    assert_eq!(of(&all, 5 * S + 1, 10 * S), None);
    assert_eq!(of(&all, 15 * S, 10 * S), None);
}

#[test]
fn requests_in_flight_at_the_fault_are_not_part_of_the_baseline() {
    let windows = VerdictWindows::of(100.0);
    // Each takes 300 ms. Those in flight at 15 s fail, and the one due at 12.5 s is never answered.
    let record = |i: u64| {
        let due = i * S / 100;
        answer(due, due + 3 * S / 10, if due + 3 * S / 10 > 15 * S { 500 } else { 200 })
    };
    let cohorts = cohorts(&(0..1_600).filter(|i| *i != 1_250).map(record).collect::<Vec<_>>());
    let due = (0..1_600).map(|i| Instant(i * S / 100));
    let got = cohorts.baseline(windows, Time::ZERO, Instant(15 * S), None, due.clone()).unwrap();
    assert_eq!(got.slo, Time(3 * S));
    assert!((got.goodput - 1.0).abs() < 1e-9, "{got:?}");
    let got = cohorts.baseline(windows, Time::ZERO, Instant(15 * S), Some(Time::from_secs(2)), due).unwrap();
    assert!(
        (got.goodput - 0.999).abs() < 1e-9,
        "without an answer after 2.5 s it is late, with or without the fault: {got:?}"
    );
}
