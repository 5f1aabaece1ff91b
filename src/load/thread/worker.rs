//! A worker: a thread with its own runtime, Lua state and connections.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime::LocalOptions;
use tokio::sync::watch;

use super::messages::{LoadCommand, ScriptCall, WorkerSetup};
use super::metrics::ThreadMetrics;
use super::requests::{Requests, environment};
use super::result::WorkerResult;
use super::script_run::ScriptRun;
use super::state::WorkerState;
use super::thread_times::ThreadTimes;
use crate::load::LoadError;
use crate::load::pacing::dispatcher::{Action, Work};
use crate::load::pacing::pacer::{Pacer, Workload};
use crate::load::pacing::pool::Placement;
use crate::load::pacing::timer::{PacerTimer, RunTimer};
use crate::load::pacing::wake_flag::WakeFlag;
use crate::load::plan::LoadPlan;
use crate::load::transport::{http1, http2};
use crate::record::Clock;
use crate::script::{ScriptError, Vm};
use crate::timer::Timer;
use crate::units::{Instant, Time};

/// The connections may take this long to be established before the start.
const PREPARATION: Duration = Duration::from_secs(1);

/// The longest time between two rounds of [`maintain`].
const MAINTENANCE: Time = Time::from_millis(100);

/// Runs the worker: prepares, waits for the start, runs the load, passes the result to `finish`, and then answers the
/// main script until it has no further calls.
pub fn run(setup: WorkerSetup, finish: impl FnOnce(io::Result<WorkerResult>)) {
    let WorkerSetup { plan, thread, transport, address, sender, live, custody, commands, calls, ready } = setup;
    let script = match Vm::load(plan.script.as_ref(), &environment(&plan, thread)) {
        Ok(vm) => vm,
        Err(error) => return drop(ready.send(Err(error.into()))),
    };
    script.set_address(address);
    let mut is_stopped = false;
    let _ = ready.send(Ok(()));
    loop {
        match calls.recv() {
            Ok(ScriptCall::Proceed) => break,
            Ok(ScriptCall::Address(address)) => script.set_address(address),
            Ok(ScriptCall::Stop) => is_stopped = true,
            Ok(call) => answer(&script, call),
            // The load was dropped.
            Err(_) => return,
        }
    }
    let requests = match init_script(script, &plan, custody.script_run()) {
        Ok(requests) => requests,
        Err(error) => return drop(ready.send(Err(error.into()))),
    };
    let metrics = ThreadMetrics::new(sender, Arc::clone(&live), &plan);
    let clock = Clock::starting_in(Time::ZERO);
    let state = Rc::new(WorkerState::new(plan, thread, transport, clock, requests, metrics, custody.script_run()));
    custody.register(&state);
    if state.requests.borrow().vm().has_delay() {
        state.dispatcher.borrow_mut().enable_delay();
    }
    if is_stopped {
        state.end_arrivals(Instant::START);
    }
    let mut ready = Some(ready);
    let result = run_load(&state, commands, &mut ready);
    match (ready, result) {
        (Some(ready), Err(error)) => return drop(ready.send(Err(LoadError::Thread(error)))),
        (_, result) => finish(result),
    }
    live.set_over();
    calls.iter().for_each(|call| answer(state.requests.borrow().vm(), call));
}

/// Runs the script's `init`, and builds its first request.
///
/// # Errors
/// [`ScriptError`] if the script fails or makes no request.
pub fn init_script(mut script: Vm, plan: &LoadPlan, script_run: Arc<ScriptRun>) -> Result<Requests, ScriptError> {
    script.init()?;
    let requests = Requests::new(script, plan.ahead, script_run)?;
    if plan.http2 {
        http2::verify(plan, &requests)?;
    }
    Ok(requests)
}

fn answer(script: &Vm, call: ScriptCall) {
    // The main script may have ended before it gets the answer.
    match call {
        ScriptCall::Get(name, answer) => drop(answer.send(script.get(&name))),
        ScriptCall::Set(name, value, answer) => drop(answer.send(script.set(&name, &value))),
        ScriptCall::Address(_) | ScriptCall::Stop | ScriptCall::Proceed => {}
    }
}

fn run_load(
    state: &Rc<WorkerState>,
    commands: watch::Receiver<LoadCommand>,
    ready: &mut Option<mpsc::Sender<Result<(), LoadError>>>,
) -> io::Result<WorkerResult> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().enable_time().build_local(LocalOptions::default())?;
    let result = runtime.block_on(run_tasks(state, commands, ready));
    // This ends the tasks of the connections, and so closes them.
    drop(runtime);
    let (arrivals_end, ended, times) = result?;
    Ok(WorkerResult::collect(state, arrivals_end, ended, times))
}

