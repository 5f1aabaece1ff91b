//! The run of an experiment: the system under test, load, faults and monitors on one clock. Everything that happens goes
//! to the results folder as it happens.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::check::find_problems;
use super::phase::find_phase;
use super::removal::await_removal;
use super::run_log::{RunEnding, RunLog};
use super::set_on_drop::SetOnDrop;
use super::stalls::StallDetector;
use super::start_error::StartError;
use super::system::{FaultGate, SystemUnderTest};
use super::watched_load::watched_load;
use crate::load::{
    ActiveLoad, Generator, GeneratorResult, LoadError, LoadPlan, LoadResult, LocalGenerator, ReadyLoad, RequestCounter,
};
use crate::out::warn;
use crate::plan::ExperimentPlan;
use crate::progress::{LiveCounts, Phase, Progress, ProgressMeter, Stage};
use crate::record::event::ComponentState;
use crate::record::folder::RecordParts;
use crate::record::sink::{RecordForwarder, Recorder};
use crate::record::{
    Abort, Clock, Event, EventKind, FileError, FolderError, RequestRecord, ResultsFolder, RunOrigin, Sample,
};
use crate::signals::{Signals, StopSignal};
use crate::testbed::Testbed;
use crate::threshold::AbortWatch;
use crate::units::{Instant, Time};
use crate::verdict::goodput::{Bin, Cohorts};
use crate::verdict::{DueTimes, explain_baseline, judge_live, observation_is_over};

/// Why an experiment did not run, or left an incomplete results folder.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Plan(#[from] crate::load::plan::PlanError),
    #[error("cannot write the plan as TOML: {0}")]
    Toml(#[from] toml::ser::Error),
    #[error("stopped before the load began: there is nothing to report")]
    StoppedBeforeLoad(StopSignal),
    #[error(
        "stopped before the faults were removed: the keepers of faults on containers go on removing them; `metawrk \
         restore` removes any that are left"
    )]
    StoppedInRemoval(StopSignal),
    /// An error after the load began.
    #[error("{cause}; `metawrk report {}` shows what was recorded", dir.display())]
    Incomplete { dir: PathBuf, cause: Box<RunError> },
    #[error("cannot use a resource of the operating system: {0}")]
    Io(#[from] io::Error),
}

impl RunError {
    /// The signal that ended the run without a report, if a signal did.
    pub fn stopped(&self) -> Option<StopSignal> {
        match self {
            RunError::StoppedBeforeLoad(signal) | RunError::StoppedInRemoval(signal) => Some(*signal),
            RunError::Incomplete { cause, .. } => cause.stopped(),
            _ => None,
        }
    }
}

/// A run that left a complete results folder.
#[derive(Debug)]
pub struct RunResult {
    /// The results folder, locked until this is dropped.
    pub folder: ResultsFolder,
    /// The signal that stopped the run early, if any.
    pub stopped: Option<StopSignal>,
    /// The failure of the script or of a component, if any.
    pub failure: Option<String>,
}

/// The interval at which the run checks its state.
const TICK: Duration = Duration::from_millis(100);

/// How long several generators get to remove what they have started, for a signal that arrives before the load.
const MAX_CANCELLATION: Duration = Duration::from_secs(10);

/// What a run does besides its plan.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Apply the faults even if the baseline is not valid.
    pub anyway: bool,
    /// What the user should know about the plan. The report shows it, as it shows the problems found before the load.
    pub notes: Vec<String>,
    /// Generates the load.
    pub generator: Arc<dyn Generator>,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions { anyway: false, notes: Vec::new(), generator: Arc::new(LocalGenerator) }
    }
}

/// Runs `plan` on `testbed`, which must run if the plan has one, and gives it back.
pub(super) async fn run_prepared(
    signals: &mut Signals,
    testbed: &mut Option<Testbed>,
    plan: &ExperimentPlan,
    folder: ResultsFolder,
    options: RunOptions,
    show_progress: &mut dyn FnMut(&Progress),
) -> Result<RunResult, RunError> {
    let (busy, mut idle) = mpsc::channel(1);
    let prepared = tokio::select! {
        prepared = PreparedRun::prepare(plan, &folder, options, testbed.take(), busy) => prepared,
        signal = signals.next() => Err(RunError::StoppedBeforeLoad(signal)),
    };
    if matches!(prepared, Err(RunError::StoppedBeforeLoad(_))) {
        // Nothing is ever sent on this channel: it closes when the last sender is dropped.
        tokio::select! {
            _ = idle.recv() => {}
            _ = signals.next() => {}
            () = tokio::time::sleep(MAX_CANCELLATION) => {}
        }
    }
    if let Some(problem) = folder.lock_problem() {
        warn(&problem);
    }
    match prepared.and_then(|prepared| folder.make_latest().map(|()| prepared).map_err(RunError::from)) {
        Ok((prepared, mut system)) => {
            let result = execute(plan, prepared, &mut system, &folder, signals, show_progress).await;
            *testbed = system.release().await;
            match result {
                Ok((stopped, failure)) => Ok(RunResult { folder, stopped, failure }),
                Err(cause) => Err(RunError::Incomplete { dir: folder.path().to_owned(), cause: Box::new(cause) }),
            }
        }
        Err(error) => {
            folder.discard();
            Err(error)
        }
    }
}

