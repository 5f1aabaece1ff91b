//! One of the generator's threads: a runtime, a Lua state and connections of its own; the pacer is its main loop.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::LocalOptions;
use tokio::sync::watch;

use super::metrics::{LiveCounters, ThreadMetrics};
use super::rate_sampler::RateSampler;
use super::requests::{Requests, environment};
use super::state::WorkerState;
use crate::load::LoadError;
use crate::load::pacing::dispatcher::Action;
use crate::load::pacing::pool::Placement;
use crate::load::pacing::spin::{SpinPolicy, Wait};
use crate::load::plan::LoadPlan;
use crate::load::transport::Transport;
use crate::load::transport::{http1, http2};
use crate::record::sink::RecordSender;
use crate::record::{Account, Clock, Latencies};
use crate::script::{PlainValue, ScriptError, Vm};
use crate::timer::Timer;
use crate::units::{Instant, Time};

/// What the threads of a load are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadCommand {
    /// Connect, and wait for the start.
    Prepare,
    /// Load begins at the clock's zero.
    Run(Clock),
    /// No further arrivals; what is in flight may finish.
    EndArrivals,
    /// The load ends now, whatever is in flight.
    Stop,
}

/// What a thread of the generator is asked, before and after its run.
pub enum ScriptCall {
    /// The value of a global.
    Get(String, mpsc::Sender<Result<PlainValue, ScriptError>>),
    Set(String, PlainValue, mpsc::Sender<Result<(), ScriptError>>),
    /// Its connections go there.
    Address(SocketAddr),
    /// It is not to make any request.
    Stop,
    /// Nothing more is asked before the run.
    Proceed,
}

/// What a thread is started with.
pub struct WorkerSetup {
    pub plan: LoadPlan,
    pub thread: usize,
    pub transport: Transport,
    pub address: SocketAddr,
    pub sender: Option<RecordSender>,
    pub live: Arc<LiveCounters>,
    pub orders: watch::Receiver<LoadCommand>,
    /// From the main script, before and after the run.
    pub calls: mpsc::Receiver<ScriptCall>,
    /// Told that the script is loaded, then that all is ready for the start, or that it is not.
    pub ready: mpsc::Sender<Result<(), LoadError>>,
}

/// What a thread leaves.
pub struct WorkerResult {
    pub thread: usize,
    pub account: Account,
    pub latencies: Latencies,
    /// Response times within the warm-up, in us.
    pub calibration: Histogram<u64>,
    pub rates: RateSampler,
    /// Responses that arrived before the end of arrivals, and all bytes that were read.
    pub in_time: (u64, u64),
    /// When this thread's arrivals ended, and when it did.
    pub until: Instant,
    pub ended: Instant,
    /// CPU time of the thread since the start of load.
    pub cpu: Time,
    pub opened: u64,
    pub connect_errors: u64,
    pub unasked: u64,
    /// With HTTP/2: the fewest streams that a connection was allowed.
    pub fewest_streams: usize,
    pub in_flight_max: u64,
    pub bound_reached: bool,
    pub waited: u64,
    /// Requests due within the warm-up that were still open at its end.
    pub late_warmup: u64,
    pub dropped: u64,
    pub failure: Option<ScriptError>,
}

/// Before the start, connections have so long to be made.
const PREPARATION: Duration = Duration::from_secs(1);

/// The pacer hands out what is due for no longer than this without a look at sockets and orders.
const UNSEEN: Time = Time::from_millis(1);

/// Records and timeouts are looked after at least so often.
const UPKEEP: Time = Time::from_millis(100);

/// Runs the thread: prepares, waits for the start, works until its end, hands over what it leaves, and then answers the
/// main script until nobody asks any more.
pub fn run(job: WorkerSetup, leave: impl FnOnce(io::Result<WorkerResult>)) {
    let WorkerSetup { plan, thread, transport, address, sender, live, orders, calls, ready } = job;
    let script = match Vm::load(plan.script.as_ref(), &environment(&plan, thread)) {
        Ok(vm) => vm,
        Err(error) => return drop(ready.send(Err(error.into()))),
    };
    script.set_address(address);
    let mut stopped = false;
    let _ = ready.send(Ok(()));
    loop {
        match calls.recv() {
            Ok(ScriptCall::Proceed) => break,
            Ok(ScriptCall::Address(address)) => script.set_address(address),
            Ok(ScriptCall::Stop) => stopped = true,
            Ok(call) => answer(&script, call),
            // Nobody wants this load any more.
            Err(_) => return,
        }
    }
    let requests = match begin(script, &plan) {
        Ok(requests) => requests,
        Err(error) => return drop(ready.send(Err(error.into()))),
    };
    let log = ThreadMetrics::new(sender, Arc::clone(&live), Instant::START.plus(plan.warmup));
    let core = Rc::new(WorkerState::new(plan, thread, transport, Clock::starting_in(Time::ZERO), requests, log));
    if core.requests.borrow().vm().delays() {
        core.dispatcher.borrow_mut().delay_each();
    }
    if stopped {
        core.end_arrivals(Instant::START);
    }
    let mut ready = Some(ready);
    let left = load(&core, orders, &mut ready);
    match (ready, left) {
        (Some(ready), Err(error)) => return drop(ready.send(Err(LoadError::Thread(error)))),
        (_, left) => leave(left),
    }
    live.set_over();
    calls.iter().for_each(|call| answer(core.requests.borrow().vm(), call));
}

