use super::builder::{Fate, Run, S, answered, at, profile};
use super::*;
use crate::arrivals::{ArrivalProcess, Arrivals, Rate, ThreadShare};
use crate::plan::VerdictWindows;
use crate::record::digest::BacklogSteps;
use crate::verdict::trend::backlog_grows;

#[test]
fn each_reason_makes_a_run_invalid() {
    let fault = |step, detail: &str| EventKind::Fault {
        fault: 0,
        kind: "link-cut".into(),
        step,
        detail: detail.into(),
        warnings: vec![],
    };
    let died = |state| EventKind::Component { component: "post-db".into(), state, detail: String::new() };
    let ended = |how| EventKind::Ended { how, detail: "no disk".into(), abort: None };
    let metastable = || Run::new().with(profile(&[OUTAGE, (35, 999, 0.0)]));
    for (run, name) in [
        (metastable().without_end(), "INVALID: the run was killed"),
        (metastable().without_end().event(141, ended(RunEnd::Interrupted)), "INVALID: interrupted"),
        (metastable().without_end().event(141, ended(RunEnd::Failed)), "INVALID: the run failed"),
        (metastable().without_step(FaultStep::Effective), "INVALID: the fault never took effect"),
        (
            metastable().without_step(FaultStep::Effective).event(16, fault(FaultStep::Failed, "no link")),
            "INVALID: the fault never took effect",
        ),
        (metastable().without_step(FaultStep::RemovalVerified), "INVALID: the fault's removal could not be verified"),
        (metastable().event(50, died(ComponentState::Died)), "INVALID: post-db is dead"),
        (Run::new().with(profile(&[(0, 15, 0.98), OUTAGE])), "INVALID: unhealthy before the fault"),
        (metastable().step_at(FaultStep::Commanded, 9 * S), "INVALID: no baseline"),
        (metastable().lag(|_| 11_000_000), "INVALID: the generator was late"),
        (metastable().lose(|i| i % 33 == 0), "INVALID: the generator did not keep to its schedule"),
        (metastable().stop_at(93), "INVALID: too short after the fault"),
        (Run::new().stop_at(60), "INVALID: too short after the fault"),
    ] {
        let judged = run.judge();
        assert_eq!(judged.verdict.name(), name);
        assert_eq!(judged.verdict.exit_code(), 20);
        let text = judged.explain(&run.plan);
        assert!(!text.because.is_empty() && !text.next.is_empty());
    }
}

#[test]
fn requests_that_the_fault_kills_before_its_effect_is_seen_are_in_no_window() {
    // Commanded at 15 s, seen at 15.4 s. In between the system fails fast, as it does during the fault.
    let outage = |_, due| match due {
        15_000_000_000..35_000_000_000 => Fate::Failed(S / 1000),
        _ => Fate::Good(S / 100),
    };
    const SEEN: u64 = 15 * S + 2 * S / 5;
    let run = Run::new().with(outage).step_at(FaultStep::Effective, SEEN);
    let judged = run.judge();
    let Verdict::Recovered(recovery) = judged.verdict else { panic!("{:?}", judged.verdict) };
    let baseline = judged.evidence.baseline.unwrap();
    assert_eq!((baseline.to, baseline.goodput), (at(15), 1.0));
    assert!((recovery.loss_requests - 1960.0).abs() < 1e-6, "from its effect on: {recovery:?}");
    let bins: Vec<_> = judged.evidence.bins.iter().map(|bin| (bin.from.0, bin.to.0)).collect();
    assert!(bins.contains(&(14 * S, 15 * S)) && bins.contains(&(15 * S, SEEN)) && bins.contains(&(SEEN, SEEN + S)));
    // Healthy but for what is due between command and effect: the fault itself changed nothing.
    let killed = |_, due| if (15 * S..SEEN).contains(&due) { Fate::Failed(S / 1000) } else { Fate::Good(S / 100) };
    assert_eq!(name(&Run::new().with(killed).step_at(FaultStep::Effective, SEEN)), "UNAFFECTED");
}

#[test]
fn a_load_that_ends_while_the_system_is_healthy_again_is_too_short() {
    // Healthy since 5 s, and the last 30 s are still broken for the most part.
    let run = Run::new().observe("30s").with(profile(&[OUTAGE, (35, 62, 0.0)]));
    for (stop, verdict) in [(67, "INVALID: too short after the fault"), (73, "RECOVERED")] {
        let run = Run::new().observe("30s").with(profile(&[OUTAGE, (35, 62, 0.0)])).stop_at(stop);
        assert_eq!(name(&run), verdict, "{stop}: {:?}", run.judge().explain(&run.plan));
    }
    assert_eq!(name(&run), "RECOVERED");
}

