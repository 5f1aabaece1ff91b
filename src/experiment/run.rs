//! The run itself: system, load, faults and monitors on one clock; everything that happens goes to the results folder
//! as it happens.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::journal::Journal;
use super::progress::{Pulse, Snapshot, phase};
use super::removal;
use super::system::{StartError, System};
use crate::load::{LoadError, Prepared, Running};
use crate::plan::ExperimentPlan;
use crate::record::event::ComponentState;
use crate::record::sink::{RecordForwarder, Recorder};
use crate::record::{Clock, Event, EventKind, FileError, FolderError, RequestRecord, ResultsFolder, Sample};
use crate::signals::{Signals, StopSignal};
use crate::units::{Instant, Time};
use crate::verdict::goodput::Cohorts;
use crate::verdict::{DueTimes, judge_live, observation_is_over};

/// Why an experiment did not run, or left less than it should.
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
    #[error("the plan can't be written down: {0}")]
    Toml(#[from] toml::ser::Error),
    #[error("stopped before the load began: there is nothing to report")]
    Unbegun(StopSignal),
    #[error("stopped twice, and so left as it was")]
    Abandoned(StopSignal),
    #[error(
        "stopped while its faults were removed: the keepers of those on containers go on with it, and `metawrk restore` \
         does what they leave"
    )]
    LeftFaults(StopSignal),
    /// What broke a run whose load had begun.
    #[error("{cause}; `metawrk report {}` shows what there is of the run", dir.display())]
    Begun { dir: PathBuf, cause: Box<RunError> },
    #[error("the system refuses what a run needs: {0}")]
    System(#[from] io::Error),
}

impl RunError {
    /// Who stopped the run, if that is what kept it from leaving a report.
    pub fn stopped(&self) -> Option<StopSignal> {
        match self {
            RunError::Unbegun(by) | RunError::Abandoned(by) | RunError::LeftFaults(by) => Some(*by),
            RunError::Begun { cause, .. } => cause.stopped(),
            _ => None,
        }
    }
}

/// A run that left a results folder.
#[derive(Debug)]
pub struct RunResult {
    pub dir: PathBuf,
    pub stopped: Option<StopSignal>,
    /// What broke (the script, a component), if something did.
    pub failure: Option<String>,
}

/// How often the run looks at itself.
const TICK: Duration = Duration::from_millis(100);

/// Runs `plan`, and leaves everything in a fresh folder in `out`. `watch` is shown how it goes, ten times a second.
///
/// SIGINT and SIGTERM end it early: faults are removed, processes stopped, and what there is is kept. A second one no
/// longer waits for the load, whose script may be stuck. A run whose load never began leaves nothing.
///
/// # Errors
/// [`RunError`], where no load began or its results could not be kept.
pub fn run(plan: &ExperimentPlan, out: &Path, watch: &mut dyn FnMut(&Snapshot)) -> Result<RunResult, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(conduct(plan, out, watch));
    // A name that is still looked up, or a script that is stuck, keeps nobody.
    runtime.shutdown_background();
    result
}

async fn conduct(plan: &ExperimentPlan, out: &Path, watch: &mut dyn FnMut(&Snapshot)) -> Result<RunResult, RunError> {
    let mut signals = Signals::new()?;
    let folder = ResultsFolder::create(out, &plan.name, jiff::Zoned::now().datetime())?;
    let ready = tokio::select! {
        ready = Ready::new(plan, &folder) => ready,
        by = signals.next() => Err(RunError::Unbegun(by)),
    };
    match ready.and_then(|ready| folder.make_latest().map(|()| ready).map_err(RunError::from)) {
        Ok(ready) => {
            let begun = |cause| RunError::Begun { dir: folder.path().to_owned(), cause: Box::new(cause) };
            carry_out(plan, ready, &folder, &mut signals, watch).await.map_err(begun)
        }
        Err(error) => {
            folder.discard();
            Err(error)
        }
    }
}