/// The script begins, and makes its first request.
pub fn begin(mut script: Vm, plan: &LoadPlan) -> Result<Requests, ScriptError> {
    script.init()?;
    let requests = Requests::new(script, plan.ahead)?;
    if plan.http2 {
        http2::verify(plan, &requests)?;
    }
    Ok(requests)
}

fn answer(script: &Vm, call: ScriptCall) {
    // The main script may have gone before it heard the answer.
    match call {
        ScriptCall::Get(name, answer) => drop(answer.send(script.get(&name))),
        ScriptCall::Set(name, value, answer) => drop(answer.send(script.set(&name, &value))),
        ScriptCall::Address(_) | ScriptCall::Stop | ScriptCall::Proceed => {}
    }
}

fn load(
    core: &Rc<WorkerState>,
    orders: watch::Receiver<LoadCommand>,
    ready: &mut Option<mpsc::Sender<Result<(), LoadError>>>,
) -> io::Result<WorkerResult> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().enable_time().build_local(LocalOptions::default())?;
    let result = runtime.block_on(work(core, orders, ready));
    // The connections close with their tasks.
    drop(runtime);
    let (until, ended, cpu) = result?;
    Ok(left(core, until, ended, cpu))
}

async fn work(
    core: &Rc<WorkerState>,
    mut orders: watch::Receiver<LoadCommand>,
    ready: &mut Option<mpsc::Sender<Result<(), LoadError>>>,
) -> io::Result<(Instant, Instant, Time)> {
    let mut timer = Timer::new()?;
    open_connections(core).await;
    if let Some(ready) = ready.take() {
        // Whoever wanted this load may be gone.
        let _ = ready.send(Ok(()));
    }
    let order = orders.wait_for(|order| *order != LoadCommand::Prepare).await.map(|order| *order);
    let Ok(LoadCommand::Run(clock)) = order else {
        // Nobody wants this load any more.
        core.end_arrivals(Instant::START);
        return Ok((Instant::START, Instant::START, Time::ZERO));
    };

    core.set_clock(clock);
    let cpu_before = thread_cpu();
    let stop = Rc::new(std::cell::Cell::new(false));
    tokio::task::spawn_local(obey(Rc::clone(core), orders, Rc::clone(&stop)));
    tokio::task::spawn_local(look_after(Rc::clone(core)));

    timer.set(clock.monotonic_ns(Instant::START))?;
    poll_fn(|cx| timer.poll(cx)).await?;
    core.dispatcher.borrow_mut().begin();
    pace(core, &mut timer, &stop).await?;

    let ended = core.now();
    let cpu = thread_cpu().minus(cpu_before);
    if stop.get() || core.failed() {
        core.end_arrivals(ended);
    }
    let until = core.dispatcher.borrow().until();
    core.settle(ended);
    core.log.borrow_mut().rates.pass(until);
    Ok((until, ended, cpu))
}

/// Opens the connections that the plan starts with, and waits until each is there or refused, for a second at most.
async fn open_connections(core: &Rc<WorkerState>) {
    let connections = core.plan.share(core.plan.connections, usize::from(core.thread()));
    if core.plan.http2 {
        http2::open(core, connections);
    } else {
        (0..connections).for_each(|_| spawn_connection(core, core.new_slot()));
    }
    let deadline = tokio::time::Instant::now() + PREPARATION;
    while !core.dispatcher.borrow().all_free() && tokio::time::Instant::now() < deadline {
        let _ = tokio::time::timeout_at(deadline, poll_fn(|cx| core.pacer.poll(cx))).await;
    }
}

fn spawn_connection(core: &Rc<WorkerState>, id: usize) {
    tokio::task::spawn_local(http1::run(Rc::clone(core), id));
}

