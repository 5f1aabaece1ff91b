use std::path::{Path, PathBuf};

use super::digest_records::{digest_records, reader_threads};
use super::thresholds::evaluate_thresholds;
use super::{FaultWindow, Incident, ReportData};
use crate::arrivals::ArrivalProcess;
use crate::load::plan::{OnTimeout, Timestamps, WhenBusy};
use crate::plan::settings::Settings;
use crate::plan::source::{ConfigError, Source};
use crate::plan::{ClientTimeout, ExperimentPlan, PlannedFault, System};
use crate::record::digest::Digest;
use crate::record::event::ComponentState;
use crate::record::folder;
use crate::record::folder::{EVENTS, FolderError, PLAN, ReportLock};
use crate::record::{Event, EventKind, FileError, RunData};
use crate::stats::ratio;
use crate::testbed::Scenario;
use crate::units::Instant;
use crate::verdict::timeline::{FaultHistory, Timeline};
use crate::verdict::{Verdict, judge};

/// A results folder could not be read. The text names the file.
#[derive(Debug, thiserror::Error)]
pub enum ReportDataError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Plan(#[from] ConfigError),
    #[error(
        "{} has a step of fault {number} ({kind}), which {PLAN} does not have: one of the two files is damaged. Take the \
         folder from a copy, or run the experiment again",
        path.display()
    )]
    UnplannedFault { path: PathBuf, number: usize, kind: String },
}

/// Reads the results folder `dir` and judges the run, by the digest of its records. If the folder has no digest of them,
/// it is made and written, and `latencies.txt` with it.
///
/// # Errors
/// [`ReportDataError`] names the file, and the line if there is one.
pub fn read_report_data(dir: &Path, lock: &ReportLock) -> Result<(ExperimentPlan, ReportData), ReportDataError> {
    let recorded = folder::read_folder(dir, lock)?;
    let plan = parse_plan(dir, &recorded)?;
    let digest = match folder::read_digest(dir, &recorded.checksums)? {
        Some(digest) => digest,
        None => {
            digest_records(dir, &plan, &recorded, reader_threads(plan.load().threads * generators(&recorded.events)))?
        }
    };
    let data = build_report_data(&plan, recorded, digest);
    Ok((plan, data))
}

/// The plan of a results folder, which must have every fault that the events name.
pub(super) fn parse_plan(dir: &Path, recorded: &RunData) -> Result<ExperimentPlan, ReportDataError> {
    let origin = dir.join(PLAN).display().to_string();
    let source = Source { origin: &origin, text: &recorded.plan };
    let settings = source.parse::<Settings>()?;
    let plan = ExperimentPlan::resolve(settings).map_err(|e| source.error(&e.key, e.why))?;
    for event in &recorded.events {
        if let EventKind::Fault { fault, kind, .. } = &event.what
            && plan.faults().get(*fault).is_none_or(|planned| planned.spec.kind() != kind)
        {
            let (path, number) = (dir.join(EVENTS), fault.saturating_add(1));
            return Err(ReportDataError::UnplannedFault { path, number, kind: kind.clone() });
        }
    }
    Ok(plan)
}

/// Judges a run from its plan, the digest of its records, and everything else that was recorded. A pure function.
pub fn build_report_data(plan: &ExperimentPlan, recorded: RunData, digest: Digest) -> ReportData {
    let RunData { samples, events, .. } = recorded;
    let judgement = judge(plan, &digest, &events);
    let explanation = judgement.explain(plan);
    let evidence = judgement.evidence;
    let aborted = evidence.timeline.abort.clone();
    let mut data = ReportData {
        name: plan.name().to_owned(),
        started: evidence.timeline.started.clone(),
        origin: evidence.timeline.origin.clone(),
        seed: plan.load().seed,
        threads: digest.frame().threads,
        rate: plan.load().rate,
        planned_rate: ratio(plan.rate().cumulated(evidence.end), evidence.end.as_secs_f64()),
        slack: plan.load().slack,
        warmup_end: Instant::START.plus(plan.phases().warmup),
        arrivals_end: evidence.end,
        slo: evidence.slo,
        baseline: evidence.baseline.map(|baseline| (baseline.from, baseline.to)),
        faults: FaultWindow::all(plan, &evidence.timeline),
        recovered_at: match &judgement.verdict {
            Verdict::Recovered(recovery) => Some(recovery.at),
            _ => None,
        },
        explanation,
        incidents: incidents(&events),
        warnings: fault_warnings(plan, &evidence.timeline),
        problems: problems(&events),
        generator: evidence.timeline.generator,
        requires_timestamps: plan.load().timestamps == Timestamps::Kernel,
        verdict: judgement.verdict,
        goodput: evidence.bins,
        facts: plan_facts(plan),
        digest,
        samples,
        budget: find_budget(plan),
        thresholds: Vec::new(),
    };
    data.thresholds = evaluate_thresholds(plan, &data, aborted.as_ref());
    data
}

