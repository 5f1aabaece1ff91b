use super::*;

fn process(process_id: u32) -> ProcessIdentity {
    ProcessIdentity { process_id, started: format!("{process_id} ticks"), restarts: 0 }
}

fn window(good: u64, due: u64) -> Window {
    let processes = [("post-db", 7), ("post-storage", 8)].map(|(name, id)| (name.to_owned(), process(id))).into();
    let identity = SystemIdentity { plan_hash: "a1".to_owned(), processes };
    Window { requests: Proportion::new(good, due).unwrap(), identity }
}

/// Windows of 10 s at 300 requests/s, with these numbers of good answers.
fn windows(stuck: u64, after_shed: u64) -> CertifyWindows {
    let after_shed = ShedWindow { window: window(after_shed, 3000), drained: true, healthy_ns: 0 };
    let (baseline, stuck) = (window(3000, 3000), window(stuck, 3000));
    CertifyWindows { baseline, stuck, after_shed: Some(after_shed), restart_cures: true }
}

fn restart(window: &mut Window, component: &str) {
    let process = window.identity.processes.get_mut(component).unwrap();
    process.started.push('0');
    process.restarts += 1;
}

fn after(windows: &mut CertifyWindows) -> &mut Window {
    &mut windows.after_shed.as_mut().unwrap().window
}

