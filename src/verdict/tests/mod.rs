//! Made-up runs with known answers.

pub mod builder;
mod validity;
mod words;

use builder::{Fate, Run, S, at, judge_records, profile, secs};
use proptest::prelude::*;

use super::goodput::Cohorts;
use super::*;
use crate::record::event::{ComponentState, EventKind, GeneratorStats, RunEnd};
use crate::record::{Event, FaultStep, Outcome};
use crate::units::{Instant, Time};

/// The fault of a [`Run`] lasts from second 15 to second 35.
const T1: Instant = at(35);

fn name(run: &Run) -> String {
    run.judge().verdict.name()
}

/// The verdict at a goodput of 1 except in the parts given as (from, to, goodput), in seconds.
fn verdict_of(parts: &[(u64, u64, f64)]) -> Verdict {
    Run::new().with(profile(parts)).judge().verdict
}

const OUTAGE: (u64, u64, f64) = (15, 35, 0.0);

#[test]
fn names_and_exit_codes_are_those_of_the_contract() {
    for (parts, name, code) in [
        (&[][..], "UNAFFECTED", 0),
        (&[OUTAGE], "RECOVERED", 0),
        (&[OUTAGE, (35, 999, 0.0)], "METASTABLE", 10),
        (&[OUTAGE, (35, 999, 0.7)], "DEGRADED", 12),
        (&[OUTAGE, (40, 45, 0.3), (50, 999, 0.3)], "OSCILLATING", 13),
    ] {
        let verdict = verdict_of(parts);
        assert_eq!((verdict.name().as_str(), verdict.exit_code()), (name, code), "{parts:?}");
    }
}

#[test]
fn goodput_that_never_falls_below_nine_tenths_is_unaffected() {
    assert_eq!(verdict_of(&[(15, 35, 0.9)]), Verdict::Unaffected);
    assert!(matches!(verdict_of(&[(20, 21, 0.89)]), Verdict::Recovered(_)));
    assert!(
        matches!(verdict_of(&[(80, 81, 0.89)]), Verdict::Recovered(Recovery { tau: Time::ZERO, .. })),
        "after the fault too"
    );
}

#[test]
fn a_recovery_has_its_time_and_its_loss() {
    let Verdict::Recovered(recovery) = verdict_of(&[OUTAGE, (35, 38, 0.5)]) else { panic!("not recovered") };
    assert_eq!((recovery.tau, recovery.at, recovery.watched), (secs(3), T1.plus(secs(3)), secs(30)));
    assert!((recovery.loss_seconds - 21.5).abs() < 1e-9, "{recovery:?}");
    assert!((recovery.loss_requests - 2150.0).abs() < 1e-6, "{recovery:?}");
}

#[test]
fn a_recovery_takes_ten_good_seconds_and_thirty_unbroken_ones() {
    for (parts, tau) in [
        (vec![OUTAGE], Some(0)),
        (vec![OUTAGE, (35, 40, 0.89)], Some(5)),
        (vec![OUTAGE, (35, 40, 0.9)], Some(0)),
        // In the window's last second, and in the first after it.
        (vec![OUTAGE, (44, 45, 0.8)], Some(10)),
        (vec![OUTAGE, (45, 46, 0.8)], Some(0)),
        // In the watch 0.5 is accepted and less cancels; the last second counts, the one after does not.
        (vec![OUTAGE, (45, 46, 0.5)], Some(0)),
        (vec![OUTAGE, (45, 46, 0.49)], Some(11)),
        (vec![OUTAGE, (74, 75, 0.49)], Some(40)),
        (vec![OUTAGE, (75, 76, 0.49)], Some(0)),
        // At the end of H, and after it.
        (vec![OUTAGE, (35, 95, 0.0)], Some(60)),
        (vec![OUTAGE, (35, 96, 0.0)], None),
    ] {
        let got = match verdict_of(&parts) {
            Verdict::Recovered(recovery) => Some(recovery.tau.0 / S),
            _ => None,
        };
        assert_eq!(got, tau, "{parts:?}");
    }
}