fn incidents(events: &[Event]) -> Vec<Incident> {
    let incidents = events.iter().filter_map(|event| match &event.what {
        EventKind::Component { component, state, detail } => {
            let what = format!("{component} {}", state_name(*state));
            Some(Incident { at: event.at, what, detail: detail.clone() })
        }
        _ => None,
    });
    incidents.collect()
}

/// Problems found before the load, and generators that were lost.
fn problems(events: &[Event]) -> Vec<String> {
    let texts = events.iter().flat_map(|event| match &event.what {
        EventKind::Warning { text } => vec![text.clone()],
        EventKind::Generator(stats) => stats.parts.iter().filter_map(|part| part.lost.clone()).collect(),
        _ => Vec::new(),
    });
    texts.collect()
}

/// How many generators sent the load.
fn generators(events: &[Event]) -> usize {
    let of = |event: &Event| match &event.what {
        EventKind::Generator(stats) => Some(stats.generators()),
        _ => None,
    };
    events.iter().find_map(of).unwrap_or(1)
}

fn state_name(state: ComponentState) -> &'static str {
    match state {
        ComponentState::Died => "died",
        ComponentState::OutOfMemory => "ran out of memory",
        ComponentState::Restarted => "restarted",
    }
}

fn fault_warnings(plan: &ExperimentPlan, timeline: &Timeline) -> Vec<(Instant, String)> {
    let warnings = |(fault, history): (&PlannedFault, &FaultHistory)| {
        let name = fault.spec.label();
        history.warnings.iter().map(|(at, text)| (*at, format!("{name}: {text}"))).collect::<Vec<_>>()
    };
    plan.faults().iter().zip(&timeline.faults).flat_map(warnings).collect()
}

/// The rows of the table that shows the plan: name and value.
fn plan_facts(plan: &ExperimentPlan) -> Vec<(String, String)> {
    let load = plan.load_settings("");
    let mut facts = vec![("system".to_owned(), describe_system(plan))];
    let mut add = |name: &str, value: String| facts.push((name.to_owned(), value));
    let arrivals = match load.arrivals {
        ArrivalProcess::Fixed => "fixed gaps".to_owned(),
        ArrivalProcess::Exp => format!("Poisson arrivals, seed {}", load.seed),
        ArrivalProcess::Norm => format!("normally distributed gaps, seed {}", load.seed),
        ArrivalProcess::Zipf => format!("Zipf distributed gaps, seed {}", load.seed),
    };
    add("load", format!("{} requests/s, {arrivals}", plan.load().rate));
    if let Some(profile) = &plan.load().profile {
        add("profile of the load", format!("{profile} requests/s"));
    }
    add("threads", load.threads.to_string());
    add(
        "connections",
        match load.when_busy {
            WhenBusy::Wait => format!("{}; when all are busy, a request waits", load.connections),
            WhenBusy::Pipeline => format!("{}; when all are busy, a request is pipelined", load.connections),
            WhenBusy::Open => format!(
                "{}; when all are busy, a request opens another one, up to {}",
                load.connections, load.max_connections
            ),
        },
    );
    if let Some(script) = &load.script {
        add("script", script.name.clone());
    }
    add(
        "client timeout",
        match plan.load().timeout {
            None => "none".to_owned(),
            Some(ClientTimeout { after, action: OnTimeout::Abandon }) => {
                format!("{after}, then the client abandons the request")
            }
            Some(ClientTimeout { after, action: OnTimeout::Wait }) => format!("{after}, timeouts are only counted"),
        },
    );
    if load.retries.count > 0 {
        add("retries", format!("{}, the first after {}", load.retries.count, load.retries.backoff));
    }
    add("phases", format!("warm-up {}, baseline {}", plan.phases().warmup, plan.phases().baseline));
    for fault in plan.faults() {
        add("fault", format!("{} {}", fault.spec.description(), fault.when()));
    }
    if !plan.faults().is_empty() {
        add("time limit for recovery", plan.phases().observe.to_string());
    }
    facts
}

