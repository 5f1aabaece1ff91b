//! Checks the prerequisites of an experiment without generating load, and leaves nothing behind. Only one real request is
//! sent.
//!
//! One file per part: the system under test and the script (`system`), its answer to a request (`request`), its
//! containers (`docker`), its processes (`processes`), the limits of the load (`limits`), the disk (`disk`), the machine (`machine`). To add a check,
//! write a function from the plan to a [`Finding`] in one of them and call it in [`check`], and in [`find_problems`] if a
//! run should say it too.

mod disk;
mod docker;
mod limits;
mod machine;
mod processes;
mod request;
mod step;
mod system;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::containers;
use super::system::connect_engine;
use crate::plan::config::{AdaptedPlan, Overrides, read_plan};
use crate::plan::{ExperimentPlan, PlannedFault, System};

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// What was checked, in one or two words.
    pub subject: &'static str,
    /// The result, and what to do about a problem.
    pub text: String,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Ok,
    /// The experiment runs, but may not show what it should.
    Warn,
    /// The experiment does not run, or its verdict would be INVALID.
    Fail,
}

impl Finding {
    fn ok(subject: &'static str, text: impl Into<String>) -> Finding {
        Finding { level: Level::Ok, subject, text: text.into() }
    }

    fn warn(subject: &'static str, text: impl Into<String>) -> Finding {
        Finding { level: Level::Warn, subject, text: text.into() }
    }

    fn fail(subject: &'static str, text: impl Into<String>) -> Finding {
        Finding { level: Level::Fail, subject, text: text.into() }
    }
}

impl fmt::Display for Finding {
    /// `ok    disk         35 GiB free in results; ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        write!(f, "{level:<5} {:<12} {}", self.subject, self.text)
    }
}

/// Checks the experiment in `file`, with results in `out`, and reports each finding at once.
///
/// # Errors
/// If the operating system cannot create an event loop.
pub fn check(
    file: Option<&Path>,
    overrides: &Overrides,
    out: &Path,
    report: &mut dyn FnMut(Finding),
) -> std::io::Result<()> {
    let AdaptedPlan { plan, notes } = match read_plan(file, overrides) {
        Ok(adapted) => adapted,
        Err(error) => {
            report(Finding::fail("experiment", error.to_string()));
            return Ok(());
        }
    };
    report(Finding::ok("experiment", summarize(&plan)));
    notes.into_iter().for_each(|note| report(Finding::warn("experiment", note)));
    report(limits::check_connections(&plan));
    report(machine::check_cores(&plan));
    report(machine::check_clock());
    report(disk::check_space(&plan, out));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(system::check_system(&plan, report));
    // Does not wait for a script that never returns.
    runtime.shutdown_background();
    Ok(())
}

/// The problems that [`check`] would find, for a run that starts now: what may spoil it, and what to do. What keeps the run
/// from starting is left out, since that is an error of the run.
pub async fn find_problems(plan: &ExperimentPlan, out: &Path) -> Vec<String> {
    let mut findings = vec![
        limits::check_connections(plan),
        machine::check_cores(plan),
        machine::check_clock(),
        machine::check_rate(plan, Duration::ZERO),
        disk::check_space(plan, out),
    ];
    if let System::Target { url, .. } = plan.system() {
        findings.push(request::check_request(plan, url).await);
    }
    let problems = findings.into_iter().filter(|finding| finding.level > Level::Ok);
    let mut problems: Vec<String> = problems.map(|finding| format!("{}: {}", finding.subject, finding.text)).collect();
    if let Ok(Some(engine)) = connect_engine(plan).await {
        problems.extend(containers::find_problems(plan, &engine).await);
    }
    problems
}

fn summarize(plan: &ExperimentPlan) -> String {
    let fault = |fault: &PlannedFault| format!("; {} at {}", fault.spec.description(), fault.at);
    let faults: String = plan.faults().iter().map(fault).collect();
    format!("{}: {} requests/s for at most {}{faults}", plan.name(), plan.load().rate, plan.phases().duration)
}

#[cfg(test)]
mod tests;