#[test]
fn thresholds_are_relative_to_the_baseline() {
    // g0 = 0.99: then 0.9 g0 = 0.891 and 0.5 g0 = 0.495.
    let base = (0, 15, 0.99);
    assert!(matches!(verdict_of(&[base, (15, 35, 0.0), (35, 999, 0.9)]), Verdict::Recovered(_)));
    assert_eq!(verdict_of(&[base, (15, 35, 0.0), (35, 999, 0.89)]), Verdict::Degraded);
    assert_eq!(verdict_of(&[base, (15, 35, 0.0), (35, 999, 0.49)]), Verdict::Metastable);
    assert_eq!(verdict_of(&[base, (15, 35, 0.0), (35, 999, 0.5)]), Verdict::Degraded);
}

#[test]
fn the_median_of_the_last_thirty_seconds_decides_metastable() {
    // Arrivals end at 141 s: from 111 s on, 15 of 30 bins good is a median between 0 and 1.
    assert_eq!(verdict_of(&[OUTAGE, (35, 127, 0.0)]), Verdict::Metastable);
    assert_eq!(verdict_of(&[OUTAGE, (35, 125, 0.0), (125, 999, 0.85)]), Verdict::Degraded);
    assert_eq!(verdict_of(&[OUTAGE, (35, 999, 0.5)]), Verdict::Metastable);
    assert_eq!(verdict_of(&[OUTAGE, (35, 999, 0.51)]), Verdict::Degraded);
}

#[test]
fn three_full_swings_are_oscillating() {
    let low = |from, to| (from, to, 0.2);
    assert!(matches!(verdict_of(&[OUTAGE, low(40, 45), low(50, 999)]), Verdict::Oscillating { swings: 3 }));
    assert_eq!(verdict_of(&[OUTAGE, low(35, 40), low(45, 999)]), Verdict::Metastable, "up and down again is two");
    let half = [OUTAGE, low(40, 45), (45, 50, 0.8), low(50, 55), (55, 60, 0.8), low(60, 999)];
    assert_eq!(verdict_of(&half), Verdict::Metastable, "0.8 is not all the way");
}

#[test]
fn a_backlog_that_will_be_empty_within_ten_h_is_draining() {
    // A queue served in order at 1.2 times the load: each answer is later than the SLO until the queue is short.
    let queue = |served: f64, stuck_until: u64| {
        move |_: u64, due: u64| {
            if due < 15 * S {
                return Fate::Good(S / 100);
            }
            let at = (stuck_until as f64 + (due - 15 * S) as f64 / served) as u64;
            if at <= due + S / 100 { Fate::Good(S / 100) } else { Fate::Good(at - due) }
        }
    };
    let judged = Run::new().with(queue(1.2, 200 * S)).judge();
    // The queue starts to move after the end of arrivals.
    assert_eq!(judged.verdict, Verdict::Metastable);

    let judged = Run::new().with(queue(1.05, 35 * S)).judge();
    let Verdict::Draining { per_second, empty_at } = judged.verdict else { panic!("{:?}", judged.verdict) };
    // The queue holds 20 s of load and shrinks by 5 % of a second each second: it is empty 400 s after t1.
    assert!((per_second - 5.0).abs() < 0.2, "{per_second}");
    assert!((empty_at.as_secs_f64() - 435.0).abs() < 15.0, "{empty_at}");
    assert_eq!(Verdict::Draining { per_second, empty_at }.exit_code(), 11);

    // At 2 % more than the load it takes 1000 s, which is more than 10 H.
    assert_eq!(Run::new().with(queue(1.02, 35 * S)).judge().verdict, Verdict::Metastable);
}

#[test]
fn a_small_varying_backlog_is_not_draining() {
    // Failures get faster: a backlog of 5 shrinks to 2 by the end.
    let run = Run::new().with(|_, due| match due {
        0..15_000_000_000 => Fate::Good(S / 100),
        _ => Fate::Failed(S / 100 + (150 * S).saturating_sub(due) / 1_000),
    });
    let judged = run.judge();
    assert!(judged.evidence.backlog_trend.unwrap().high < 0.0, "{:?}", judged.evidence);
    assert_eq!(judged.verdict, Verdict::Metastable);
}