fn reason(windows: &CertifyWindows) -> InconclusiveReason {
    match windows.judge() {
        Certificate::Inconclusive(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn healthy_stuck_and_healthy_again_is_bistable() {
    assert_eq!(windows(60, 2990).judge(), Certificate::Bistable);
}

#[test]
fn a_system_that_is_healthy_after_the_fault_was_not_stuck() {
    assert_eq!(windows(2990, 2990).judge(), Certificate::NotStuck);
    let without_shed = CertifyWindows { after_shed: None, ..windows(2990, 0) };
    assert_eq!(without_shed.judge(), Certificate::NotStuck);
}

#[test]
fn a_system_that_stays_broken_after_the_shed_is_permanent() {
    assert_eq!(windows(60, 60).judge(), Certificate::Permanent);
    let mut restarted_in_vain = windows(60, 60);
    restart(after(&mut restarted_in_vain), "post-db");
    assert_eq!(restarted_in_vain.judge(), Certificate::Permanent);
}

#[test]
fn a_system_that_was_healthy_for_some_seconds_after_the_shed_is_not_permanently_broken() {
    let healthy_for = |seconds| {
        let mut windows = windows(60, 60);
        windows.after_shed.as_mut().unwrap().healthy_ns = Time::from_secs(seconds).0;
        windows
    };
    assert_eq!(healthy_for(2).judge(), Certificate::Permanent);
    assert_eq!(reason(&healthy_for(3)), InconclusiveReason::BrokenAgain { healthy_ns: 3_000_000_000 });
}

#[test]
fn a_restart_before_a_recovery_is_the_cure_unless_the_fault_made_it() {
    let mut recovered = CertifyWindows { after_shed: None, ..windows(2990, 0) };
    restart(&mut recovered.stuck, "post-db");
    assert_eq!(recovered.judge(), Certificate::CuredByRestart { components: vec!["post-db".to_owned()] });
    recovered.restart_cures = false;
    assert_eq!(recovered.judge(), Certificate::NotStuck);
}

#[test]
fn a_restart_after_the_stuck_window_may_be_the_cure() {
    let cured = |change: fn(&mut Window)| {
        let mut windows = windows(60, 2990);
        change(after(&mut windows));
        windows.judge()
    };
    let by_storage = Certificate::CuredByRestart { components: vec!["post-storage".to_owned()] };
    assert_eq!(cured(|window| restart(window, "post-storage")), by_storage);
    assert_eq!(cured(|window| window.identity.processes.get_mut("post-storage").unwrap().process_id += 1), by_storage);
    assert_eq!(cured(|window| drop(window.identity.processes.remove("post-storage"))), by_storage);
    let added = Certificate::CuredByRestart { components: vec!["cache".to_owned()] };
    assert_eq!(cured(|window| drop(window.identity.processes.insert("cache".to_owned(), process(9)))), added);
}

#[test]
fn a_restart_before_the_end_of_the_stuck_window_proves_nothing() {
    let mut windows = windows(60, 2990);
    restart(&mut windows.stuck, "post-db");
    restart(after(&mut windows), "post-db");
    assert_eq!(
        windows.judge(),
        Certificate::Inconclusive(InconclusiveReason::RestartedWhileStuck { components: vec!["post-db".to_owned()] })
    );
}

#[test]
fn another_plan_proves_nothing() {
    for change in [(|w| &mut w.stuck) as fn(&mut CertifyWindows) -> &mut Window, after] {
        let mut windows = windows(60, 2990);
        change(&mut windows).identity.plan_hash = "b2".to_owned();
        assert_eq!(reason(&windows), InconclusiveReason::PlanChanged);
    }
}

#[test]
fn the_bounds_decide_and_not_the_shares() {
    // Shares of 0.9 and 0.5 are 2700 and 1500 of 3000.
    let first_healthy = (2700..=3000).find(|&good| windows(60, good).judge() == Certificate::Bistable).unwrap();
    assert_eq!(first_healthy, 2733);
    let last_broken = (0..=1500).rev().find(|&good| windows(good, 2990).judge() == Certificate::Bistable).unwrap();
    assert_eq!(last_broken, 1446);
    // Both limits are shares of g0.
    let mut lower = windows(60, 2712);
    lower.baseline = window(2970, 3000);
    assert_eq!(lower.judge(), Certificate::Bistable);
}

#[test]
fn goodput_between_healthy_and_broken_proves_nothing() {
    for (windows, name) in [(windows(2100, 2990), WindowName::Stuck), (windows(60, 2100), WindowName::AfterShed)] {
        match reason(&windows) {
            InconclusiveReason::Between { window, interval } => {
                assert_eq!(window, name);
                assert!(interval.contains(0.7), "{interval:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn windows_of_few_requests_prove_nothing() {
    let too_few = |window, requests| InconclusiveReason::TooFewRequests { window, requests };
    // Wilson's interval of 5 of 5 is 57..100 %.
    let short = CertifyWindows { baseline: window(5, 5), ..windows(60, 2990) };
    assert_eq!(reason(&short), too_few(WindowName::Baseline, 5));
    let empty = CertifyWindows { baseline: window(0, 0), ..windows(60, 2990) };
    assert_eq!(reason(&empty), too_few(WindowName::Baseline, 0));
    let empty = CertifyWindows { stuck: window(0, 0), ..windows(60, 2990) };
    assert_eq!(reason(&empty), too_few(WindowName::Stuck, 0));
    let near_the_limit = windows(60, 2710);
    assert_eq!(reason(&near_the_limit), too_few(WindowName::AfterShed, 3000));
}

#[test]
fn a_system_that_was_not_healthy_before_the_fault_proves_nothing() {
    let unhealthy = CertifyWindows { baseline: window(2960, 3000), ..windows(60, 2990) };
    let goodput = 2960.0 / 3000.0;
    assert_eq!(reason(&unhealthy), InconclusiveReason::UnhealthyBaseline { goodput });
}

#[test]
fn a_stuck_system_needs_a_shed_that_drains_its_backlog() {
    let without_shed = CertifyWindows { after_shed: None, ..windows(60, 0) };
    assert_eq!(reason(&without_shed), InconclusiveReason::NotShed);
    let with_backlog = |good| {
        let mut windows = windows(60, good);
        windows.after_shed.as_mut().unwrap().drained = false;
        windows
    };
    assert_eq!(reason(&with_backlog(60)), InconclusiveReason::NotDrained);
    // A few requests that hang for ever do not make it less bistable.
    assert_eq!(with_backlog(2990).judge(), Certificate::Bistable);
}

#[test]
fn reasons_say_what_and_what_to_do() {
    let interval = Proportion::new(2100, 3000).unwrap().interval(CERTIFICATE_CONFIDENCE);
    let reasons = [
        InconclusiveReason::UnhealthyBaseline { goodput: 0.9867 },
        InconclusiveReason::TooFewRequests { window: WindowName::AfterShed, requests: 5 },
        InconclusiveReason::Between { window: WindowName::Stuck, interval },
        InconclusiveReason::RestartedWhileStuck { components: vec!["post-db".to_owned(), "post-storage".to_owned()] },
    ];
    let text = reasons.map(|reason| reason.to_string()).join("\n");
    assert_eq!(
        text,
        "the system was not healthy before the fault: goodput 98.7 %, less than 99 %. Lower the rate\n\
         too few requests were due in W3 (after the time without load) to judge it (5). Make the window longer\n\
         goodput in W2 (after the fault) was between healthy and broken (68.3..71.6 %)\n\
         restarted before the end of W2, so that the two states are not those of one system: \
         post-db, post-storage"
    );
}

#[test]
fn windows_and_certificates_round_trip() {
    let windows = windows(60, 2990);
    let text = serde_json::to_string(&windows).unwrap();
    assert_eq!(serde_json::from_str::<CertifyWindows>(&text).unwrap(), windows);
    assert_eq!(serde_json::to_string(&windows.judge()).unwrap(), "\"bistable\"");
    let cured = Certificate::CuredByRestart { components: vec!["post-db".to_owned()] };
    assert_eq!(serde_json::to_string(&cured).unwrap(), r#"{"cured_by_restart":{"components":["post-db"]}}"#);
}
