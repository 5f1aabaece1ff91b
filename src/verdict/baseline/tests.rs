use super::*;
use crate::record::{Outcome, RequestRecord};

const S: u64 = 1_000_000_000;

/// Answered with `status` after `took`.
fn answer(due: u64, took: u64, status: u16) -> RequestRecord {
    let mut record = RequestRecord::planned(due, Instant(due), 0);
    record.end = Instant(due + took);
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

/// The due times of 100 requests/s, from 0 to 20 s.
fn due() -> impl Iterator<Item = u64> {
    (0..2_000).map(|i| i * S / 100)
}

/// The baseline before `tc` of a run without a warm-up. All requests have records.
fn baseline(records: &[RequestRecord], tc: u64, slo: Option<u64>) -> Baseline {
    let all = cohorts(records);
    let windows = VerdictWindows::of(100.0);
    all.baseline(windows, Time::ZERO, Instant(tc), slo.map(Time), all.due()).unwrap()
}

/// The goodput before second 15 of requests that take `took`, as it is known then. What ends later fails.
fn goodput(took: impl Fn(u64) -> u64, slo: u64) -> f64 {
    let tc = 15 * S;
    let record = |due| answer(due, took(due), if due + took(due) > tc { 500 } else { 200 });
    let records: Vec<_> = due().map(record).collect();
    let whole = baseline(&records, tc, Some(slo)).goodput;
    // While the run goes on, requests that have not ended have no record.
    let ended: Vec<_> = records.iter().filter(|record| record.end.0 <= tc).copied().collect();
    let scheduled = records.iter().map(|record| record.due);
    let windows = VerdictWindows::of(100.0);
    let live = cohorts(&ended).baseline(windows, Time::ZERO, Instant(tc), Some(Time(slo)), scheduled).unwrap();
    assert!((live.goodput - whole).abs() < 1e-12, "live {}, afterwards {whole}", live.goodput);
    whole
}

#[test]
fn the_baseline_is_the_last_ten_seconds_of_whole_bins() {
    let windows = VerdictWindows::of(100.0);
    let records: Vec<_> = due().map(|due| answer(due, S / 100, if due < 6 * S { 500 } else { 200 })).collect();
    let of = |cohorts: &Cohorts, warmup, tc| cohorts.baseline(windows, Time(warmup), Instant(tc), None, cohorts.due());
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
fn requests_in_flight_at_the_fault_do_not_spoil_a_slow_baseline() {
    // Steady systems: what is in flight at the fault would have been answered like the requests before it.
    for took in [S / 100, 3 * S / 10, 9 * S / 10, 2 * S] {
        assert_eq!(goodput(|_| took, 3 * S), 1.0, "{took}");
        // From half to one and a half times as long.
        let varied = goodput(|due| took / 2 + due / 7_919 % took.max(1), 4 * S);
        assert!(varied > 0.998, "{took}: {varied}");
    }
}

#[test]
fn a_request_that_is_late_at_the_fault_is_not_good() {
    let tc = 15 * S;
    let record = |due| answer(due, if due == 12_500_000_000 { 10 * S } else { 3 * S / 10 }, 200);
    let records: Vec<_> = due().map(record).collect();
    let got = baseline(&records, tc, Some(2 * S)).goodput;
    assert!((0.9989..=0.999).contains(&got), "late, with or without the fault: {got}");
}

#[test]
fn a_baseline_that_gets_slower_is_not_flattered_by_its_fast_answers() {
    // A server of a third of the load, from second 5 on: each request waits twice as long as the load has lasted. Of the
    // requests due in the ten seconds, those of the first half second are good.
    let decaying = |due: u64| if due < 5 * S { S / 100 } else { S / 100 + 2 * (due - 5 * S) };
    let got = goodput(decaying, S);
    assert!((0.04..0.08).contains(&got), "{got}");
    // Nothing is answered any more from second 14 on.
    let stuck = goodput(|due| if due < 14 * S { S / 100 } else { 60 * S }, 5 * S);
    assert!((0.899..0.902).contains(&stuck), "{stuck}");
    // The first tenth of each second is answered at once and the rest hangs: most answers that are known are good.
    let hanging = goodput(|due| if due % S < S / 10 { S / 100 } else { 60 * S }, 5 * S);
    assert!((0.099..0.101).contains(&hanging), "{hanging}");
}

#[test]
fn failures_are_known_at_once() {
    let records: Vec<_> = due().map(|due| answer(due, S / 100, if due >= 14 * S { 500 } else { 200 })).collect();
    assert!((baseline(&records, 15 * S, None).goodput - 0.9).abs() < 0.001);
}

#[test]
fn what_ends_after_the_command_of_the_fault_does_not_count() {
    // Requests take 100 ms. The fault is commanded at 15 s, and everything that ends later has failed.
    let record = |due| answer(due, S / 10, if due + S / 10 > 15 * S { 500 } else { 200 });
    let records: Vec<_> = due().map(record).collect();
    assert_eq!(baseline(&records, 15 * S, None).goodput, 1.0);
    assert!(baseline(&records, 15 * S + 3 * S / 10, None).goodput < 0.97, "up to its effect 300 ms later");
}