#[test]
fn a_run_without_a_fault_is_stable_or_overloaded() {
    let run = || Run::without_fault();
    assert_eq!(name(&run()), "STABLE");
    assert_eq!(name(&run().with(profile(&[(0, 5, 0.0)]))), "STABLE", "the warm-up does not count");
    let short = Run::lasting("20s").with(profile(&[(0, 5, 0.0)]));
    assert_eq!(name(&short), "STABLE", "not in a short load either");
    let text = short.judge().explain(&short.plan).because.join(" ");
    assert!(text.contains("of the last 15s of load: 100.0 %"), "{text}");
    let failing = run().with(|_, _| Fate::Failed(9));
    let text = failing.judge().explain(&failing.plan);
    assert!(text.because[1].contains("with status 500") && !text.next[0].contains("--rate"), "{text:?}");
    let overloaded = run().with(profile(&[(40, 999, 0.9)])).judge();
    assert_eq!((overloaded.verdict.name().as_str(), overloaded.verdict.exit_code()), ("OVERLOADED", 14));
    assert_eq!(name(&run().with(profile(&[(40, 41, 0.8)]))), "OVERLOADED");
    // Served at 0.98 of the load: every answer is still within the SLO, but the backlog grows.
    assert_eq!(name(&run().with(|_, due| Fate::Good(S / 100 + due / 50)).slo("5s")), "OVERLOADED");
}

#[test]
fn low_rates_widen_bins_and_windows() {
    // 10 requests/s: bins of 5 s, a recovery window of 25 s.
    let run = Run::at_rate(10.0).with(profile(&[(30, 50, 0.0), (50, 55, 0.0)]));
    let judged = run.judge();
    assert_eq!(run.plan.windows().bin, secs(5));
    let Verdict::Recovered(recovery) = judged.verdict else { panic!("{:?}", judged.verdict) };
    assert_eq!((recovery.tau, recovery.watched), (secs(5), secs(30)));
    let outage = judged.evidence.bins.iter().filter(|bin| bin.from >= at(30)).take(4);
    assert!(outage.into_iter().all(|bin| bin.scheduled == 50 && bin.good == 0));
}

#[test]
fn a_surge_is_judged_by_its_own_schedule() {
    assert_eq!(name(&Run::surging()), "UNAFFECTED");
    assert_eq!(name(&Run::surging().with(profile(&[OUTAGE, (35, 999, 0.0)]))), "METASTABLE");
    // One in five requests of the surge has no record, although it was due.
    assert_eq!(
        name(&Run::surging().lose(|i| (1_500..7_500).contains(&i) && i % 5 == 0)),
        "INVALID: the generator did not keep to its schedule"
    );
    let run = Run::surging().with(profile(&[OUTAGE, (35, 38, 0.5)]));
    let judged = run.judge();
    let Verdict::Recovered(recovery) = judged.verdict else { panic!("{:?}", judged.verdict) };
    assert_eq!(recovery.tau, secs(3));
    assert!((recovery.loss_requests - 6150.0).abs() < 1e-6, "300 a second for 20 s: {recovery:?}");
    let scheduled =
        |second: u64| judged.evidence.bins.iter().find(|bin| bin.from == at(second)).map(|bin| bin.scheduled);
    assert_eq!([14, 15, 34, 35].map(scheduled), [100, 300, 300, 100].map(Some));
    assert_eq!(run.live_bins(36).iter().map(|bin| bin.scheduled).max(), Some(300));
}

#[test]
fn a_reached_connection_limit_is_named_if_the_system_is_stable() {
    let bounded = || GeneratorStats { bound_reached: true, ..GeneratorStats::default() };
    for (run, expected) in [
        (Run::new().event(141, EventKind::Generator(bounded())), true),
        (Run::new().with(profile(&[OUTAGE])).event(141, EventKind::Generator(bounded())), true),
        (Run::new().with(profile(&[OUTAGE, (35, 999, 0.0)])).event(141, EventKind::Generator(bounded())), false),
        (Run::new(), false),
    ] {
        let text = run.judge().explain(&run.plan);
        assert_eq!(text.because.iter().any(|line| line.contains("limit of 64 connections")), expected, "{text:?}");
        assert_eq!(text.next.iter().any(|line| line.contains("when-busy = \"open\"")), expected, "{text:?}");
    }
}