/// A run that is ready to start its load.
struct PreparedRun {
    recorder: Recorder,
    records: Receiver<Vec<RequestRecord>>,
    plan: LoadPlan,
    load: Box<dyn ReadyLoad>,
    log: RunLog,
    progress: ProgressMeter,
    anyway: bool,
}

impl PreparedRun {
    /// `busy` is dropped once nothing is left of several generators, if this future is dropped.
    async fn prepare(
        plan: &ExperimentPlan,
        folder: &ResultsFolder,
        options: RunOptions,
        testbed: Option<Testbed>,
        busy: mpsc::Sender<()>,
    ) -> Result<(PreparedRun, SystemUnderTest), RunError> {
        folder.write_plan(&plan.to_toml()?)?;
        let mut log = RunLog::create(folder)?;
        let threads = plan.load().threads;
        let rows = folder.create_rows(options.generator.parts().map(|parts| RecordParts { parts, threads }))?;
        let system = SystemUnderTest::prepare(plan, testbed).await?;
        for text in options.notes.into_iter().chain(find_problems(plan, folder.path()).await) {
            warn(&format!("warning: {text}"));
            log.append_event(Event { at: Instant::START, what: EventKind::Warning { text } })?;
        }
        let (forward, records) = RecordForwarder::new();
        let plan = plan.load_plan(system.url())?;
        let mut progress = ProgressMeter::new(std::slice::from_ref(&plan));
        let recorder = Recorder::start(vec![Box::new(rows), Box::new(forward), Box::new(progress.sink())])?;
        let (generator, plans) = (options.generator, vec![plan.clone()]);
        // A signal drops this future. Then nobody waits for the load any more.
        let is_dropped = Arc::new(AtomicBool::new(false));
        let _guard = SetOnDrop(Arc::clone(&is_dropped));
        // Preparing resolves names and runs scripts, and both may block.
        let prepare = move || {
            let is_cancelled = || is_dropped.load(Ordering::Relaxed);
            // One generator leaves nothing behind, and its script may never return.
            let busy = generator.parts().map(|_| busy);
            let prepared = generator.prepare(plans, Some(recorder.senders()), &is_cancelled);
            // Dropped in this order.
            prepared.map(|load| (load, recorder, busy))
        };
        let (load, recorder, _busy) = tokio::task::spawn_blocking(prepare).await.map_err(io::Error::other)??;
        Ok((PreparedRun { recorder, records, plan, load, log, progress, anyway: options.anyway }, system))
    }
}

/// Runs the load to its end. Faults are removed in every case, also after an error. Returns the signal that stopped the run
/// early, and the failure of the script or of a component.
async fn execute(
    plan: &ExperimentPlan,
    prepared: PreparedRun,
    system: &mut SystemUnderTest,
    folder: &ResultsFolder,
    signals: &mut Signals,
    show_progress: &mut dyn FnMut(&Progress),
) -> Result<(Option<StopSignal>, Option<String>), RunError> {
    let PreparedRun { recorder, records, plan: load_plan, load, log, progress, anyway } = prepared;
    // Several generators agree on the start.
    let load = tokio::task::spawn_blocking(move || load.start(LEAD)).await.map_err(io::Error::other)??;
    let clock = load.clock();
    let mut run = ActiveRun::new(plan, (load, &load_plan), (log, progress), records);
    run.log_start()?;
    let stalls = StallDetector::start(clock, run.event_sender.clone())?;
    let (cancel, cancelled) = watch::channel(false);
    let gate = FaultGate { approved: run.approve_faults.subscribe(), cancelled };
    let faults =
        system.drive_faults(plan, clock, || RequestCounter::new(&load_plan, run.load.live()), &run.event_sender, &gate);
    system.start_monitors(clock, &run.sample_sender, &run.event_sender);

    let result = run.supervise_load(anyway, signals, system, &recorder, show_progress).await;
    // Faults are removed even if the load failed.
    cancel.send_replace(true);
    let stopped = result.as_ref().map_or_else(RunError::stopped, |stopped| *stopped);
    let mut logged = Ok(());
    let show = || {
        if logged.is_ok() {
            logged = run.show_removal(show_progress);
        }
    };
    let removed = await_removal(faults, stopped, async || signals.next().await, show).await;
    let stopped = result?;
    logged.and_then(|()| run.show_end(show_progress))?;
    let stopped_later = removed.map_err(RunError::StoppedInRemoval)?;
    let ActiveRun { load, mut log, mut events, failure, aborted, records, received, .. } = run;
    let GeneratorResult { loads, parts, lost } =
        tokio::task::spawn_blocking(move || load.finish()).await.map_err(io::Error::other)??;
    drop(stalls);
    let recorded = recorder.finish();
    let rows = received + records.try_iter().map(|batch| batch.len() as u64).sum::<u64>();
    let script_failure = loads.iter().find_map(LoadResult::failure);
    let failure = failure.or(lost).or_else(|| script_failure.map(|error| format!("the script failed: {error}")));
    let failure = failure.or_else(|| recorded.err().map(|error| format!("cannot write the request records: {error}")));
    let mut last_events = std::iter::from_fn(|| events.try_recv().ok());
    last_events.try_for_each(|event| log.append_event(event)).and_then(|()| {
        let ending = RunEnding { stopped, failure: failure.as_deref(), aborted };
        log.append_end((&loads, parts), rows, clock, ending)
    })?;
    folder.write_parquet()?;
    let stopped = stopped.or(stopped_later).or(signals.take_pending().await);
    Ok((stopped, failure))
}

