//! A results folder as the story that a report shows.

use std::path::Path;

use super::{FaultWindow, ReportData};
use crate::arrivals::ArrivalProcess;
use crate::plan::settings::{Fault, Settings};
use crate::plan::source::{ConfigError, Source};
use crate::plan::{ExperimentPlan, Goal};
use crate::record::folder;
use crate::record::folder::{FolderError, PLAN};
use crate::record::{EventKind, RunData};
use crate::stats::ratio;
use crate::testbed::Scenario;
use crate::verdict::timeline::{FaultHistory, Timeline};
use crate::verdict::{Verdict, judge};

/// Why a results folder tells no story.
#[derive(Debug, thiserror::Error)]
pub enum ReportDataError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Plan(#[from] ConfigError),
}

/// Reads the results folder `dir`, and judges what it holds.
///
/// # ErrorCounts
/// [`ReportDataError`] names the file, and the line where there is one.
pub fn read(dir: &Path) -> Result<(ExperimentPlan, ReportData), ReportDataError> {
    let recorded = folder::read_folder(dir)?;
    let origin = dir.join(PLAN).display().to_string();
    let source = Source { origin: &origin, text: &recorded.plan };
    let plan = source.parse::<Settings>()?;
    let plan = ExperimentPlan::new(plan).map_err(|e| source.error(&e.key, e.why))?;
    let story = story(&plan, recorded);
    Ok((plan, story))
}

/// What was planned and what was recorded, judged. A pure function.
pub fn story(plan: &ExperimentPlan, recorded: RunData) -> ReportData {
    let RunData { plan: _, requests, samples, events } = recorded;
    let judgement = judge(plan, &requests, &events);
    let explanation = judgement.explain(plan);
    let evidence = judgement.evidence;
    let incidents = events.iter().filter_map(|event| match &event.what {
        EventKind::Component { component, state, detail } => {
            let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
            Some((event.at.0, format!("{component} {}{detail}", state_name(*state))))
        }
        _ => None,
    });
    ReportData {
        name: plan.name.clone(),
        started: evidence.timeline.started.clone(),
        // More threads than these no load plan lets through.
        threads: u16::try_from(plan.load.threads).unwrap_or(u16::MAX),
        rate: plan.load.rate,
        planned_rate: ratio(plan.planned().cumulated(evidence.end), evidence.end.as_secs_f64()),
        warmup: plan.phases.warmup.0,
        end: evidence.end.0,
        slo: evidence.slo.0,
        baseline: evidence.baseline.map(|baseline| (baseline.from.0, baseline.to.0)),
        faults: fault_windows(plan, &evidence.timeline),
        recovered_at: match &judgement.verdict {
            Verdict::Recovered(recovery) => Some(recovery.at.0),
            _ => None,
        },
        explanation,
        incidents: incidents.collect(),
        warnings: warnings(plan, &evidence.timeline),
        generator: evidence.timeline.generator,
        verdict: judgement.verdict,
        goodput: evidence.bins,
        facts: facts(plan),
        requests,
        samples,
    }
}

fn state_name(state: crate::record::event::ComponentState) -> &'static str {
    use crate::record::event::ComponentState::{Died, OutOfMemory, Restarted};
    match state {
        Died => "died",
        OutOfMemory => "ran out of memory",
        Restarted => "restarted",
    }
}

fn fault_windows(plan: &ExperimentPlan, timeline: &Timeline) -> Vec<FaultWindow> {
    let window = |(fault, history): (&Fault, &FaultHistory)| {
        let to = history.removed.map(|removed| removed.0);
        Some(FaultWindow { label: fault.name(), from: history.effective?.0, to })
    };
    plan.fault.iter().zip(&timeline.faults).filter_map(window).collect()
}

fn warnings(plan: &ExperimentPlan, timeline: &Timeline) -> Vec<(u64, String)> {
    let warnings = |(fault, history): (&Fault, &FaultHistory)| {
        let name = fault.name();
        history.warnings.iter().map(|(at, text)| (at.0, format!("{name}: {text}"))).collect::<Vec<_>>()
    };
    plan.fault.iter().zip(&timeline.faults).flat_map(warnings).collect()
}

/// The plan for the report's table.
fn facts(plan: &ExperimentPlan) -> Vec<(String, String)> {
    use crate::load::plan::{OnTimeout, WhenBusy};
    let load = plan.load_settings("");
    let mut facts = vec![(
        "system".to_owned(),
        match plan.goal() {
            Goal::Embedded(testbed) if testbed.scenario == Scenario::RetryStorm => format!(
                "embedded testbed, {} workers, {} a request, a queue of {}",
                testbed.workers, testbed.service_time, testbed.queue
            ),
            Goal::Embedded(testbed) => {
                format!("embedded testbed, memory for requests {}, error path {}", testbed.budget, testbed.hold)
            }
            Goal::Url(url) => url.to_owned(),
        },
    )];
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    let arrivals = match load.arrivals {
        ArrivalProcess::Fixed => "at fixed gaps".to_owned(),
        ArrivalProcess::Exp => format!("Poisson, seed {}", load.seed),
        ArrivalProcess::Norm => format!("at normal gaps, seed {}", load.seed),
        ArrivalProcess::Zipf => format!("at Zipf gaps, seed {}", load.seed),
    };
    fact("load", format!("{} requests/s, {arrivals}", plan.load.rate));
    fact("threads", load.threads.to_string());
    fact(
        "connections",
        match load.when_busy {
            WhenBusy::Wait => format!("{}; a request that finds none idle waits", load.connections),
            WhenBusy::Pipeline => format!("{}; a request that finds none idle goes behind another", load.connections),
            WhenBusy::Open => format!("{}, further ones as needed up to {}", load.connections, load.max_connections),
        },
    );
    if let Some(script) = &load.script {
        fact("script", script.name.clone());
    }
    fact(
        "client timeout",
        match (plan.load.timeout, load.on_timeout) {
            (None, _) => "none".to_owned(),
            (Some(timeout), OnTimeout::Abandon) => format!("{timeout}, then the client gives up"),
            (Some(timeout), OnTimeout::Wait) => format!("{timeout}, counted only"),
        },
    );
    if load.retries.count > 0 {
        fact("retries", format!("{}, first after {}", load.retries.count, load.retries.backoff));
    }
    fact("phases", format!("warm-up {}, baseline {}", plan.phases.warmup, plan.phases.baseline));
    for fault in &plan.fault {
        fact("fault", format!("{} at {} for {}", fault_in_words(fault), plan.at(fault), fault.lasts));
    }
    if !plan.fault.is_empty() {
        fact("time to recover in", plan.observe().to_string());
    }
    facts
}