/// All that a load takes: it waits for its start.
struct Ready {
    system: System,
    recorder: Recorder,
    records: Receiver<Vec<RequestRecord>>,
    prepared: Prepared,
    journal: Journal,
}

impl Ready {
    async fn new(plan: &ExperimentPlan, folder: &ResultsFolder) -> Result<Ready, RunError> {
        folder.write_plan(&plan.to_toml()?)?;
        let journal = Journal::new(folder)?;
        let rows = folder.create_rows()?;
        let system = System::start(plan).await?;
        let (forward, records) = RecordForwarder::new();
        let recorder = Recorder::start(vec![Box::new(rows), Box::new(forward)])?;
        let load = plan.load_plan(&system.url)?;
        // Names are looked up in it, and scripts run: both may take their time.
        let prepare = move || Prepared::new(load, Some(recorder.senders())).map(|prepared| (prepared, recorder));
        let (prepared, recorder) = tokio::task::spawn_blocking(prepare).await.map_err(io::Error::other)??;
        Ok(Ready { system, recorder, records, prepared, journal })
    }
}

/// From the start of load on: whatever comes, faults are removed and processes ended.
async fn carry_out(
    plan: &ExperimentPlan,
    ready: Ready,
    folder: &ResultsFolder,
    signals: &mut Signals,
    watch: &mut dyn FnMut(&Snapshot),
) -> Result<RunResult, RunError> {
    let Ready { mut system, recorder, records, prepared, journal } = ready;
    let clock = Clock::starting_in(Time::from_millis(10));
    let mut run = Run::new(plan, clock, prepared.start(clock), journal, records);
    run.started()?;
    let (cancel, cancelled) = watch::channel(false);
    let faults = system.drive_faults(plan, clock, || run.load.traffic(), &run.tell, &cancelled);
    system.monitor(plan, clock, &run.sample, &run.tell);

    let result = run.watch_over(signals, &mut system, &recorder, watch).await;
    // Faults are removed whatever came of the rest.
    cancel.send_replace(true);
    let stopped = result.as_ref().map_or_else(RunError::stopped, |stopped| *stopped);
    let show = || watch(&Snapshot { phase: "removing faults", left: Time::ZERO, ..run.snapshot() });
    let removed = removal::wait(faults, stopped, async || signals.next().await, show).await;
    let (stopped, late) = match result.and_then(|by| Ok((by, removed.map_err(RunError::LeftFaults)?))) {
        Ok(stopped) => stopped,
        Err(error) => {
            system.stop().await;
            return Err(error);
        }
    };
    let Run { load, mut journal, mut told, failure, .. } = run;
    let loaded = load.finish()?;
    let kept = recorder.finish();
    let failure = failure.or_else(|| loaded.failure().map(|error| format!("the script failed: {error}")));
    let failure = failure.or_else(|| kept.err().map(|error| format!("requests were not kept: {error}")));
    let told = std::iter::from_fn(|| told.try_recv().ok());
    let ended = journal.end(told, &loaded, clock, stopped, failure.as_deref());
    system.stop().await;
    ended?;
    folder.write_parquet()?;
    let stopped = stopped.or(late).or(signals.take_pending().await);
    Ok(RunResult { dir: folder.path().to_owned(), stopped, failure })
}

/// A run under way.
struct Run<'a> {
    plan: &'a ExperimentPlan,
    clock: Clock,
    load: Running,
    journal: Journal,
    records: Receiver<Vec<RequestRecord>>,
    tell: UnboundedSender<Event>,
    told: UnboundedReceiver<Event>,
    sample: UnboundedSender<Sample>,
    sampled: UnboundedReceiver<Sample>,
    cohorts: Cohorts,
    due_times: DueTimes,
    pulse: Pulse,
    failure: Option<String>,
    /// The second that was last judged.
    judged: u64,
}

