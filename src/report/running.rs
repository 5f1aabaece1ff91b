//! What a report says while the run goes on.

use std::path::Path;

use super::ReportDataError;
use super::read::parse_plan;
use crate::plan::ExperimentPlan;
use crate::record::{Account, Event, EventKind, FaultStep, folder};
use crate::units::Instant;

/// What a run in progress has recorded so far, as text. Changes nothing in `dir`.
///
/// # Errors
/// [`ReportDataError`] names the file, and the line if there is one.
pub fn describe_running(dir: &Path) -> Result<String, ReportDataError> {
    let recorded = folder::read_running(dir)?;
    let plan = parse_plan(dir, &recorded)?;
    let (mut account, mut last_end) = (Account::default(), Instant::START);
    recorded.requests.for_each_batch(|batch| {
        for record in batch {
            account.add(record);
            last_end = last_end.max(record.end.known().unwrap_or(Instant::START));
        }
        Ok(())
    })?;
    Ok(describe(&plan, &recorded.events, &account, last_end))
}

fn describe(plan: &ExperimentPlan, events: &[Event], account: &Account, last_end: Instant) -> String {
    let last = events.iter().map(|event| event.at).fold(last_end, Instant::max);
    let mut lines = vec![
        format!(
            "The experiment {} goes on: its records reach {:.1} s of at most {}.",
            plan.name(),
            last.as_secs_f64(),
            plan.phases().duration
        ),
        format!("Requests so far: {} answered, {} failed.", account.answered, account.failed),
    ];
    for event in events {
        if let EventKind::Fault { fault, kind, step, .. } = &event.what {
            let (number, at) = (fault + 1, event.at.as_secs_f64());
            lines.push(format!("Fault {number} ({kind}): {} at {at:.1} s.", step_name(*step)));
        }
    }
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("\nRUNNING\n{lines}\nNext:\n  Wait for its end: there is no verdict before that. Nothing was written.\n\n")
}

fn step_name(step: FaultStep) -> &'static str {
    match step {
        FaultStep::Commanded => "commanded",
        FaultStep::Effective => "took effect",
        FaultStep::RemovalCommanded => "removal commanded",
        FaultStep::RemovalVerified => "removed",
        FaultStep::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::builder::Run;

    #[test]
    fn a_run_in_progress_has_no_verdict() {
        let run = Run::new().without_end().stop_at(12);
        let events: Vec<Event> =
            run.events.iter().filter(|event| event.at < Instant(20_000_000_000)).cloned().collect();
        let records = run.records();
        let last_end = records.iter().map(|record| record.end).max().unwrap();
        insta::assert_snapshot!(describe(&run.plan, &events, &Account::of(&records), last_end), @r"

        RUNNING
          The experiment made up goes on: its records reach 15.0 s of at most 141s.
          Requests so far: 1200 answered, 0 failed.
          Fault 1 (link-cut): commanded at 15.0 s.
          Fault 1 (link-cut): took effect at 15.0 s.

        Next:
          Wait for its end: there is no verdict before that. Nothing was written.
        ");
    }
}
