//! Runs a campaign: the thin part that starts runs, waits between them, and writes what they leave.

use std::path::Path;
use std::time::Instant as WallInstant;

use aws_lc_rs::digest::{SHA256, digest};

use super::cell::Cell;
use super::folder::{CampaignFolder, CampaignFolderError};
use super::forecast::find_time_left;
use super::outcome::{RunOutcome, RunRecord, SCHEMA, SystemUse};
use super::progress::{CampaignPhase, CampaignProgress};
use super::schedule::{CampaignState, Ending, Request, Step, Strategy, needs_restart, next_step, valid_runs};
use crate::experiment::{ExperimentRunner, RunError, RunOptions, StartError};
use crate::lab::statistics::certificate::{ProcessIdentity, SystemIdentity};
use crate::plan::{ExperimentPlan, InvalidSetting, System};
use crate::record::folder::{FolderError, ReportLock};
use crate::record::{FileError, ResultsFolder};
use crate::report::{ReportDataError, ReportError, read_report_data, write_report};
use crate::signals::StopSignal;
use crate::units::Time;

/// A campaign that can be run.
pub struct Campaign<'a> {
    pub folder: &'a CampaignFolder,
    /// The plan of which the runs are variants.
    pub base: &'a ExperimentPlan,
    pub strategy: &'a dyn Strategy,
    /// The time without load between runs. `None`: it follows from the run before.
    pub shed: Option<Time>,
    /// How long the campaign may take in this process.
    pub budget: Option<Time>,
}

/// What a campaign left.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignResult {
    /// All runs, those of earlier processes too, in their order.
    pub runs: Vec<RunOutcome>,
    pub end: CampaignEnd,
}

/// How a campaign ended.
#[derive(Clone, Debug, PartialEq)]
pub enum CampaignEnd {
    Ended(Ending),
    Stopped(StopSignal),
}

impl CampaignEnd {
    /// Why there is no answer yet, and what to do, without a full stop.
    pub fn explain(&self) -> String {
        match self {
            CampaignEnd::Stopped(signal) => format!("{} ended the campaign. Continue it with --resume", signal.name()),
            CampaignEnd::Ended(Ending::Permanent) => {
                "the system was healthy in an earlier run, and was broken before the fault of the last three. A campaign \
                 restarts only its own testbed: restart another system yourself, and continue with --resume"
                    .to_owned()
            }
            CampaignEnd::Ended(Ending::ShedTooShort { needed }) => {
                format!(
                    "the system was broken at the start of the last three runs, but the time without load before them was \
                     too short to tell whether it stays broken. Start again with --shed {needed} or more, or without --shed"
                )
            }
            CampaignEnd::Ended(Ending::Refused { why }) => {
                format!("the experiment does not allow the next run ({})", why.trim_end_matches('.'))
            }
            CampaignEnd::Ended(Ending::Invalid { verdict }) => {
                format!("three runs in a row proved nothing, the last one was {verdict}. Its report says what to do")
            }
            CampaignEnd::Ended(Ending::BudgetSpent { expected }) => {
                let seconds = expected.as_secs_f64();
                format!(
                    "the budget does not suffice for the next run of about {seconds:.0} s. Continue it with --resume"
                )
            }
            // Does not happen: an answered question has its runs.
            CampaignEnd::Ended(Ending::Answered) => "a run is missing".to_owned(),
        }
    }
}

/// What a campaign tells while it runs.
pub trait CampaignObserver {
    /// Ten times a second.
    fn show_progress(&mut self, progress: &CampaignProgress);
    /// After each run.
    fn show_run(&mut self, run: &RunOutcome);
}