/// The pacer: hands out what is due, when it is due, until nothing is left to do.
async fn pace(core: &Rc<WorkerState>, timer: &mut Timer, stop: &std::cell::Cell<bool>) -> io::Result<()> {
    let clock = core.clock();
    let mut lead = SpinPolicy::new(core.plan.spin);
    let mut handed_out = false;
    let mut looked = Instant::START;
    while !stop.get() && !core.failed() {
        let now = core.now();
        if now.since(looked) > UNSEEN {
            // A script that takes longer than the gap between requests would keep the thread to itself.
            tokio::task::yield_now().await;
            looked = core.now();
            continue;
        }
        let turn = core.dispatcher.borrow_mut().turn(now);
        let (wake_at, for_connections) = match turn {
            Action::Send(work, Placement::On(id)) => {
                core.assign(id, work, now);
                handed_out = true;
                continue;
            }
            Action::Send(work, Placement::New) => {
                let id = core.new_slot();
                core.assign(id, work, now);
                spawn_connection(core, id);
                handed_out = true;
                continue;
            }
            Action::PutOff(work) => {
                core.put_off(work);
                continue;
            }
            Action::Over => return Ok(()),
            Action::Drain(_) if core.log.borrow().in_flight == 0 => return Ok(()),
            Action::Drain(at) | Action::Blocked(at) => (at, true),
            Action::Wait(at) => (at, false),
        };
        if std::mem::take(&mut handed_out) {
            // It goes before the alarm is set, which takes longer: 8 us on a virtual machine.
            lead.settle(now);
            tokio::task::yield_now().await;
            looked = now;
            continue;
        }
        core.pacer.waits(for_connections);
        let at = match lead.until(now, wake_at, !for_connections) {
            Wait::Asleep(at) => at,
            Wait::Awake => {
                // Other tasks run, and the sockets are looked at, before this looks at its clock again.
                tokio::task::yield_now().await;
                looked = now;
                continue;
            }
        };
        timer.set(clock.monotonic_ns(at))?;
        let rang = poll_fn(|cx| match core.pacer.poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(false)),
            Poll::Pending => timer.poll(cx).map_ok(|()| true),
        })
        .await?;
        looked = core.now();
        // One that rang together with a nudge is found to have rung again, when the next is set.
        if rang && looked >= at {
            lead.rang(at, looked);
        }
    }
    Ok(())
}

/// Carries out what the thread is told while it runs.
async fn obey(core: Rc<WorkerState>, mut orders: watch::Receiver<LoadCommand>, stop: Rc<std::cell::Cell<bool>>) {
    loop {
        match *orders.borrow_and_update() {
            LoadCommand::EndArrivals => core.end_arrivals(core.now()),
            LoadCommand::Stop => stop.set(true),
            LoadCommand::Prepare | LoadCommand::Run(_) => {}
        }
        core.pacer.nudge();
        if orders.changed().await.is_err() {
            // Whoever wanted this load is gone.
            stop.set(true);
            return core.pacer.nudge();
        }
    }
}

/// Looks after timeouts, the records on their way, and wrk2's calibration.
async fn look_after(core: Rc<WorkerState>) {
    // What is sent while this sleeps must not have expired long before it looks again.
    let at_least = UPKEEP.min(core.plan.timeout);
    let warmup = Instant::START.plus(core.plan.warmup);
    let mut upkeep = Instant::START;
    loop {
        let now = core.now();
        let expires = core.expire(now);
        if now >= upkeep {
            core.log.borrow_mut().upkeep(now, warmup);
            upkeep = now.plus(UPKEEP);
        }
        let next = expires.unwrap_or(Instant::NEVER).min(now.plus(at_least));
        tokio::time::sleep(next.since(now).std()).await;
    }
}

fn thread_cpu() -> Time {
    let cpu = clock_gettime(ClockId::ThreadCPUTime);
    Time(cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64)
}

fn left(core: &WorkerState, until: Instant, ended: Instant, cpu: Time) -> WorkerResult {
    let mut log = core.log.borrow_mut();
    let dropped = log.finish();
    WorkerResult {
        thread: usize::from(core.thread()),
        account: log.account,
        latencies: std::mem::take(&mut log.latencies),
        calibration: log.calibration.clone(),
        rates: std::mem::take(&mut log.rates),
        in_time: log.in_time,
        until,
        ended,
        cpu,
        opened: core.opened.get(),
        connect_errors: core.connect_errors.get(),
        unasked: core.unasked.get(),
        fewest_streams: core.fewest_streams.get(),
        in_flight_max: log.in_flight_max,
        bound_reached: core.dispatcher.borrow().bound_reached(),
        late_warmup: log.late_warmup,
        waited: core.dispatcher.borrow().waited(),
        dropped,
        failure: core.take_failure(),
    }
}
