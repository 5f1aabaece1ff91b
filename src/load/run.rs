//! All threads of a load: started together, told together, their results joined.

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;

use super::log::{Latencies, Live};
use super::main_script::{Call, MainScript, Thread, Told};
use super::plan::{LoadPlan, WhenBusy};
use super::worker::{self, Job, Left, Order};
use crate::record::event::Generator;
use crate::record::tape::Recorder;
use crate::record::{Account, Clock};
use crate::script::ScriptError;
use crate::target::Target;

/// Why a load did not begin, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("unable to resolve {host}:{service} {why}")]
    Resolve { host: String, service: String, why: String },
    #[error("unable to connect to {host}:{service} {why}")]
    Connect { host: String, service: String, why: String },
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(
        "{needed} open files are needed for so many connections, and only {limit} allowed; raise the hard limit (ulimit -Hn) or take fewer with --connections or --max-connections"
    )]
    Files { needed: u64, limit: u64 },
    #[error("a thread of the generator could not be started: {0}; try fewer threads")]
    Thread(io::Error),
    #[error("a thread of the generator died; please report this with the command that did it")]
    Died,
}

/// A load whose threads have connected and verified their scripts, and wait for the start.
pub struct Prepared {
    plan: LoadPlan,
    threads: Threads,
}

/// The threads of a load, and all ways to them.
struct Threads {
    orders: Arc<watch::Sender<Order>>,
    handles: Vec<JoinHandle<()>>,
    left: mpsc::Receiver<io::Result<Left>>,
    live: Vec<Arc<Live>>,
    calls: Vec<mpsc::Sender<Call>>,
    main: Option<MainScript>,
}

impl Prepared {
    /// Finds the target, starts the threads, runs the script's `setup` for each, and has each verify its script.
    ///
    /// # Errors
    /// [`LoadError`] before any load: the target is not there, or the script makes no requests.
    pub fn new(plan: LoadPlan, recorder: Option<&Recorder>) -> Result<Prepared, LoadError> {
        let address = reach(plan.target())?;
        allow_files(&plan)?;
        let (ready, readiness) = mpsc::channel();
        let mut threads = Threads::start(&plan, address, recorder, &ready)?;
        threads.all_ready(&readiness)?;
        if let Some(script) = &plan.script {
            threads.main = Some(MainScript::set_up(&plan, script, threads.seen_by_script(address))?);
        }
        threads.calls.iter().for_each(|calls| drop(calls.send(Call::Proceed)));
        threads.all_ready(&readiness)?;
        Ok(Prepared { plan, threads })
    }

    /// Load begins at the clock's zero.
    pub fn start(self, clock: Clock) -> Running {
        self.threads.orders.send_replace(Order::Run(clock));
        Running { plan: self.plan, threads: self.threads }
    }
}