#[test]
fn a_bin_counts_only_last_attempts() {
    let run = Run::new().with(profile(&[OUTAGE, (35, 999, 0.0)]));
    let mut records = run.records();
    let firsts: Vec<_> = records
        .iter()
        .map(|record| {
            let mut first = *record;
            first.set_last(false);
            first.set_outcome(Outcome::Abandoned);
            first
        })
        .collect();
    records.extend(firsts);
    let twice = judge_records(&run.plan, &records, &run.events);
    assert_eq!(twice.verdict, Verdict::Metastable);
    assert_eq!(twice.evidence.bins, run.judge().evidence.bins);
}

#[test]
fn texts_contain_the_figures() {
    let text = |parts: &[(u64, u64, f64)]| {
        let run = Run::new().with(profile(parts));
        run.judge().explain(&run.plan)
    };
    insta::assert_debug_snapshot!(text(&[OUTAGE, (35, 38, 0.5)]));
    insta::assert_debug_snapshot!(text(&[OUTAGE, (35, 999, 0.0)]));
    let run = Run::new().with(profile(&[(0, 15, 0.9)])).without_end();
    insta::assert_debug_snapshot!(run.judge().explain(&run.plan));
}

#[test]
fn an_observation_is_over_when_nothing_more_can_be_learned() {
    for (parts, over) in [
        // Recovered at t1: 10 s and 30 s more, and the SLO of 1 s.
        (vec![OUTAGE], 76),
        (vec![OUTAGE, (35, 40, 0.0)], 81),
        // Cancelled in the watch: recovered at second 61.
        (vec![OUTAGE, (60, 61, 0.0)], 102),
        // Not recovered by the end of H, and the SLO.
        (vec![OUTAGE, (35, 999, 0.0)], 96),
        // Healthy again just before the end of H: watched further, with either result.
        (vec![OUTAGE, (35, 94, 0.0)], 135),
        (vec![OUTAGE, (35, 94, 0.0), (100, 999, 0.0)], 102),
    ] {
        let run = Run::new().with(profile(&parts));
        assert_eq!(run.over_at(), Some(over), "{parts:?}");
        let whole = run.judge().verdict;
        assert_eq!(run.stop_at(over).judge().verdict, whole, "{parts:?}: stopping early changes nothing");
    }
    assert_eq!(Run::without_fault().over_at(), None);
    assert_eq!(Run::new().without_step(FaultStep::RemovalVerified).over_at(), None);
    let failed = EventKind::Fault {
        fault: 0,
        kind: "link-cut".into(),
        step: FaultStep::Failed,
        detail: String::new(),
        warnings: vec![],
    };
    assert_eq!(Run::new().without_step(FaultStep::Effective).event(16, failed).over_at(), Some(16));
}

#[test]
fn a_plan_that_is_judged_early_ends_once_its_verdict_cannot_change() {
    for (parts, over, verdict) in [
        // Stuck for 20 s, and the SLO of 1 s.
        (vec![OUTAGE, (35, 999, 0.0)], 56, "METASTABLE"),
        (vec![OUTAGE, (35, 999, 0.5)], 56, "METASTABLE"),
        // A healthy second in between: stuck from second 41 on.
        (vec![OUTAGE, (35, 40, 0.0), (41, 999, 0.0)], 62, "METASTABLE"),
        // Recovered at t1: 10 s and 10 s more.
        (vec![OUTAGE], 56, "RECOVERED"),
        (vec![OUTAGE, (35, 50, 0.0)], 71, "RECOVERED"),
        // Neither broken nor healthy: the whole of H.
        (vec![OUTAGE, (35, 999, 0.7)], 96, "DEGRADED"),
    ] {
        let run = Run::new().early("20s").with(profile(&parts));
        assert_eq!(run.over_at(), Some(over), "{parts:?}");
        assert_eq!(name(&run.stop_at(over)), verdict, "{parts:?}");
    }
}

#[test]
fn a_backlog_that_drops_is_not_stuck() {
    // What is due from second 15 on is served in order from second 35 on, at 1.1 times the load.
    let draining = |due: u64| 20 * S - (due - 15 * S) / 11;
    let late = |after: fn(u64) -> u64| {
        Run::new().early("20s").with(move |_, due| Fate::Good(if due < 15 * S { S / 100 } else { after(due) }))
    };
    let run = late(draining);
    assert_eq!((run.over_at(), name(&run)), (Some(96), "DRAINING".to_owned()));
    // Just as late, at a constant backlog.
    assert_eq!(late(|_| 18 * S).over_at(), Some(56));
}