/// A run whose load is in progress.
struct ActiveRun<'a> {
    plan: &'a ExperimentPlan,
    clock: Clock,
    load: Box<dyn ActiveLoad>,
    log: RunLog,
    records: Receiver<Vec<RequestRecord>>,
    event_sender: UnboundedSender<Event>,
    events: UnboundedReceiver<Event>,
    sample_sender: UnboundedSender<Sample>,
    samples: UnboundedReceiver<Sample>,
    /// The records received so far.
    received: u64,
    cohorts: Cohorts,
    due_times: DueTimes,
    progress: ProgressMeter,
    /// Goodput of the last final bin.
    goodput: Option<f64>,
    failure: Option<String>,
    watch: AbortWatch,
    /// The condition that ended the run, and what it says in words.
    aborted: Option<(Abort, String)>,
    /// The second of the last live judgement.
    judged_second: u64,
    is_baseline_judged: bool,
    /// Becomes true once the baseline is judged and the faults may be applied.
    approve_faults: watch::Sender<bool>,
}

impl<'a> ActiveRun<'a> {
    fn new(
        plan: &'a ExperimentPlan,
        (load, load_plan): (Box<dyn ActiveLoad>, &LoadPlan),
        (log, progress): (RunLog, ProgressMeter),
        records: Receiver<Vec<RequestRecord>>,
    ) -> ActiveRun<'a> {
        let watched = watched_load(load_plan, plan.slo());
        let (event_sender, events) = unbounded_channel();
        let (sample_sender, samples) = unbounded_channel();
        ActiveRun {
            plan,
            clock: load.clock(),
            load,
            log,
            records,
            event_sender,
            events,
            sample_sender,
            samples,
            received: 0,
            cohorts: Cohorts::default(),
            due_times: DueTimes::of(plan),
            progress,
            goodput: None,
            failure: None,
            watch: AbortWatch::new(plan.thresholds().abort_if.clone(), watched),
            aborted: None,
            judged_second: 0,
            is_baseline_judged: false,
            approve_faults: watch::Sender::new(plan.faults().is_empty()),
        }
    }

    fn log_start(&mut self) -> Result<(), FileError> {
        let wall = jiff::Zoned::now().timestamp().to_string();
        let what = EventKind::Started { wall, origin: RunOrigin::of_this_process() };
        self.log.append_event(Event { at: Instant::START, what })
    }

    /// Supervises the load until it is over: records what happens, shows progress, and ends the load once the observation
    /// is over. Returns the signal that stopped the load, if any.
    async fn supervise_load(
        &mut self,
        anyway: bool,
        signals: &mut Signals,
        system: &mut SystemUnderTest,
        recorder: &Recorder,
        show_progress: &mut dyn FnMut(&Progress),
    ) -> Result<Option<StopSignal>, RunError> {
        let mut stopped = None;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !self.load.poll_finished()? {
            tokio::select! {
                _ = tick.tick() => {}
                signal = signals.next() => {
                    match stopped {
                        None => self.load.stop(),
                        Some(_) => self.load.hurry(),
                    }
                    stopped.get_or_insert(signal);
                }
                (component, how) = system.wait_for_death() => {
                    self.log_death(component, how)?;
                    self.load.end_arrivals();
                }
            }
            self.receive()?;
            if recorder.is_broken() {
                self.load.stop();
            }
            if self.judge_each_second() || self.baseline_ends_run(anyway)? {
                self.load.end_arrivals();
            }
            self.show(show_progress);
        }
        self.receive()?;
        Ok(stopped)
    }

    fn log_death(&mut self, component: String, how: String) -> Result<(), FileError> {
        let detail = how.trim().to_owned();
        self.failure.get_or_insert_with(|| format!("{component} died: {detail}"));
        let what = EventKind::Component { component, state: ComponentState::Died, detail };
        self.append_event(Event { at: self.clock.now(), what })
    }

    fn append_event(&mut self, event: Event) -> Result<(), FileError> {
        self.progress.add_event(&event);
        self.log.append_event(event)
    }

    fn receive_events(&mut self) -> Result<(), FileError> {
        while let Ok(event) = self.events.try_recv() {
            self.append_event(event)?;
        }
        Ok(())
    }

    /// Receives the events, samples and records that have arrived since the last call.
    fn receive(&mut self) -> Result<(), FileError> {
        self.receive_events()?;
        let mut samples = Vec::new();
        while let Ok(sample) = self.samples.try_recv() {
            samples.push(sample);
        }
        if !samples.is_empty() {
            self.progress.add_samples(&samples);
            self.log.append_samples(&samples)?;
        }
        while let Ok(batch) = self.records.try_recv() {
            self.received += batch.len() as u64;
            self.cohorts.add(&batch);
            batch.iter().for_each(|record| self.watch.add(record));
        }
        Ok(())
    }

    /// Judges the run once a second, by the requests whose records have arrived. Returns whether the observation
    /// is over.
    fn judge_each_second(&mut self) -> bool {
        let now = self.clock.now().minus(self.load.record_delay());
        let second = now.0 / 1_000_000_000;
        if second == self.judged_second {
            return false;
        }
        self.judged_second = second;
        let live = judge_live(self.plan, &self.cohorts, &mut self.due_times, self.log.events(), now);
        self.goodput = live.bins.last().map(Bin::goodput);
        self.progress.set_slo(live.slo);
        if self.aborted.is_none()
            && let Some(abort) = self.watch.check(self.clock.now())
        {
            let text = self.plan.thresholds().describe(&abort);
            self.aborted = Some((abort, text));
            return true;
        }
        observation_is_over(self.plan, &live, now)
    }

    /// Judges the baseline right before the first fault. Approves the faults if it is valid, or if they are to be applied
    /// anyway. Returns whether the run ends because of its baseline.
    fn baseline_ends_run(&mut self, anyway: bool) -> Result<bool, FileError> {
        let first = self.plan.faults().iter().map(|fault| fault.at).min();
        let is_due = first.is_some_and(|first| self.clock.now().plus(BEFORE_FAULT) >= first);
        if !is_due || self.is_baseline_judged {
            return Ok(false);
        }
        self.is_baseline_judged = true;
        let at = self.clock.now().minus(self.load.record_delay());
        let detail = explain_baseline(self.plan, &self.cohorts, &mut self.due_times, at);
        let valid = detail.is_none();
        let ends = !valid && !anyway;
        let what = EventKind::Baseline { valid, detail: detail.unwrap_or_default() };
        self.append_event(Event { at, what })?;
        if !ends {
            self.approve_faults.send_replace(true);
        }
        Ok(ends)
    }

    /// Shows the progress if the last second is over.
    fn show(&mut self, show_progress: &mut dyn FnMut(&Progress)) {
        let now = self.clock.now();
        if self.progress.is_due(now) {
            let (phase, until) = find_phase(self.plan, self.log.events(), now);
            self.show_stage(Stage { phase, until, goodput: self.goodput }, show_progress);
        }
    }

    /// Shows the progress while faults are removed after the load.
    fn show_removal(&mut self, show_progress: &mut dyn FnMut(&Progress)) -> Result<(), FileError> {
        self.receive_events()?;
        if self.progress.is_due(self.clock.now()) {
            self.show_stage(self.removal_stage(), show_progress);
        }
        Ok(())
    }

    /// Shows the last events of the run, such as the verified removal of a fault.
    fn show_end(&mut self, show_progress: &mut dyn FnMut(&Progress)) -> Result<(), FileError> {
        self.receive_events()?;
        if self.progress.has_events() {
            self.show_stage(self.removal_stage(), show_progress);
        }
        Ok(())
    }

    fn removal_stage(&self) -> Stage {
        Stage { phase: Phase::FaultRemoval, until: self.clock.now(), goodput: self.goodput }
    }

    fn show_stage(&mut self, stage: Stage, show_progress: &mut dyn FnMut(&Progress)) {
        let live = LiveCounts::read(self.load.as_ref());
        show_progress(&self.progress.end_interval(self.clock.now(), live, stage));
    }
}

/// The zero of the clock is so far ahead of the start, if the load needs no more.
const LEAD: Time = Time::from_millis(10);
/// The baseline is judged so long before the first fault: two ticks, so that the fault is not late.
const BEFORE_FAULT: Time = Time::from_millis(200);