/// The memory for requests of a testbed whose memory is limited, in bytes.
fn find_budget(plan: &ExperimentPlan) -> Option<u64> {
    match plan.system() {
        System::Testbed(testbed) if testbed.scenario == Scenario::Memory => Some(testbed.budget.0),
        System::Testbed(_) | System::Target { .. } => None,
    }
}

fn describe_system(plan: &ExperimentPlan) -> String {
    match plan.system() {
        System::Testbed(testbed) if testbed.scenario == Scenario::RetryStorm => format!(
            "embedded testbed, {} workers, service time {}, queue length {}",
            testbed.workers, testbed.service_time, testbed.queue
        ),
        System::Testbed(testbed) => {
            let leak = if testbed.leak { ", with a leak" } else { "" };
            format!("embedded testbed, memory for requests {}, error path {}{leak}", testbed.budget, testbed.hold)
        }
        System::Target { url, .. } => url.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::event::{ComponentState, GeneratorStats};
    use crate::record::{EventKind, ResultsFolder, RunOrigin};
    use crate::report::write_report;
    use crate::units::Time;
    use crate::verdict::tests::builder::{Run, S, profile};

    fn recorded(run: &Run, results: &Path) -> ResultsFolder {
        let folder =
            ResultsFolder::create(results, run.plan.name(), jiff::civil::date(2026, 1, 2).at(3, 4, 5, 0)).unwrap();
        folder.write_plan(&run.plan.to_toml().unwrap()).unwrap();
        folder.create_rows(None).unwrap().append(&run.records()).unwrap();
        let mut log = folder.open_events().unwrap();
        run.events.iter().for_each(|event| log.append(event).unwrap());
        folder
    }

    fn read(folder: &ResultsFolder) -> Result<(ExperimentPlan, ReportData), ReportDataError> {
        read_report_data(folder.path(), &folder.lock_report().unwrap())
    }

    fn at(second: u64) -> Instant {
        Instant(second * S)
    }

    #[test]
    fn a_results_folder_is_read_and_judged() {
        let results = tempfile::tempdir().unwrap();
        let started = EventKind::Started {
            wall: "2026-01-02T03:04:05Z".into(),
            origin: RunOrigin { version: "1".into(), ..RunOrigin::default() },
        };
        let state = ComponentState::OutOfMemory;
        let run = Run::new()
            .with(profile(&[(15, 35, 0.0), (35, 38, 0.5)]))
            .event(0, started)
            .event(20, EventKind::Component { component: "post-db".into(), state, detail: "137".into() })
            .event(141, EventKind::Generator(GeneratorStats { connections_opened: 7, ..GeneratorStats::default() }));
        let folder = recorded(&run, results.path());
        let (plan, data) = read(&folder).unwrap();
        assert_eq!(plan, run.plan);
        assert_eq!((data.name.as_str(), data.started.as_str()), ("made up", "2026-01-02T03:04:05Z"));
        assert_eq!((data.warmup_end, data.arrivals_end, data.slo), (at(5), at(141), Time(S)));
        assert_eq!((data.baseline, data.recovered_at), (Some((at(5), at(15))), Some(at(38))));
        assert_eq!(data.faults, [FaultWindow { label: "link-cut".into(), from: at(15), to: Some(at(35)) }]);
        assert_eq!((data.goodput.len(), data.digest.totals.records), (141, 14_100));
        assert_eq!(data.incidents[0].at, at(20));
        assert_eq!(data.incidents[0].to_string(), "post-db ran out of memory (137)");
        assert_eq!((data.explanation.name.as_str(), data.generator.connections_opened), ("RECOVERED", 7));
        assert!(data.facts.contains(&("fault".to_owned(), "link-cut at 15s for 20s".to_owned())), "{:?}", data.facts);
    }

    #[test]
    fn a_warning_of_a_fault_is_a_warning_of_the_report() {
        let what = EventKind::Fault {
            fault: 0,
            kind: "link-cut".into(),
            step: crate::record::FaultStep::RemovalVerified,
            detail: "names as before".into(),
            warnings: vec!["its address was a, and is b".into()],
        };
        let run = Run::new().with(profile(&[(15, 35, 0.0)])).event(36, what);
        let results = tempfile::tempdir().unwrap();
        let (_, data) = read(&recorded(&run, results.path())).unwrap();
        assert_eq!(data.warnings, [(at(36), "link-cut: its address was a, and is b".to_owned())]);
    }

    #[test]
    fn a_run_that_was_killed_can_be_read() {
        let results = tempfile::tempdir().unwrap();
        let run = Run::new().without_end().stop_at(12);
        let folder = recorded(&run, results.path());
        fs::remove_file(folder.path().join(folder::EVENTS)).unwrap();
        fs::write(folder.path().join(folder::EVENTS), "").unwrap();
        let (_, data) = read(&folder).unwrap();
        assert_eq!(data.explanation.name, "INVALID: the run was killed");
        assert_eq!((data.digest.totals.records, data.faults.len(), data.baseline), (1_200, 0, None));
    }

    #[test]
    fn a_results_folder_gives_the_same_report_twice() {
        let results = tempfile::tempdir().unwrap();
        let folder = recorded(&Run::new().without_end().stop_at(12), results.path());
        let draw = || {
            let (_, data) = read(&folder).unwrap();
            let files = write_report(&data, folder.path()).unwrap();
            files.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>()
        };
        assert!(draw() == draw());
    }

    #[test]
    fn an_error_in_the_plan_is_reported_with_its_line() {
        let results = tempfile::tempdir().unwrap();
        let plan = Run::new().plan.to_toml().unwrap();
        for (from, to, message) in
            [("rate = 100.0", "rate = -1", "load.rate: must be"), ("[load]", "[lead]", "unknown field `lead`")]
        {
            assert!(plan.contains(from));
            let folder = recorded(&Run::new(), results.path());
            folder.write_plan(&plan.replace(from, to)).unwrap();
            let error = read(&folder).unwrap_err().to_string();
            assert!(error.contains("experiment.toml:") && error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_step_of_a_fault_that_the_plan_lacks_is_an_error() {
        let results = tempfile::tempdir().unwrap();
        let folder = recorded(&Run::new(), results.path());
        folder.write_plan(&Run::without_fault().plan.to_toml().unwrap()).unwrap();
        let error = read(&folder).unwrap_err().to_string();
        assert!(error.contains("events.jsonl has a step of fault 1 (link-cut)"), "{error}");
        folder.write_plan(&Run::surging().plan.to_toml().unwrap()).unwrap();
        assert!(matches!(read(&folder), Err(ReportDataError::UnplannedFault { .. })));
    }

    #[test]
    fn incomplete_records_are_invalid() {
        let run = |rows| Run::without_fault().event(141, EventKind::Recorded { rows });
        let results = tempfile::tempdir().unwrap();
        let scheduled = run(0).records().len() as u64;
        let name = |run: &Run| read(&recorded(run, results.path())).unwrap().1.explanation.name;
        assert_eq!(name(&run(scheduled)), "STABLE");
        for rows in [scheduled + 1, scheduled - 1, u64::MAX] {
            assert_eq!(name(&run(rows)), "INVALID: its records are incomplete");
        }
        // Cut at the end, by an earlier version that did not write how many there must be.
        assert_eq!(name(&Run::without_fault().stop_at(20)), "INVALID: the generator did not keep to its schedule");
    }
}
