//! `wrk2` and `metawrk load`: from arguments to plans, loads, and wrk2's report.

mod abort;
pub mod args;
mod join;
mod output;
mod plans;
mod progress;
mod report;
pub mod script;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::exit::THRESHOLD_FAILED;
use super::interrupts::{Interrupts, Stage};
use crate::cluster::run_agent;
use crate::load::{ActiveLoad, Generator, GeneratorResult, LoadError, LoadPlan, LoadResult, LocalGenerator, ReadyLoad};
use crate::out::{redirect_to_stderr, say, warn};
use crate::record::event::RunEnd;
use crate::record::sink::{RecordSenders, Recorder};
use crate::report::load_totals::LoadTotals;
use crate::report::wrk2::{Wrk2Header, Wrk2Options, format_header};
use crate::signals::StopSignal;
use crate::units::Time;
use abort::AbortMonitor;
use args::Args;
use join::{Role, find_role};
use output::{OutputFiles, OutputRequest};
use progress::LoadProgress;
use report::{ReportContext, done_arguments, report_text};

/// Exit code with `--strict` if the report has a warning.
const WARNED: u8 = 3;

/// Exit code if not all of several generators were ready.
const NOT_STARTED: u8 = 2;

/// The zero of the clock of a load in this process is so far ahead of its start.
const LEAD: Time = Time::from_millis(1);

/// Interval at which running loads are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long a stopped load may take to end before a second signal hurries it.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// Generates one load for each URL, and prints wrk2's report. SIGINT, SIGTERM and SIGHUP end the load early with a full report.
///
/// # Errors
/// If the arguments are invalid, the load cannot start, a script fails, or output cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let plans = args.plans(script::read_script)?;
    let urls: Vec<String> = plans.iter().map(|plan| plan.url.clone()).collect();
    let duration = plans.iter().map(|plan| plan.duration).max().unwrap_or_default();
    let wrk2_options = wrk2_options(&args, urls.len());
    let strict = args.output.strict;
    let cluster = match args.join.as_deref().map(|address| find_role(address, &args.parts, &plans)).transpose()? {
        Some(Role::Agent(agent)) => {
            run_agent(&agent)?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Role::Coordinator(cluster)) => Some(cluster),
        None => args.parts.resolve()?,
    };
    let parts = cluster.as_ref().map_or(1, |cluster| cluster.parts);
    let Args { load: options, output, threshold, dsb, .. } = args;
    let thresholds = threshold.thresholds();
    let outputs = output.progress.load_outputs(output.quiet, output.tui.then(|| urls.join(" ")))?;
    let request = OutputRequest::new(output, &dsb, parts);
    let with_text = !request.replaces_text();

    let interrupts = Interrupts::listen("Writing the results. Interrupt again to leave them incomplete.")?;
    let planned = plans.clone();
    // Opening a named pipe blocks until it has a reader.
    let Some(files) = interrupts.run_unless_interrupted(move || OutputFiles::create(&request, &planned))? else {
        return Ok(exit_code(&interrupts, None));
    };
    let mut files = files?;
    if !with_text {
        // The files have copies of standard output. Whatever else is printed, by a script for example, would mix with the
        // data.
        redirect_to_stderr().context("cannot send the output of scripts to standard error")?;
    }
    let mut sinks = files.take_sinks();
    let mut progress = (!outputs.is_empty()).then(|| LoadProgress::new(&plans, outputs));
    if let Some(sink) = progress.as_mut().and_then(|progress| progress.sink(cluster.is_some())) {
        sinks.push(Box::new(sink));
    }
    let mut abort = (!thresholds.abort_if.is_empty()).then(|| {
        let (monitor, sink) = AbortMonitor::new(thresholds.abort_if.clone(), &plans);
        sinks.push(Box::new(sink));
        monitor
    });
    let recorder = if sinks.is_empty() { None } else { Some(Recorder::start(sinks)?) };
    let senders = recorder.as_ref().map(|recorder| recorder.senders().clone());
    let prepared = match &cluster {
        None => {
            interrupts.run_unless_interrupted(move || prepare(&LocalGenerator, plans, senders.as_ref(), || false))?
        }
        // It looks for signals itself: it must remove what it started.
        Some(cluster) => Some(prepare(cluster, plans, senders.as_ref(), || interrupts.count() > 0)),
    };
    if interrupts.count() > 0 {
        return Ok(exit_code(&interrupts, None));
    }
    let Some(prepared) = prepared else {
        return Ok(exit_code(&interrupts, None));
    };
    let prepared = match prepared {
        Err(error @ LoadError::NotStarted(_)) => return Ok(not_started(&error)),
        prepared => prepared.map_err(plans::with_flags)?,
    };
    // Before the header is printed: a reader of the header may send a signal, and that signal must end the load.
    interrupts.enter(Stage::Running);
    if with_text {
        let (threads, connections) = (options.threads * usize::from(parts), options.connections);
        say(&format_header(&Wrk2Header { urls: &urls, threads, connections, duration }))?;
    }
    files.mark_start();
    let running = match prepared.start(LEAD) {
        Err(error @ LoadError::NotStarted(_)) => return Ok(not_started(&error)),
        running => running.map_err(plans::with_flags)?,
    };
    let results = run_loads(running, &interrupts, progress.as_mut(), abort.as_mut());
    // Erases the line before anything else is printed.
    drop(progress);
    let GeneratorResult { mut loads, parts, lost } = results?;

    interrupts.enter(Stage::Writing);
    let recorded = recorder.map_or(Ok(()), Recorder::finish);
    let totals = LoadTotals::of(&loads);
    let aborted = abort.and_then(AbortMonitor::into_aborted);
    let results = thresholds.evaluate(&totals.measurements(), aborted.as_ref());
    let mut printed = Ok(());
    if with_text {
        let context = ReportContext {
            options: wrk2_options,
            latencies_file: files.latencies_file(),
            figures: files.describe_figures(totals.generator.threads),
            stopped: match (interrupts.first(), &aborted) {
                (Some(_), _) => Some("a signal"),
                (None, Some(_)) => Some("--abort-if"),
                (None, None) => None,
            },
            thresholds: &results,
            parts: &parts,
        };
        printed = say(&report_text(&loads, &totals, context));
    }
    // The other files are written even if recording or printing failed.
    let ending = ending(&interrupts, &loads, lost.as_deref(), aborted.is_some());
    let finished = files.finish((&loads, &parts), &totals, &results, ending);
    printed?;
    recorded?;
    finished?;
    if loads.iter().any(LoadResult::has_uncounted) {
        warn("interrupted twice: not all requests that were due and never sent are in the report");
    }
    if let Some(error) = loads.iter().find_map(LoadResult::failure) {
        let message = format!("the script ended the load: {error}");
        if interrupts.first().is_none() {
            bail!(message);
        }
        // The signal has ended the load, and the script did not return then.
        warn(&message);
        return Ok(exit_code(&interrupts, None));
    }
    if let Some(lost) = lost.filter(|_| interrupts.first().is_none()) {
        bail!("the load was stopped, and its results are INVALID: {lost}");
    }
    for load in &mut loads {
        let arguments = done_arguments(load);
        load.run_done(arguments)?;
    }
    let failed = results.iter().any(|result| !result.passed).then_some(THRESHOLD_FAILED);
    let warned = (strict && !totals.generator.warnings().is_empty()).then_some(WARNED);
    Ok(exit_code(&interrupts, failed.or(warned)))
}