impl Threads {
    fn start(
        plan: &LoadPlan,
        address: SocketAddr,
        recorder: Option<&Recorder>,
        ready: &mpsc::Sender<Result<(), LoadError>>,
    ) -> Result<Threads, LoadError> {
        let (orders, received) = watch::channel(Order::Prepare);
        let (leave, left) = mpsc::channel();
        let orders = Arc::new(orders);
        let mut threads =
            Threads { orders, left, handles: Vec::new(), live: Vec::new(), calls: Vec::new(), main: None };
        for thread in 0..plan.threads {
            let live = Arc::new(Live::default());
            let (call, calls) = mpsc::channel();
            let job = Job {
                plan: plan.clone(),
                thread,
                address,
                tape: recorder.map(Recorder::tape),
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
                    let failed = left.as_ref().is_ok_and(|left| left.failure.is_some());
                    if let Some(others) = others.upgrade().filter(|_| failed) {
                        others.send_replace(Order::Stop);
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
                    Err(_) if self.handles.iter().any(JoinHandle::is_finished) => return Err(LoadError::Died),
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
    orders: Arc<watch::Sender<Order>>,
}

impl Control {
    /// No further arrivals; what is in flight may finish within the plan's drain.
    pub fn end_arrivals(&self) {
        self.orders.send_if_modified(|order| {
            let running = matches!(order, Order::Run(_));
            if running {
                *order = Order::EndArrivals;
            }
            running
        });
    }

    /// The load ends at once, and accounts for what it leaves.
    pub fn stop(&self) {
        self.orders.send_replace(Order::Stop);
    }
}

impl Running {
    pub fn control(&self) -> Control {
        Control { orders: Arc::clone(&self.threads.orders) }
    }

    /// What can be seen of each thread while it runs.
    pub fn live(&self) -> Vec<Arc<Live>> {
        self.threads.live.clone()
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
    pub fn finish(self) -> Result<Loaded, LoadError> {
        let Threads { left, handles, calls, main, .. } = self.threads;
        let mut threads = Vec::with_capacity(handles.len());
        for _ in &handles {
            threads.push(left.recv().map_err(|_| LoadError::Died)?.map_err(LoadError::Thread)?);
        }
        threads.sort_by_key(|left| left.thread);
        Ok(Loaded { plan: self.plan, threads, script: main.map(|main| AtRest { main, _calls: calls }) })
    }
}

/// What a load leaves.
pub struct Loaded {
    pub plan: LoadPlan,
    pub threads: Vec<Left>,
    script: Option<AtRest>,
}

/// The Lua states after a run: the main one may still ask the others.
struct AtRest {
    main: MainScript,
    /// As long as these are there, the threads answer.
    _calls: Vec<mpsc::Sender<Call>>,
}

impl Loaded {
    pub fn account(&self) -> Account {
        let mut account = Account::default();
        self.threads.iter().for_each(|thread| account.merge(&thread.account));
        account
    }

    pub fn latencies(&self) -> Latencies {
        let mut all = Latencies::default();
        self.threads.iter().for_each(|thread| all.merge(&thread.latencies));
        all
    }

    /// Runs the script's `done`, where it has one. Blocks as long as that takes.
    ///
    /// # Errors
    /// [`ScriptError`] where it fails.
    pub fn tell_script(&mut self, told: Told) -> Result<(), ScriptError> {
        self.script.take().map_or(Ok(()), |script| script.main.done(told))
    }

    /// How long load went on, in ns: to the end of arrivals, or to where it was stopped.
    pub fn duration(&self) -> u64 {
        self.threads.iter().map(|thread| thread.until).max().unwrap_or(0)
    }

    /// What the script did wrong, if it ended the run.
    pub fn failure(&self) -> Option<&ScriptError> {
        self.threads.iter().find_map(|thread| thread.failure.as_ref())
    }

    /// The generator's account of itself.
    pub fn generator(&self) -> Generator {
        let sum = |of: fn(&Left) -> u64| self.threads.iter().map(of).sum();
        Generator {
            cpu_ns: sum(|thread| thread.cpu),
            connections_opened: sum(|thread| thread.opened),
            in_flight_max: sum(|thread| thread.in_flight_max),
            connect_errors: sum(|thread| thread.connect_errors),
            bound_reached: self.threads.iter().any(|thread| thread.bound_reached),
            records_dropped: sum(|thread| thread.dropped),
        }
    }
}

/// Raises the limit on open files as far as it goes.
fn allow_files(plan: &LoadPlan) -> Result<(), LoadError> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where even this is refused, what is allowed already has to do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = match plan.when_busy {
        WhenBusy::Wait | WhenBusy::Pipeline => plan.connections,
        WhenBusy::Open => plan.max_connections,
    };
    let needed = connections as u64 + OTHER_FILES * plan.threads as u64;
    if needed > limit { Err(LoadError::Files { needed, limit }) } else { Ok(()) }
}

/// Files that a thread has open besides its connections, and some for the rest of the program.
const OTHER_FILES: u64 = 32;

/// The address of the target that takes a connection: the first, if none does.
fn reach(target: &Target) -> Result<SocketAddr, LoadError> {
    let (host, service) = (target.host.clone(), target.service());
    let addresses = match (host.as_str(), target.port()).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => {
            let text = error.to_string();
            let why = text.rsplit(": ").next().unwrap_or(&text).to_owned();
            return Err(LoadError::Resolve { host, service, why });
        }
    };
    let mut why = "no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
            Ok(_) => return Ok(address),
            Err(error) => {
                let text = error.to_string();
                why = text.split(" (os error").next().unwrap_or(&text).to_owned();
            }
        }
    }
    Err(LoadError::Connect { host, service, why })
}