impl<'a> Run<'a> {
    fn new(
        plan: &'a ExperimentPlan,
        clock: Clock,
        load: Running,
        journal: Journal,
        records: Receiver<Vec<RequestRecord>>,
    ) -> Run<'a> {
        let (tell, told) = unbounded_channel();
        let (sample, sampled) = unbounded_channel();
        Run {
            plan,
            clock,
            load,
            journal,
            records,
            tell,
            told,
            sample,
            sampled,
            cohorts: Cohorts::default(),
            due_times: DueTimes::of(plan),
            pulse: Pulse::default(),
            failure: None,
            judged: 0,
        }
    }

    fn started(&mut self) -> Result<(), FileError> {
        let wall = jiff::Zoned::now().timestamp().to_string();
        let what = EventKind::Started { wall, version: env!("CARGO_PKG_VERSION").to_owned() };
        self.journal.event(Event { at: Instant::START, what })
    }

    /// Until the load is over: takes what happens, shows it, and ends the load when nothing more can be learned.
    async fn watch_over(
        &mut self,
        signals: &mut Signals,
        system: &mut System,
        recorder: &Recorder,
        watch: &mut dyn FnMut(&Snapshot),
    ) -> Result<Option<StopSignal>, RunError> {
        let control = self.load.control();
        let mut stopped = None;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !self.load.is_finished() {
            tokio::select! {
                _ = tick.tick() => {}
                by = signals.next() => {
                    if stopped.is_some() {
                        return Err(RunError::Abandoned(by));
                    }
                    stopped = Some(by);
                    control.stop();
                }
                (component, how) = system.death() => {
                    self.component_died(component, how)?;
                    control.end_arrivals();
                }
            }
            self.take()?;
            if recorder.is_broken() {
                control.stop();
            }
            if self.nothing_more_to_learn() {
                control.end_arrivals();
            }
            watch(&self.snapshot());
        }
        self.take()?;
        Ok(stopped)
    }

    fn component_died(&mut self, component: String, how: String) -> Result<(), FileError> {
        let detail = how.trim().to_owned();
        self.failure.get_or_insert_with(|| format!("{component} died: {detail}"));
        let what = EventKind::Component { component, state: ComponentState::Died, detail };
        self.journal.event(Event { at: self.clock.now(), what })
    }

    /// Takes what has come in since the last time.
    fn take(&mut self) -> Result<(), FileError> {
        while let Ok(event) = self.told.try_recv() {
            self.journal.event(event)?;
        }
        let mut samples = Vec::new();
        while let Ok(sample) = self.sampled.try_recv() {
            samples.push(sample);
        }
        if !samples.is_empty() {
            self.pulse.samples(&samples);
            self.journal.samples.append(&samples)?;
        }
        while let Ok(batch) = self.records.try_recv() {
            self.cohorts.add(&batch);
            self.pulse.records(&batch);
        }
        Ok(())
    }

    /// Looks once a second, at what had ended a moment ago: the generator hands records over every 100 ms.
    fn nothing_more_to_learn(&mut self) -> bool {
        let now = self.clock.now().0.saturating_sub(HANDED_OVER);
        let second = now / 1_000_000_000;
        if second == self.judged {
            return false;
        }
        self.judged = second;
        let live = judge_live(self.plan, &self.cohorts, &mut self.due_times, &self.journal.events, Instant(now));
        self.pulse.judged(self.clock.now().0, live.bins.last());
        observation_is_over(self.plan, &live, Instant(now))
    }

    fn snapshot(&self) -> Snapshot {
        let at = self.clock.now();
        let (phase, until) = phase(self.plan, &self.journal.events, at.0);
        let live = self.load.live();
        Snapshot {
            phase,
            at: at.since(Instant::START),
            left: Instant(until).since(at),
            offered: self.plan.planned().at(at),
            in_flight: live.iter().map(|thread| thread.in_flight()).sum(),
            second: self.pulse.second(),
        }
    }
}

/// All that ended longer ago than this has been handed over, in ns.
const HANDED_OVER: u64 = 300_000_000;
