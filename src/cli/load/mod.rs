//! `wrk2`, and `metawrk load`: arguments, plans, loads, the report.

pub mod args;
mod interrupts;
mod live;
mod loads;
mod plans;
mod products;
mod report;
mod script;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::line::Line;
use crate::load::LoadResult;
use crate::out::{say, warn};
use crate::record::event::RunEnd;
use crate::record::sink::Recorder;
use crate::report::load_totals::LoadTotals;
use crate::report::wrk2::{Wrk2Header, Wrk2Options, format_header};
use args::Args;
use interrupts::{Interrupts, Stage};
use live::Panel;
use loads::{Loads, UnderWay};
use products::{Products, Wanted};
use report::{report, told};

/// The load is over, and `--strict` finds its numbers doubtful.
const DOUBTFUL: u8 = 3;

/// Loads are looked after so often.
const LOOK: Duration = Duration::from_millis(20);

/// A load that was told to stop does so within this, unless its script is stuck.
const PATIENCE: Duration = Duration::from_millis(500);

/// Makes the load, or one for each URL, and prints wrk2's report. Ends early, with a full report, on SIGINT and SIGTERM.
///
/// # Errors
/// Where the plan is none, load could not begin, a script ended it, or what it left could not be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let plans = args.plans(script::read)?;
    let urls: Vec<String> = plans.iter().map(|plan| plan.url.clone()).collect();
    let show = show(&args, urls.len());
    let Args { wrk2, dsb, leaving, manner, .. } = args;
    let wanted = Wanted::of(leaving, &dsb);
    let with_text = !wanted.replaces_text();

    let interrupts = Interrupts::listen()?;
    let planned = plans.clone();
    // A pipe that nobody reads is waited for.
    let Some(products) = interrupts.unless_heard(move || Products::create(&wanted, &planned))? else {
        return Ok(code(&interrupts, false));
    };
    let mut products = products?;
    let mut sinks = products.sinks();
    let mut panel = (!manner.quiet && Line::can_be_seen()).then(|| {
        let (panel, feel) = Panel::new(&plans);
        sinks.push(Box::new(feel));
        panel
    });
    let recorder = if sinks.is_empty() { None } else { Some(Recorder::start(sinks)?) };
    let senders = recorder.as_ref().map(|recorder| recorder.senders().clone());
    let Some(loads) = interrupts.unless_heard(move || Loads::prepare(plans, senders.as_ref()))? else {
        return Ok(code(&interrupts, false));
    };
    let loads = loads.map_err(plans::with_flags)?;
    // Before anybody can know that load begins.
    interrupts.enter(Stage::Running);
    if with_text {
        let (threads, connections) = (wrk2.threads, wrk2.connections);
        say(&format_header(&Wrk2Header { urls: &urls, threads, connections, duration: wrk2.duration }))?;
    }
    products.begin();
    let loaded = carry_out(loads.start(), &interrupts, panel.as_mut());
    // Whatever comes now must not be written into the line.
    drop(panel);
    let Some(mut loads) = loaded? else {
        warn("stopped twice while the script was stuck: there is no report");
        return Ok(code(&interrupts, false));
    };

    interrupts.enter(Stage::Writing);
    let recorded = recorder.map_or(Ok(()), Recorder::finish);
    let numbers = LoadTotals::of(&loads);
    if with_text {
        say(&report(&loads, &numbers, show, products.latencies_file(), interrupts.heard().is_some()))?;
    }
    // What the run left is written, whatever else went wrong.
    let finished = products.finish(&loads, &numbers, ending(&interrupts, &loads));
    recorded?;
    finished?;
    if let Some(error) = loads.iter().find_map(LoadResult::failure) {
        bail!("the run was ended by its script: {error}");
    }
    for load in &mut loads {
        let told = told(load);
        load.run_done(told)?;
    }
    Ok(code(&interrupts, manner.strict && !numbers.generator.warnings().is_empty()))
}

/// Looks after the loads until they are over. `None` where they would not end at a second signal.
fn carry_out(
    mut loads: UnderWay,
    interrupts: &Interrupts,
    mut panel: Option<&mut Panel>,
) -> anyhow::Result<Option<Vec<LoadResult>>> {
    let mut stopped: Option<Instant> = None;
    while !loads.are_over()? {
        let times = interrupts.times();
        if times > 0 {
            let since = *stopped.get_or_insert_with(|| {
                loads.stop();
                Instant::now()
            });
            if times > 1 && since.elapsed() > PATIENCE {
                return Ok(None);
            }
        }
        if let Some(panel) = &mut panel {
            panel.look(&loads);
        }
        std::thread::sleep(LOOK);
    }
    Ok(Some(loads.left()))
}

fn ending(interrupts: &Interrupts, loads: &[LoadResult]) -> RunEnd {
    match interrupts.heard() {
        Some(_) => RunEnd::Interrupted,
        None if loads.iter().any(|load| load.failure().is_some()) => RunEnd::Failed,
        None => RunEnd::Complete,
    }
}

fn show(args: &Args, urls: usize) -> Wrk2Options {
    let Args { wrk2, dsb, .. } = args;
    Wrk2Options {
        latency: wrk2.latency || wrk2.uncorrected,
        uncorrected: wrk2.uncorrected,
        dsb: dsb.dist.is_some() || dsb.all_latencies || dsb.percentiles || dsb.separate || dsb.requests || urls > 1,
        separate: dsb.separate,
        sent: dsb.requests,
    }
}

fn code(interrupts: &Interrupts, doubtful: bool) -> ExitCode {
    match interrupts.heard() {
        Some(by) => ExitCode::from(by.exit_code()),
        None if doubtful => ExitCode::from(DOUBTFUL),
        None => ExitCode::SUCCESS,
    }
}
