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

fn layout(width: u64, anchors: &[u64]) -> BinLayout {
    BinLayout::new(Time(width), anchors.iter().map(|&at| Instant(at)))
}

fn edges(layout: BinLayout, end: u64) -> Vec<(u64, u64)> {
    let bins = cohorts(&[]).bins(&layout, Time(S), std::iter::empty(), Instant(end));
    bins.into_iter().map(|bin| (bin.from.0, bin.to.0)).collect()
}

#[test]
fn bins_go_backward_from_the_first_anchor_and_forward_from_each() {
    let layout = |anchors: &[u64]| layout(10, anchors);
    assert_eq!(edges(layout(&[25, 48]), 61), [(0, 5), (5, 15), (15, 25), (25, 35), (35, 48), (48, 58), (58, 61)]);
    assert_eq!(edges(layout(&[20, 20]), 40), [(0, 10), (10, 20), (20, 30), (30, 40)], "no fault");
    assert_eq!(edges(layout(&[10, 13]), 23), [(0, 10), (10, 13), (13, 23)], "a fault shorter than a bin");
    assert_eq!(edges(layout(&[5]), 26), [(0, 5), (5, 15), (15, 25), (25, 26)], "a fault that lasts");
    assert_eq!(edges(layout(&[10, 30]), 17), [(0, 10), (10, 17)], "the load ended within the fault");
    assert_eq!(edges(layout(&[10]), 0), []);
    // Commanded at 22, effective at 25, removed at 48.
    let four = [(0, 2), (2, 12), (12, 22), (22, 25), (25, 35), (35, 48), (48, 58)];
    assert_eq!(edges(layout(&[48, 22, 25]), 58), four);
    assert_eq!(edges(layout(&[]), 15), [(0, 10), (10, 15)]);
}

proptest! {
    #[test]
    fn every_request_is_in_the_bin_that_holds_its_due_time(
        width in 1..50u64, anchors in prop::collection::vec(0..300u64, 0..4), end in 1..600u64,
        due in prop::collection::vec(0..700u64, 0..50),
    ) {
        let layout = layout(width, &anchors);
        let records: Vec<_> = due.iter().map(|&due| answer(due, due, 200)).collect();
        let cohorts = cohorts(&records);
        let bins = cohorts.bins(&layout, Time(S), cohorts.due(), Instant(end));
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
    let bins = cohorts.bins(&layout(S, &[0]), Time(S), cohorts.due(), Instant(S));
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
    let steps = BacklogSteps { from: Instant::START, step: Time(10), count: 4 };
    let backlog: Vec<f64> = cohorts.backlog(cohorts.due(), steps).into_iter().map(|point| point.1).collect();
    assert_eq!(backlog, [1.0, 3.0, 2.0, 1.0, 1.0]);
}