fn prepare(
    generator: &dyn Generator,
    plans: Vec<LoadPlan>,
    senders: Option<&RecordSenders>,
    is_cancelled: impl Fn() -> bool,
) -> Result<Box<dyn ReadyLoad>, LoadError> {
    generator.prepare(plans, senders, &is_cancelled)
}

/// Prints why the generators were not ready.
fn not_started(error: &LoadError) -> ExitCode {
    warn(&plans::with_flags(error).to_string());
    ExitCode::from(NOT_STARTED)
}

/// Runs the loads to their end. A signal ends them at once, and a second one skips steps that take long. A condition of
/// `--abort-if` ends them at once, too.
fn run_loads(
    mut loads: Box<dyn ActiveLoad>,
    interrupts: &Interrupts,
    mut progress: Option<&mut LoadProgress>,
    mut abort: Option<&mut AbortMonitor>,
) -> anyhow::Result<GeneratorResult> {
    let mut stopped: Option<Instant> = None;
    while !loads.poll_finished().map_err(plans::with_flags)? {
        let signals = interrupts.count();
        if signals > 0 {
            let since = *stopped.get_or_insert_with(|| {
                loads.stop();
                Instant::now()
            });
            if signals > 1 && since.elapsed() > STOP_TIMEOUT {
                loads.hurry();
            }
        }
        if stopped.is_none() && abort.as_mut().is_some_and(|abort| abort.holds(loads.clock().now())) {
            loads.stop();
        }
        if let Some(progress) = &mut progress {
            progress.update(loads.as_ref());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    loads.finish().map_err(plans::with_flags)
}

fn ending(interrupts: &Interrupts, loads: &[LoadResult], lost: Option<&str>, aborted: bool) -> RunEnd {
    match interrupts.first() {
        Some(_) => RunEnd::Interrupted,
        None if lost.is_some() || loads.iter().any(|load| load.failure().is_some()) => RunEnd::Failed,
        None if aborted => RunEnd::Aborted,
        None => RunEnd::Complete,
    }
}

/// The parts of wrk2's report that the options ask for.
fn wrk2_options(args: &Args, urls: usize) -> Wrk2Options {
    let Args { latency, dsb, .. } = args;
    Wrk2Options {
        latency: latency.distribution || latency.uncorrected,
        uncorrected: latency.uncorrected,
        dsb: dsb.dist.is_some() || dsb.all_latencies || dsb.percentiles || dsb.separate || dsb.requests || urls > 1,
        separate: dsb.separate,
        sent: dsb.requests,
    }
}

/// The code of the signal that ended the program, or else `code`.
fn exit_code(interrupts: &Interrupts, code: Option<u8>) -> ExitCode {
    let code = interrupts.first().map(StopSignal::exit_code).or(code);
    code.map_or(ExitCode::SUCCESS, ExitCode::from)
}