#[test]
fn a_system_that_recovered_need_not_be_observed_for_as_long_as_one_that_is_stuck() {
    for (parts, over, verdict) in [
        (vec![OUTAGE], 56, "RECOVERED"),
        (vec![OUTAGE, (35, 50, 0.0)], 71, "RECOVERED"),
        (vec![], 56, "UNAFFECTED"),
        (vec![OUTAGE, (35, 999, 0.0)], 81, "METASTABLE"),
    ] {
        let run = || Run::new().early("45s").with(profile(&parts));
        assert_eq!(run().over_at(), Some(over), "{parts:?}");
        assert_eq!(name(&run().stop_at(over)), verdict, "{parts:?}");
        assert_eq!(name(&run().stop_at(45)), "INVALID: too short after the fault", "{parts:?}");
    }
}

#[test]
fn a_plan_that_is_judged_early_needs_as_much_observation_as_it_says() {
    let run = || Run::new().early("20s").with(profile(&[OUTAGE, (35, 999, 0.0)]));
    assert_eq!(name(&run().stop_at(55)), "METASTABLE");
    assert_eq!(name(&run().stop_at(52)), "INVALID: too short after the fault");
    assert_eq!(
        name(&Run::new().with(profile(&[OUTAGE, (35, 999, 0.0)])).stop_at(56)),
        "INVALID: too short after the fault"
    );
    let text = run().stop_at(55).judge().explain(&run().plan).because;
    assert!(text[0].starts_with("Goodput stayed low for 20.0 s") && text[2].contains("last 20s"), "{text:?}");
}

#[test]
fn requests_in_flight_count_while_the_run_goes_on() {
    // After the fault no request is ever answered, so none has a record before the end.
    let run = Run::new().with(|_, due| if due < 15 * S { Fate::Good(9) } else { Fate::Open });
    assert_eq!(run.over_at(), Some(96));
    let bins = run.live_bins(60);
    assert_eq!(bins.last().map(|bin| (bin.to, bin.scheduled, bin.good)), Some((at(59), 100, 0)));
}

#[test]
fn a_run_without_records_and_events_is_judged() {
    let run = Run::new();
    let judged = judge_records(&run.plan, &[], &[]);
    assert_eq!(judged.verdict.name(), "INVALID: the run was killed");
    assert!(!judged.explain(&run.plan).because.is_empty());
    let no_fault = Run::without_fault();
    assert_eq!(judge_records(&no_fault.plan, &[], &no_fault.events).verdict.exit_code(), 20);
}

fn any_event() -> impl Strategy<Value = Event> {
    use FaultStep::{Commanded, Effective, Failed, RemovalCommanded, RemovalVerified};
    let step = prop::sample::select(vec![Commanded, Effective, RemovalCommanded, RemovalVerified, Failed]);
    let step = step.prop_map(|step| EventKind::Fault {
        fault: 0,
        kind: String::new(),
        step,
        detail: String::new(),
        warnings: vec![],
    });
    let how = prop::sample::select(vec![RunEnd::Complete, RunEnd::Failed]);
    let what =
        prop_oneof![4 => step, 1 => how.prop_map(|how| EventKind::Ended { how, detail: String::new(), abort: None })];
    let at = prop_oneof![any::<u64>(), 0..200 * S];
    (at, what).prop_map(|(at, what)| Event { at: Instant(at), what })
}

proptest! {
    #[test]
    fn arbitrary_records_and_events_are_judged_without_a_panic(
        records in crate::record::arbitrary::records(), events in prop::collection::vec(any_event(), 0..8), now in any::<u64>(),
    ) {
        let run = Run::new();
        let judged = judge_records(&run.plan, &records, &events);
        prop_assert!(!judged.explain(&run.plan).because.is_empty());
        let mut cohorts = Cohorts::default();
        cohorts.add(&records);
        let now = Instant(now);
        let live = judge_live(&run.plan, &cohorts, &mut DueTimes::of(&run.plan), &events, now);
        observation_is_over(&run.plan, &live, now);
    }
}
