//! Whether an experiment can run here and now: everything is looked at, nothing is loaded, and nothing is left.
//!
//! One file a part: the system under test and the script ([`system`]), its containers ([`docker`]), what bounds the load ([`bounds`]), the disk
//! ([`disk`]), the machine ([`machine`]). To add a look: a function from the plan to a [`Finding`], in one of them.

mod bounds;
mod disk;
mod docker;
mod machine;
mod system;

use std::fmt;
use std::path::Path;

use crate::plan::ExperimentPlan;
use crate::plan::config::{Overrides, read_plan};

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// What was looked at, in a word or two.
    pub on: &'static str,
    /// What there is; what to do, where it is not as it should be.
    pub text: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Ok,
    /// The experiment runs, and may not show what it should.
    Warn,
    /// It does not run, or its verdict would be INVALID.
    Fail,
}

impl Finding {
    fn ok(on: &'static str, text: impl Into<String>) -> Finding {
        Finding { level: Level::Ok, on, text: text.into() }
    }

    fn warn(on: &'static str, text: impl Into<String>) -> Finding {
        Finding { level: Level::Warn, on, text: text.into() }
    }

    fn fail(on: &'static str, text: impl Into<String>) -> Finding {
        Finding { level: Level::Fail, on, text: text.into() }
    }
}

impl fmt::Display for Finding {
    /// `ok    disk         35 GiB free in results, ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        write!(f, "{level:<5} {:<12} {}", self.on, self.text)
    }
}

/// Looks at all that the experiment in `file` takes, with its results in `out`; tells each finding as it is found.
///
/// # Errors
/// Where the system gives no event loop.
pub fn check(
    file: Option<&Path>,
    overrides: &Overrides,
    out: &Path,
    tell: &mut dyn FnMut(Finding),
) -> std::io::Result<()> {
    let plan = match read_plan(file, overrides) {
        Ok(plan) => plan,
        Err(error) => {
            tell(Finding::fail("experiment", error.to_string()));
            return Ok(());
        }
    };
    tell(Finding::ok("experiment", summary(&plan)));
    let looks = [bounds::connections, machine::cores, machine::clock];
    looks.into_iter().for_each(|look| tell(look(&plan)));
    tell(disk::room(&plan, out));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(system::look(&plan, tell));
    // A script that never returns keeps nobody.
    runtime.shutdown_background();
    Ok(())
}

fn summary(plan: &ExperimentPlan) -> String {
    let fault = |fault| format!("; {} at {}", crate::report::story::fault_in_words(fault), plan.at(fault));
    let faults: String = plan.fault.iter().map(fault).collect();
    format!("{}: {} requests/s for at most {}{faults}", plan.name, plan.load.rate, plan.duration())
}

#[cfg(test)]
mod tests;