/// Why a campaign ended with an error. Its finished runs are kept.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    #[error(transparent)]
    Folder(#[from] CampaignFolderError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    #[error(transparent)]
    Toml(#[from] toml::ser::Error),
    #[error(
        "the run in cells/{folder} had another plan than campaign.toml now has. If the file was edited, undo that, or start a \
         new campaign. If it was not, use the version of metawrk that started the campaign"
    )]
    PlanChanged { folder: String },
    #[error(transparent)]
    ReportData(#[from] ReportDataError),
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl From<FileError> for CampaignError {
    fn from(error: FileError) -> CampaignError {
        CampaignError::Folder(error.into())
    }
}

impl From<FolderError> for CampaignError {
    fn from(error: FolderError) -> CampaignError {
        CampaignError::Folder(error.into())
    }
}

impl Campaign<'_> {
    /// Runs the campaign to its end. Runs that are complete are not made again.
    ///
    /// A signal ends it, with what it has.
    ///
    /// # Errors
    /// [`CampaignError`] if a run did not start, or something could not be written.
    pub async fn run(
        &self,
        runner: &mut ExperimentRunner,
        observer: &mut dyn CampaignObserver,
    ) -> Result<CampaignResult, CampaignError> {
        let start = WallInstant::now();
        let mut runs = self.folder.read_runs(self.base)?;
        let plan_hash = hash_plan(self.base)?;
        if let Some(run) = runs.iter().find(|run| run.record.before.plan_hash != plan_hash) {
            return Err(CampaignError::PlanChanged { folder: run.folder.clone() });
        }
        let earlier = runs.len();
        // The testbed of the last valid run of this process.
        let mut testbed = None;
        loop {
            self.folder.write_table(&runs)?;
            let same_system = self.is_external() || testbed.is_some() && testbed == runner.testbed_number();
            let spent = to_time(start.elapsed());
            let state = CampaignState {
                runs: &runs,
                earlier,
                client_timeout: self.client_timeout(),
                same_system,
                shed: self.shed,
                budget: self.budget,
                spent,
            };
            let request = match next_step(self.strategy, &state) {
                Step::End(ending) => return Ok(CampaignResult { runs, end: CampaignEnd::Ended(ending) }),
                Step::Run(request) => request,
            };
            let mut progress = RunProgress::new(self.strategy, &state, request, observer);
            match self.run_cell(runner, request, &state, &mut progress).await? {
                CellEnd::Complete(outcome) => {
                    observer.show_run(&outcome);
                    if outcome.is_valid() {
                        testbed = runner.testbed_number();
                    }
                    runs.push(*outcome);
                    if let Some(signal) = runner.take_signal().await {
                        self.folder.write_table(&runs)?;
                        return Ok(CampaignResult { runs, end: CampaignEnd::Stopped(signal) });
                    }
                }
                CellEnd::Refused(InvalidSetting { key, why }) => {
                    let cell = request.cell;
                    let why =
                        format!("{key} of a run at {} requests/s, outage {}: {why}", cell.describe_rate(), cell.outage);
                    return Ok(CampaignResult { runs, end: CampaignEnd::Ended(Ending::Refused { why }) });
                }
                CellEnd::Stopped(signal) => return Ok(CampaignResult { runs, end: CampaignEnd::Stopped(signal) }),
            }
        }
    }

    fn client_timeout(&self) -> Option<Time> {
        self.base.load().timeout.map(|timeout| timeout.after)
    }

    fn is_external(&self) -> bool {
        matches!(self.base.system(), System::Target { .. })
    }

    async fn run_cell(
        &self,
        runner: &mut ExperimentRunner,
        request: Request,
        state: &CampaignState<'_>,
        progress: &mut RunProgress<'_>,
    ) -> Result<CellEnd, CampaignError> {
        let plan = match request.cell.plan(self.base, request.duration) {
            Ok(plan) => plan,
            Err(error) => return Ok(CellEnd::Refused(error)),
        };
        let runs = state.runs;
        if needs_restart(request.system, runs) {
            runner.stop_testbed().await;
        }
        let before = runner.testbed_number();
        // A testbed that is started has no requests.
        let shed = if before.is_some() || self.is_external() { state.next_shed() } else { Time::ZERO };
        let show_shed = &mut |left: std::time::Duration| progress.show(CampaignPhase::Shed(to_time(left)));
        if let Some(signal) = runner.wait(shed.std(), show_shed).await {
            return Ok(CellEnd::Stopped(signal));
        }
        runner.provide_testbed(self.base).await?;
        let system = match (runner.testbed_number(), before) {
            (None, _) => SystemUse::External,
            (now, before) if now == before => SystemUse::Reused,
            _ if runs.is_empty() => SystemUse::Started,
            _ => SystemUse::Restarted,
        };
        let before = self.identify(runner).await?;
        let folder = self.folder.create_run(&request.cell)?;
        let show_run = &mut |run: &_| progress.show(CampaignPhase::Run(Box::new(Clone::clone(run))));
        let result = match runner.run(&plan, folder, RunOptions::default(), show_run).await {
            Ok(result) => result,
            Err(error) => return error.stopped().map(CellEnd::Stopped).ok_or(error.into()),
        };
        // A component that died has no process any more.
        let after = if result.failure.is_some() { SystemIdentity::default() } else { self.identify(runner).await? };
        progress.show(CampaignPhase::Report);
        draw_report(&result.folder)?;
        if let Some(signal) = result.stopped {
            return Ok(CellEnd::Stopped(signal));
        }
        let run = runs.last().map_or(1, |last| last.record.run + 1);
        // How long it was expected to take without a correction, so that the correction follows from all runs.
        let (cell, expected) = (request.cell, state.expect_uncorrected(&request));
        let took = Time::from_millis(progress.elapsed().0 / 1_000_000);
        let record = RunRecord { schema: SCHEMA, run, cell, system, shed, expected, took, before, after };
        self.folder.complete(result.folder.path(), &record)?;
        let outcome = self.folder.read_run(self.base, result.folder.path())?;
        Ok(CellEnd::Complete(Box::new(outcome)))
    }

    /// The plan and the processes of the system, as far as they can be told.
    async fn identify(&self, runner: &ExperimentRunner) -> Result<SystemIdentity, CampaignError> {
        let plan_hash = hash_plan(self.base)?;
        let processes = runner.find_processes(self.base).await?.into_iter().map(|process| {
            // A restart shows in the start time.
            let identity = ProcessIdentity { process_id: process.process_id, started: process.started, restarts: 0 };
            (process.component, identity)
        });
        Ok(SystemIdentity { plan_hash, processes: processes.collect() })
    }
}

