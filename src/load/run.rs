//! The threads of a load: they start together, get the same commands, and their results are joined.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use super::error::LoadError;
use super::main_script::{MainScript, WorkerScript};
use super::plan::LoadPlan;
use super::preflight::{connect_target, raise_file_limit};
use super::result::{LoadResult, ScriptHandle};
use super::thread::custody::Custody;
use super::thread::messages::{LoadCommand, ScriptCall, WorkerSetup};
use super::thread::metrics::LiveCounters;
use super::thread::result::WorkerResult;
use super::thread::worker;
use super::transport::Transport;
use crate::record::Clock;
use crate::record::sink::RecordSenders;
use crate::script::ThreadHandle;
use crate::units::{Instant, Time};

/// A load whose workers have loaded their scripts, and can be set up.
pub struct LoadedLoad {
    plan: LoadPlan,
    workers: Workers,
    readiness: mpsc::Receiver<Result<(), LoadError>>,
    address: SocketAddr,
}

/// A load whose workers are connected, have checked their scripts, and wait for the start.
pub struct PreparedLoad {
    plan: LoadPlan,
    workers: Workers,
}

/// The workers of a load, and the channels to and from them.
struct Workers {
    commands: Arc<watch::Sender<LoadCommand>>,
    handles: Vec<JoinHandle<()>>,
    results: mpsc::Receiver<io::Result<WorkerResult>>,
    live: Vec<Arc<LiveCounters>>,
    custody: Vec<Arc<Custody>>,
    calls: Vec<mpsc::Sender<ScriptCall>>,
    main: Option<MainScript>,
}

impl PreparedLoad {
    /// Connects to the target, starts the workers, and runs the script's `setup` and `init` functions for each.
    ///
    /// # Errors
    /// [`LoadError`] if the load cannot start: the target cannot be reached, for example, or the script makes no requests.
    pub fn new(plan: LoadPlan, senders: Option<&RecordSenders>) -> Result<PreparedLoad, LoadError> {
        let mut load = LoadedLoad::new(plan, senders)?;
        if let Some(script) = &load.plan.script {
            let workers = load.scripts().into_iter().map(|worker| Box::new(worker) as Box<dyn ThreadHandle + Send>);
            load.workers.main = Some(MainScript::set_up(&load.plan, script, workers.collect())?);
        }
        load.prepare()
    }

    /// Starts the load at the zero of `clock`.
    pub fn start(self, clock: Clock) -> RunningLoad {
        self.workers.commands.send_replace(LoadCommand::Run(clock));
        RunningLoad { plan: self.plan, workers: self.workers, clock, stuck: Vec::new() }
    }
}

impl LoadedLoad {
    /// Connects to the target, and starts the workers.
    ///
    /// # Errors
    /// [`LoadError`] if the target cannot be reached, or a script does not load.
    pub fn new(plan: LoadPlan, senders: Option<&RecordSenders>) -> Result<LoadedLoad, LoadError> {
        let (transport, address) = connect_target(&plan)?;
        raise_file_limit(&plan)?;
        let (ready, readiness) = mpsc::channel();
        let workers = Workers::start(&plan, (&transport, address), senders, &ready)?;
        workers.wait_until_ready(&readiness)?;
        Ok(LoadedLoad { plan, workers, readiness, address })
    }

    /// The address of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The scripts of the workers, for the main script.
    pub fn scripts(&self) -> Vec<WorkerScript> {
        let script = |calls: &mpsc::Sender<_>| WorkerScript { calls: calls.clone(), address: Cell::new(self.address) };
        self.workers.calls.iter().map(script).collect()
    }

    /// Opens the connections, and runs the script's `init` function in each worker.
    ///
    /// # Errors
    /// [`LoadError::Script`] if the script makes no requests.
    pub fn prepare(self) -> Result<PreparedLoad, LoadError> {
        self.workers.calls.iter().for_each(|calls| drop(calls.send(ScriptCall::Proceed)));
        self.workers.wait_until_ready(&self.readiness)?;
        Ok(PreparedLoad { plan: self.plan, workers: self.workers })
    }
}

impl Workers {
    fn start(
        plan: &LoadPlan,
        (transport, address): (&Transport, SocketAddr),
        senders: Option<&RecordSenders>,
        ready: &mpsc::Sender<Result<(), LoadError>>,
    ) -> Result<Workers, LoadError> {
        let (commands, receiver) = watch::channel(LoadCommand::Prepare);
        let (sender, results) = mpsc::channel();
        let commands = Arc::new(commands);
        let mut workers = Workers {
            commands,
            results,
            handles: Vec::new(),
            live: Vec::new(),
            custody: Vec::new(),
            calls: Vec::new(),
            main: None,
        };
        for thread in 0..plan.threads {
            let live = Arc::new(LiveCounters::default());
            let custody = Arc::new(Custody::default());
            let (call, calls) = mpsc::channel();
            let setup = WorkerSetup {
                plan: plan.clone(),
                thread,
                transport: transport.with_own_sessions(),
                address,
                sender: senders.map(RecordSenders::sender),
                live: Arc::clone(&live),
                custody: Arc::clone(&custody),
                commands: receiver.clone(),
                calls,
                ready: ready.clone(),
            };
            let sender = sender.clone();
            // Weak, so that dropping the load ends its threads.
            let commands = Arc::downgrade(&workers.commands);
            let work = move || {
                worker::run(setup, move |result| {
                    let has_failed = result.as_ref().map_or(true, |result| result.failure.is_some());
                    if let Some(commands) = commands.upgrade().filter(|_| has_failed) {
                        stop_all(&commands, Instant::START);
                    }
                    drop(sender.send(result));
                });
            };
            let name = format!("load-{thread}");
            let handle = std::thread::Builder::new().name(name).spawn(work).map_err(LoadError::Thread)?;
            workers.handles.push(handle);
            workers.live.push(live);
            workers.custody.push(custody);
            workers.calls.push(call);
        }
        Ok(workers)
    }