/// Its kind, and how much of it there is where that comes in sizes.
pub fn fault_in_words(fault: &Fault) -> String {
    let size = match (fault.factor, fault.delay, fault.loss, fault.bandwidth) {
        (Some(factor), ..) => format!(" of {factor} times the load"),
        (_, Some(delay), ..) => format!(" of {delay} each way"),
        (_, _, Some(share), _) => format!(" of {:.1} %", 100.0 * share),
        (.., Some(bandwidth)) => format!(" of {}/s", bandwidth.0),
        _ => String::new(),
    };
    format!("{}{size}", fault.name())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::event::{ComponentState, GeneratorStats};
    use crate::record::{EventKind, ResultsFolder};
    use crate::verdict::tests::builder::{Run, S, profile};

    fn recorded(run: &Run, results: &Path) -> ResultsFolder {
        let folder =
            ResultsFolder::create(results, &run.plan.name, jiff::civil::date(2026, 1, 2).at(3, 4, 5, 0)).unwrap();
        folder.write_plan(&run.plan.to_toml().unwrap()).unwrap();
        folder.create_rows().unwrap().append(&run.records()).unwrap();
        let mut log = folder.open_events().unwrap();
        run.events.iter().for_each(|event| log.append(event).unwrap());
        folder
    }

    #[test]
    fn a_folder_tells_the_story_of_its_run() {
        let results = tempfile::tempdir().unwrap();
        let started = EventKind::Started { wall: "2026-01-02T03:04:05Z".into(), version: "1".into() };
        let state = ComponentState::OutOfMemory;
        let run = Run::new()
            .with(profile(&[(15, 35, 0.0), (35, 38, 0.5)]))
            .event(0, started)
            .event(20, EventKind::Component { component: "post-db".into(), state, detail: "137".into() })
            .event(141, EventKind::Generator(GeneratorStats { connections_opened: 7, ..GeneratorStats::default() }));
        let folder = recorded(&run, results.path());
        let (plan, story) = read(folder.path()).unwrap();
        assert_eq!(plan, run.plan);
        assert_eq!((story.name.as_str(), story.started.as_str()), ("made up", "2026-01-02T03:04:05Z"));
        assert_eq!((story.warmup, story.end, story.slo), (5 * S, 141 * S, S));
        assert_eq!((story.baseline, story.recovered_at), (Some((5 * S, 15 * S)), Some(38 * S)));
        assert_eq!(story.faults, [FaultWindow { label: "link".into(), from: 15 * S, to: Some(35 * S) }]);
        assert_eq!((story.goodput.len(), story.requests.len()), (141, 14_100));
        assert_eq!(story.incidents, [(20 * S, "post-db ran out of memory (137)".to_owned())]);
        assert_eq!((story.explanation.name.as_str(), story.generator.connections_opened), ("RECOVERED", 7));
        assert!(story.facts.contains(&("fault".to_owned(), "link at 15s for 20s".to_owned())), "{:?}", story.facts);
    }

    #[test]
    fn what_a_fault_left_is_a_warning_of_the_report() {
        let what = EventKind::Fault {
            fault: 0,
            kind: "link".into(),
            step: crate::record::FaultStep::RemovalVerified,
            detail: "names as before".into(),
            warnings: vec!["its address was a, and is b".into()],
        };
        let run = Run::new().with(profile(&[(15, 35, 0.0)])).event(36, what);
        let results = tempfile::tempdir().unwrap();
        let (_, story) = read(recorded(&run, results.path()).path()).unwrap();
        assert_eq!(story.warnings, [(36 * S, "link: its address was a, and is b".to_owned())]);
    }

    #[test]
    fn a_run_that_was_killed_has_a_story_too() {
        let results = tempfile::tempdir().unwrap();
        let run = Run::new().without_end().stop_at(12);
        let folder = recorded(&run, results.path());
        fs::remove_file(folder.path().join(folder::EVENTS)).unwrap();
        fs::write(folder.path().join(folder::EVENTS), "").unwrap();
        let (_, story) = read(folder.path()).unwrap();
        assert_eq!(story.explanation.name, "INVALID: the run was killed");
        assert_eq!((story.requests.len(), story.faults.len(), story.baseline), (1_200, 0, None));
    }

    #[test]
    fn a_plan_that_was_tampered_with_is_named_by_line() {
        let results = tempfile::tempdir().unwrap();
        let folder = recorded(&Run::new(), results.path());
        let plan = Run::new().plan.to_toml().unwrap();
        for (from, to, says) in
            [("rate = 100.0", "rate = -1", "load.rate: must be"), ("[load]", "[lead]", "unknown field `lead`")]
        {
            assert!(plan.contains(from));
            folder.write_plan(&plan.replace(from, to)).unwrap();
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("experiment.toml:") && error.contains(says), "{error}");
        }
    }
}