/// The SHA-256 of a plan.
fn hash_plan(plan: &ExperimentPlan) -> Result<String, toml::ser::Error> {
    let hash = digest(&SHA256, plan.to_toml()?.as_bytes());
    Ok(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

enum CellEnd {
    Complete(Box<RunOutcome>),
    Stopped(StopSignal),
    /// The plan does not allow the run.
    Refused(InvalidSetting),
}

/// Judges a run and writes its report.
fn draw_report(folder: &ResultsFolder) -> Result<(), CampaignError> {
    let lock: ReportLock = folder.lock_report()?;
    let dir: &Path = folder.path();
    let (_, data) = read_report_data(dir, &lock)?;
    write_report(&data, dir)?;
    Ok(())
}

/// Shows the progress of one run.
struct RunProgress<'a> {
    observer: &'a mut dyn CampaignObserver,
    start: WallInstant,
    run: usize,
    about: usize,
    cell: Cell,
    /// The time left of the campaign at the start of the run, and how much of it is this run's.
    left: Time,
    expected: Time,
}

impl<'a> RunProgress<'a> {
    fn new(
        strategy: &dyn Strategy,
        state: &CampaignState<'_>,
        request: Request,
        observer: &'a mut dyn CampaignObserver,
    ) -> RunProgress<'a> {
        let left = strategy.left(&valid_runs(state.runs), state.same_system);
        let run = state.runs.len() + 1;
        let about = state.runs.len() + left.runs.max(1);
        RunProgress {
            observer,
            start: WallInstant::now(),
            run,
            about,
            cell: request.cell,
            left: state.expect_all(&left),
            expected: state.expect(&request),
        }
    }

    fn elapsed(&self) -> Time {
        to_time(self.start.elapsed())
    }

    fn show(&mut self, phase: CampaignPhase) {
        let left = find_time_left(self.left, self.expected, self.elapsed());
        let progress = CampaignProgress { run: self.run, about: self.about, cell: self.cell, phase, left };
        self.observer.show_progress(&progress);
    }
}

fn to_time(duration: std::time::Duration) -> Time {
    Time(duration.as_nanos().try_into().unwrap_or(u64::MAX))
}