    /// Waits for one message of each worker.
    fn wait_until_ready(&self, readiness: &mpsc::Receiver<Result<(), LoadError>>) -> Result<(), LoadError> {
        for _ in &self.handles {
            loop {
                match readiness.recv_timeout(Duration::from_millis(100)) {
                    Ok(ready) => break ready?,
                    // A worker may have sent a message just before it ended.
                    Err(_) if self.handles.iter().any(JoinHandle::is_finished) => {
                        break readiness.try_recv().unwrap_or(Err(LoadError::Died))?;
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// A load that runs.
pub struct RunningLoad {
    plan: LoadPlan,
    workers: Workers,
    clock: Clock,
    /// The results of workers that are stuck in their script.
    stuck: Vec<WorkerResult>,
}

/// A call of a script may last this much longer than the load. Then its worker counts as stuck.
const SCRIPT_GRACE: Time = Time::from_millis(500);

/// Stops all workers at `now`.
fn stop_all(commands: &watch::Sender<LoadCommand>, now: Instant) {
    commands.send_if_modified(|command| {
        let is_stopped = matches!(command, LoadCommand::Stop(_));
        if !is_stopped {
            *command = LoadCommand::Stop(now);
        }
        !is_stopped
    });
}

/// Ends a load. Clones control the same load.
#[derive(Clone)]
pub struct LoadControl {
    commands: Arc<watch::Sender<LoadCommand>>,
    live: Vec<Arc<LiveCounters>>,
    clock: Clock,
}

impl LoadControl {
    /// Ends arrivals. Requests in flight may finish within the plan's drain.
    pub fn end_arrivals(&self) {
        self.commands.send_if_modified(|command| {
            let is_running = matches!(command, LoadCommand::Run(_));
            if is_running {
                *command = LoadCommand::EndArrivals(self.clock.now());
            }
            is_running
        });
    }

    /// Ends the load at once. Requests in flight are recorded as unanswered.
    pub fn stop(&self) {
        stop_all(&self.commands, self.clock.now());
    }

    /// Ends the load at once. Does not wait for scripts that do not return, does not record requests that were never sent,
    /// and with random gaps does not count them.
    pub fn hurry(&self) {
        self.live.iter().for_each(|live| live.hurry());
        self.stop();
    }
}

impl RunningLoad {
    /// The control of this load.
    pub fn control(&self) -> LoadControl {
        LoadControl { commands: Arc::clone(&self.workers.commands), live: self.live(), clock: self.clock }
    }

    /// The live counters of each thread.
    pub fn live(&self) -> Vec<Arc<LiveCounters>> {
        self.workers.live.clone()
    }

    /// All threads have ended their runs. A thread whose script does not return is left behind some time after the end.
    pub fn is_finished(&mut self) -> bool {
        self.leave_stuck_workers();
        let Workers { live, handles, .. } = &self.workers;
        live.iter().zip(handles).all(|(live, handle)| live.is_over() || handle.is_finished())
    }

    /// Waits for the end of the load, and joins the results of the threads. Blocks.
    ///
    /// # Errors
    /// [`LoadError::Died`] if a thread panicked, [`LoadError::Thread`] if the system failed.
    pub fn finish(mut self) -> Result<LoadResult, LoadError> {
        let mut threads = Vec::with_capacity(self.workers.handles.len());
        while threads.len() + self.stuck.len() < self.workers.handles.len() {
            match self.workers.results.recv_timeout(Duration::from_millis(100)) {
                Ok(result) => threads.push(result.map_err(LoadError::Thread)?),
                // A thread waits for calls of the main script after its result.
                Err(_) if self.workers.handles.iter().any(JoinHandle::is_finished) => return Err(LoadError::Died),
                Err(_) => self.leave_stuck_workers(),
            }
        }
        // A stuck script would never answer the main script.
        let main = self.workers.main.take().filter(|_| self.stuck.is_empty());
        let script = main.map(|main| ScriptHandle { main, _workers: Box::new(self.workers.calls) });
        threads.append(&mut self.stuck);
        threads.sort_by_key(|result| result.thread);
        Ok(LoadResult { plan: self.plan, threads, script })
    }

    /// Takes over the workers whose script still runs some time after the end of the load, and stops the others.
    fn leave_stuck_workers(&mut self) {
        let (now, planned_end) = (self.clock.now(), Instant::START.plus(self.plan.duration));
        let command = *self.workers.commands.borrow();
        let (arrivals_end, end) = match command {
            LoadCommand::Stop(at) => (at.min(planned_end), at),
            LoadCommand::EndArrivals(at) => (at.min(planned_end), at.min(planned_end).plus(self.plan.drain)),
            LoadCommand::Prepare | LoadCommand::Run(_) => (planned_end, planned_end.plus(self.plan.drain)),
        };
        for (live, custody) in self.workers.live.iter().zip(&self.workers.custody) {
            let grace = if live.is_hurried() { Time::ZERO } else { SCRIPT_GRACE };
            if live.is_over() || now < end.plus(grace) {
                continue;
            }
            if let Some(state) = custody.take() {
                self.stuck.push(state.conclude_stuck(arrivals_end, now));
                live.set_over();
                stop_all(&self.workers.commands, now);
            }
        }
    }
}