#[test]
fn a_run_that_its_baseline_ended_says_why_and_touched_nothing() {
    let refused = || EventKind::Baseline { valid: false, detail: "Goodput was low.".into() };
    let run = |fate: fn(u64, u64) -> Fate| {
        let run = Run::new().with(fate).without_fault_steps().stop_at(15);
        run.event(14, refused())
    };
    let failing = run(|_, _| Fate::Failed(S / 100));
    let text = failing.judge().explain(&failing.plan);
    assert_eq!(text.name, "INVALID: unhealthy before the fault");
    insta::assert_debug_snapshot!((text.because, text.next));
    // What was recorded in all does not show what the live judgement saw.
    let healthy = run(|_, _| Fate::Good(S / 100));
    let text = healthy.judge().explain(&healthy.plan);
    assert_eq!(text.name, "INVALID: unhealthy before the fault");
    assert_eq!(text.because[0], "Goodput was low.");
    // With --anyway the fault was applied, and its baseline is judged as always.
    let anyway = Run::new().with(profile(&[(0, 15, 0.5), OUTAGE])).event(14, refused());
    assert_eq!(name(&anyway), "INVALID: unhealthy before the fault");
    assert!(!anyway.judge().explain(&anyway.plan).because.concat().contains("nothing was touched"));
}

#[test]
fn a_late_generator_is_named_before_the_baseline_that_it_spoiled() {
    // The generator was stopped from second 10 to second 13: these requests were sent when it went on.
    let stalled = |request: u64| {
        let due = request * S / 100;
        (13 * S).saturating_sub(due) * u64::from((10 * S..13 * S).contains(&due))
    };
    let fate = |_: u64, due: u64| {
        let lag = if (10 * S..13 * S).contains(&due) { 13 * S - due } else { 0 };
        Fate::Good(lag + S / 100)
    };
    let run = Run::new().with(fate).lag(stalled);
    let text = run.judge().explain(&run.plan);
    assert_eq!(text.name, "INVALID: the generator was late", "{text:?}");
    assert!(text.next[0].starts_with("Give the generator its own CPU"), "{text:?}");
    let run = Run::without_fault().with(fate).lag(stalled);
    assert_eq!(name(&run), "INVALID: the generator was late");
}

#[test]
fn a_stall_that_no_send_lag_shows_makes_a_run_invalid() {
    // All connections were busy from second 50 to second 53, as far as the generator knows.
    let fate = |_: u64, due: u64| match due {
        50_000_000_000..53_000_000_000 => Fate::Good(53 * S - due),
        _ => Fate::Good(S / 100),
    };
    let stall = |until: u64, lasted| (until, EventKind::Stall { lasted_ns: lasted * S / 1000 });
    let with = |(until, what): (u64, EventKind)| Run::without_fault().with(fate).event(until, what);
    assert_eq!(name(&Run::without_fault().with(fate)), "OVERLOADED");
    assert_eq!(name(&with(stall(53, 3000))), "INVALID: the generator was late");
    assert_eq!(name(&with(stall(53, 500))), "OVERLOADED", "shorter than half of any SLO");
    assert_eq!(name(&with(stall(4, 3000))), "OVERLOADED", "the warm-up is not judged");
    assert_eq!(name(&with(stall(100, 3000))), "OVERLOADED", "after the end of the load");
}

#[test]
fn a_generator_without_a_core_makes_a_run_invalid() {
    // Other programs ran on its core: it read answers late, and all connections seemed to be busy.
    let fate = |_: u64, due: u64| Fate::Good(if due > 50 * S { 8 * S } else { S / 100 });
    let waited = |ns: Option<u64>| GeneratorStats { core_wait_ns: ns, ..GeneratorStats::default() };
    let verdict = |ns| name(&Run::without_fault().with(fate).event(100, EventKind::Generator(waited(ns))));
    assert_eq!(verdict(None), "OVERLOADED");
    assert_eq!(verdict(Some(10 * S)), "OVERLOADED");
    assert_eq!(verdict(Some(60 * S)), "INVALID: the generator was late");
}

#[test]
fn an_interrupted_run_has_no_further_reasons() {
    let interrupted = || EventKind::Ended { how: RunEnd::Interrupted, detail: "SIGINT".into(), abort: None };
    for run in [Run::new().without_step(FaultStep::Effective).stop_at(12), Run::new().stop_at(40)] {
        let run = run.without_end().event(40, interrupted());
        assert_eq!(run.judge().explain(&run.plan).because, ["The run was interrupted before its end."]);
    }
}

