//! All threads of a load: started together, told together, their results joined.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use super::error::LoadError;
use super::main_script::{MainScript, Thread};
use super::plan::LoadPlan;
use super::preflight::{allow_files, reach};
use super::result::{LoadResult, ScriptHandle};
use super::thread::metrics::LiveCounters;
use super::thread::worker;
use super::thread::worker::{LoadCommand, ScriptCall, WorkerResult, WorkerSetup};
use super::traffic::Traffic;
use super::transport::Transport;
use crate::record::Clock;
use crate::record::sink::RecordSenders;

/// A load whose threads have connected and verified their scripts, and wait for the start.
pub struct Prepared {
    plan: LoadPlan,
    threads: Threads,
}

/// The threads of a load, and all ways to them.
struct Threads {
    orders: Arc<watch::Sender<LoadCommand>>,
    handles: Vec<JoinHandle<()>>,
    left: mpsc::Receiver<io::Result<WorkerResult>>,
    live: Vec<Arc<LiveCounters>>,
    calls: Vec<mpsc::Sender<ScriptCall>>,
    main: Option<MainScript>,
}

impl Prepared {
    /// Finds the target, starts the threads, runs the script's `setup` for each, and has each verify its script.
    ///
    /// # Errors
    /// [`LoadError`] before any load: the target is not there, or the script makes no requests.
    pub fn new(plan: LoadPlan, senders: Option<&RecordSenders>) -> Result<Prepared, LoadError> {
        let (transport, address) = reach(&plan)?;
        allow_files(&plan)?;
        let (ready, readiness) = mpsc::channel();
        let mut threads = Threads::start(&plan, (&transport, address), senders, &ready)?;
        threads.all_ready(&readiness)?;
        if let Some(script) = &plan.script {
            threads.main = Some(MainScript::set_up(&plan, script, threads.seen_by_script(address))?);
        }
        threads.calls.iter().for_each(|calls| drop(calls.send(ScriptCall::Proceed)));
        threads.all_ready(&readiness)?;
        Ok(Prepared { plan, threads })
    }

    /// Load begins at the clock's zero.
    pub fn start(self, clock: Clock) -> Running {
        self.threads.orders.send_replace(LoadCommand::Run(clock));
        Running { plan: self.plan, threads: self.threads }
    }
}

impl Threads {
    fn start(
        plan: &LoadPlan,
        (transport, address): (&Transport, SocketAddr),
        senders: Option<&RecordSenders>,
        ready: &mpsc::Sender<Result<(), LoadError>>,
    ) -> Result<Threads, LoadError> {
        let (orders, received) = watch::channel(LoadCommand::Prepare);
        let (leave, left) = mpsc::channel();
        let orders = Arc::new(orders);
        let mut threads =
            Threads { orders, left, handles: Vec::new(), live: Vec::new(), calls: Vec::new(), main: None };
        for thread in 0..plan.threads {
            let live = Arc::new(LiveCounters::default());
            let (call, calls) = mpsc::channel();
            let job = WorkerSetup {
                plan: plan.clone(),
                thread,
                transport: transport.apart(),
                address,
                sender: senders.map(RecordSenders::sender),
                live: Arc::clone(&live),
                orders: received.clone(),
                calls,
                ready: ready.clone(),
            };
            let leave = leave.clone();
            // Weak: a thread must not keep the load alive that nobody wants any more.
            let others = Arc::downgrade(&threads.orders);
            let work = move || {
                worker::run(job, move |left| {
                    let failed = left.as_ref().map_or(true, |left| left.failure.is_some());
                    if let Some(others) = others.upgrade().filter(|_| failed) {
                        others.send_replace(LoadCommand::Stop);
                    }
                    drop(leave.send(left));
                });
            };
            let name = format!("load-{thread}");
            let handle = std::thread::Builder::new().name(name).spawn(work).map_err(LoadError::Thread)?;
            threads.handles.push(handle);
            threads.live.push(live);
            threads.calls.push(call);
        }
        Ok(threads)
    }

    /// Waits until every thread has said that it is.
    fn all_ready(&self, readiness: &mpsc::Receiver<Result<(), LoadError>>) -> Result<(), LoadError> {
        for _ in &self.handles {
            loop {
                match readiness.recv_timeout(Duration::from_millis(100)) {
                    Ok(ready) => break ready?,
                    // What a thread said just before it ended is still there.
                    Err(_) if self.handles.iter().any(JoinHandle::is_finished) => {
                        break readiness.try_recv().unwrap_or(Err(LoadError::Died))?;
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    fn seen_by_script(&self, address: SocketAddr) -> Vec<Thread> {
        self.calls.iter().map(|calls| Thread { calls: calls.clone(), address: Cell::new(address) }).collect()
    }
}

/// A load under way.
pub struct Running {
    plan: LoadPlan,
    threads: Threads,
}

/// Tells a load to end, from wherever that is decided.
#[derive(Clone)]
pub struct Control {
    orders: Arc<watch::Sender<LoadCommand>>,
}

impl Control {
    /// No further arrivals; what is in flight may finish within the plan's drain.
    pub fn end_arrivals(&self) {
        self.orders.send_if_modified(|order| {
            let running = matches!(order, LoadCommand::Run(_));
            if running {
                *order = LoadCommand::EndArrivals;
            }
            running
        });
    }

    /// The load ends at once, and accounts for what it leaves.
    pub fn stop(&self) {
        self.orders.send_replace(LoadCommand::Stop);
    }
}

impl Running {
    pub fn control(&self) -> Control {
        Control { orders: Arc::clone(&self.threads.orders) }
    }

    /// What can be seen of each thread while it runs.
    pub fn live(&self) -> Vec<Arc<LiveCounters>> {
        self.threads.live.clone()
    }

    /// Counts what is due and what is sent.
    pub fn traffic(&self) -> Traffic {
        Traffic::new(&self.plan, self.live())
    }

    /// All threads are done.
    pub fn is_finished(&self) -> bool {
        let Threads { live, handles, .. } = &self.threads;
        live.iter().zip(handles).all(|(live, handle)| live.is_over() || handle.is_finished())
    }

    /// Waits for the end and joins what the threads leave. Blocks.
    ///
    /// # Errors
    /// [`LoadError::Died`] where a thread panicked, [`LoadError::Thread`] where the system failed it.
    pub fn finish(self) -> Result<LoadResult, LoadError> {
        let Threads { left, handles, calls, main, .. } = self.threads;
        let mut threads = Vec::with_capacity(handles.len());
        for _ in &handles {
            threads.push(left.recv().map_err(|_| LoadError::Died)?.map_err(LoadError::Thread)?);
        }
        threads.sort_by_key(|left| left.thread);
        Ok(LoadResult { plan: self.plan, threads, script: main.map(|main| ScriptHandle { main, _calls: calls }) })
    }
}