/// Runs the load on the runtime. Returns the end of arrivals, the end of the run, and the times of the thread.
async fn run_tasks(
    state: &Rc<WorkerState>,
    mut commands: watch::Receiver<LoadCommand>,
    ready: &mut Option<mpsc::Sender<Result<(), LoadError>>>,
) -> io::Result<(Instant, Instant, ThreadTimes)> {
    let timer = Timer::new()?;
    if state.plan.slack > Time::ZERO {
        crate::timer::sleep_exactly();
    }
    open_connections(state).await;
    if let Some(ready) = ready.take() {
        // The load may have been dropped.
        let _ = ready.send(Ok(()));
    }
    let command = commands.wait_for(|command| *command != LoadCommand::Prepare).await.map(|command| *command);
    let Ok(LoadCommand::Run(clock)) = command else {
        // The load was dropped or stopped before its start.
        state.end_arrivals(Instant::START);
        return Ok((Instant::START, Instant::START, ThreadTimes::default()));
    };

    state.set_clock(clock);
    let before = ThreadTimes::now();
    tokio::task::spawn_local(follow_commands(Rc::clone(state), commands));
    tokio::task::spawn_local(maintain(Rc::clone(state)));

    let mut timer = RunTimer::new(clock, timer);
    timer.set(Instant::START)?;
    poll_fn(|cx| timer.poll_fired(cx)).await?;
    state.dispatcher.borrow_mut().start();
    Pacer::new(state, &mut timer, state.plan.spin, state.plan.slack).run().await?;

    let ended = state.now();
    let times = ThreadTimes::now().since(before);
    if state.is_stopped() {
        state.end_arrivals(ended);
    }
    let arrivals_end = state.dispatcher.borrow().arrivals_end();
    state.record_unfinished(ended);
    state.metrics.borrow_mut().rates.advance(arrivals_end);
    Ok((arrivals_end, ended, times))
}

/// Opens the connections of the plan, and waits until each is established or refused, for a second at most.
async fn open_connections(state: &Rc<WorkerState>) {
    let connections = state.plan.share(state.plan.connections, usize::from(state.thread()));
    if state.plan.http2 {
        http2::open(state, connections);
    } else {
        (0..connections).for_each(|_| spawn_connection(state, state.add_slot()));
    }
    let deadline = tokio::time::Instant::now() + PREPARATION;
    while !state.dispatcher.borrow().all_free() && tokio::time::Instant::now() < deadline {
        let _ = tokio::time::timeout_at(deadline, poll_fn(|cx| state.wake_flag.poll(cx))).await;
    }
}

fn spawn_connection(state: &Rc<WorkerState>, id: usize) {
    tokio::task::spawn_local(http1::run(Rc::clone(state), id));
}

impl Workload for Rc<WorkerState> {
    #[inline]
    fn is_stopped(&self) -> bool {
        WorkerState::is_stopped(self)
    }

    #[inline]
    fn next_action(&self, now: Instant) -> Action {
        self.dispatcher.borrow_mut().next_action(now)
    }

    #[inline]
    fn send(&self, work: Work, placement: Placement, now: Instant) {
        match placement {
            Placement::On(id) => self.assign(id, work, now),
            Placement::New => {
                let id = self.add_slot();
                self.assign(id, work, now);
                spawn_connection(self, id);
            }
        }
    }

    fn delay(&self, work: Work) {
        self.delay_request(work);
    }

    #[inline]
    fn has_in_flight(&self) -> bool {
        self.metrics.borrow().in_flight > 0
    }

    #[inline]
    fn may_read_late(&self) -> bool {
        WorkerState::may_read_late(self)
    }

    #[inline]
    fn wake_flag(&self) -> &WakeFlag {
        &self.wake_flag
    }
}

/// Follows the commands for this load while it runs.
async fn follow_commands(state: Rc<WorkerState>, mut commands: watch::Receiver<LoadCommand>) {
    loop {
        match *commands.borrow_and_update() {
            LoadCommand::EndArrivals(_) => state.end_arrivals(state.now()),
            LoadCommand::Stop(_) => state.stop(),
            LoadCommand::Prepare | LoadCommand::Run(_) => {}
        }
        state.wake_flag.wake();
        if commands.changed().await.is_err() {
            // The load was dropped.
            return state.stop();
        }
    }
}

/// Applies timeouts, hands over records, and ends wrk2's calibration.
async fn maintain(state: Rc<WorkerState>) {
    // With a short timeout the rounds are shorter too, so that requests expire in time.
    let round = MAINTENANCE.min(state.plan.timeout);
    let mut maintain_at = Instant::START;
    loop {
        let now = state.now();
        let expires = state.abandon_expired(now);
        if now >= maintain_at {
            let mut metrics = state.metrics.borrow_mut();
            metrics.maintain(now);
            metrics.live().set_connections(state.connections.borrow().up());
            drop(metrics);
            maintain_at = now.plus(MAINTENANCE);
        }
        let next = expires.unwrap_or(Instant::NEVER).min(now.plus(round));
        tokio::time::sleep(next.since(now).std()).await;
    }
}