#[test]
fn a_killed_run_is_not_judged_by_its_lost_records() {
    let run = Run::new().lose(|i| i % 3 == 0).lag(|_| 11_000_000).without_end();
    assert_eq!(run.judge().explain(&run.plan).because, ["The run was killed: it recorded no end."]);
}

#[test]
fn all_dead_components_are_named() {
    let died = |component: &str| EventKind::Component {
        component: component.into(),
        state: ComponentState::Died,
        detail: String::new(),
    };
    let run = Run::new().event(50, died("a")).event(50, died("b")).event(50, died("c"));
    assert_eq!(run.judge().verdict.name(), "INVALID: a, b and c are dead");
}

#[test]
fn harmless_deviations_leave_a_run_valid() {
    let died = |state| EventKind::Component { component: "post-db".into(), state, detail: String::new() };
    let metastable = || Run::new().with(profile(&[OUTAGE, (35, 999, 0.0)]));
    for (what, run) in [
        ("back again", metastable().event(50, died(ComponentState::Died)).event(51, died(ComponentState::Restarted))),
        ("out of memory is not dead", metastable().event(50, died(ComponentState::OutOfMemory))),
        ("99 % exactly", Run::new().with(profile(&[(0, 15, 0.99), OUTAGE, (35, 999, 0.0)]))),
        ("10 ms exactly", metastable().lag(|_| 10_000_000)),
        ("1 % late", metastable().lag(|i| if i % 100 == 0 { 99_000_000 } else { 0 })),
        ("2 % lost", metastable().lose(|i| i % 50 == 0)),
        (
            "no connection was free",
            metastable().with(|i, due| {
                if due < 15 * S {
                    Fate::Good(9)
                } else if i % 2 == 0 {
                    Fate::NeverReady
                } else {
                    Fate::Open
                }
            }),
        ),
        (
            "a failure before success",
            metastable().event(
                14,
                EventKind::Fault {
                    fault: 0,
                    kind: "link-cut".into(),
                    step: FaultStep::Failed,
                    detail: "once".into(),
                    warnings: vec![],
                },
            ),
        ),
        ("early end", metastable().stop_at(100)),
    ] {
        assert_eq!(name(&run), "METASTABLE", "{what}");
    }
    let ready = Run::new().with(|i, due| if due > 40 * S && i % 20 == 0 { Fate::ReadyUnsent } else { Fate::Good(9) });
    assert_eq!(
        name(&ready),
        "INVALID: the generator did not keep to its schedule",
        "a request that could be sent and was not"
    );
}

#[test]
fn a_growing_backlog_before_the_fault_is_overload() {
    // A queue that grows by `share` of the load: answers get slower, but stay within the SLO.
    let grows = |share: f64| {
        Run::new().slo("5s").with(move |_, due| match due {
            0..35_000_000_000 => Fate::Good(S / 100 + (due as f64 * share) as u64),
            _ => Fate::Good(S / 100),
        })
    };
    for (share, invalid) in [(0.2, true), (0.1, true), (0.03, true), (0.01, false), (0.0, false)] {
        assert_eq!(name(&grows(share)) == "INVALID: overloaded before the fault", invalid, "{share}");
    }
}

#[test]
fn a_healthy_poisson_load_is_never_judged_overloaded() {
    for (rate, seeds) in [(20.0, 300), (300.0, 60), (2000.0, 10)] {
        for mean_ms in [5, 100, 600] {
            let trips = (0..seeds).filter(|&seed| {
                let windows = VerdictWindows::of(rate);
                let arrivals = Arrivals::new(ArrivalProcess::Exp, &Rate::constant(rate), seed, ThreadShare::new(0, 1));
                let end = at(2).plus(windows.max_baseline);
                let records: Vec<_> = arrivals
                    .take_while(|arrival| arrival.due < end)
                    // Response times are spread evenly by a hash, from 0 to twice the mean.
                    .map(|a| {
                        answered(
                            a.request,
                            a.due.0,
                            a.due.0 + a.due.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (2_000_000 * mean_ms),
                        )
                    })
                    .collect();
                let mut cohorts = Cohorts::default();
                cohorts.add(&records);
                let count = (windows.max_baseline.0 / windows.bin.0) as u32;
                let steps = BacklogSteps { from: at(2), step: windows.bin, count };
                backlog_grows(&cohorts.backlog(cohorts.due(), steps), rate)
            });
            assert_eq!(trips.count(), 0, "{rate}/s, {mean_ms} ms");
        }
    }
}
