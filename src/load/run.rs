//! All threads of a load: started together, told together, their results joined.

use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;

use super::log::{Latencies, Live};
use super::plan::{LoadPlan, WhenBusy};
use super::tls::TlsError;
use super::transport::Transport;
use super::worker::{self, Job, Left, Order};
use crate::record::event::Generator;
use crate::record::tape::Recorder;
use crate::record::{Account, Clock};
use crate::script::ScriptError;

/// Why a load did not begin, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("unable to resolve {host}:{service} {why}")]
    Resolve { host: String, service: String, why: String },
    #[error("unable to connect to {host}:{service} {why}")]
    Connect { host: String, service: String, why: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
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
    orders: Arc<watch::Sender<Order>>,
    threads: Vec<JoinHandle<io::Result<Left>>>,
    live: Vec<Arc<Live>>,
}

impl Prepared {
    /// Finds the target, starts the threads, and has each verify its script.
    ///
    /// # Errors
    /// [`LoadError`] before any load: the target is not there, or the script makes no requests.
    pub fn new(plan: LoadPlan, recorder: Option<&Recorder>) -> Result<Prepared, LoadError> {
        let transport = reach(&plan)?;
        allow_files(&plan)?;
        let (orders, received) = watch::channel(Order::Prepare);
        let (ready, readiness) = mpsc::channel();
        let orders = Arc::new(orders);
        let mut prepared = Prepared { plan, orders, threads: Vec::new(), live: Vec::new() };
        for thread in 0..prepared.plan.threads {
            let live = Arc::new(Live::default());
            let job = Job {
                plan: prepared.plan.clone(),
                thread,
                transport: transport.at(transport.address()),
                tape: recorder.map(Recorder::tape),
                live: Arc::clone(&live),
                orders: received.clone(),
            };
            let ready = ready.clone();
            // Weak: a thread must not keep the load alive that nobody wants any more.
            let others = Arc::downgrade(&prepared.orders);
            let handle = std::thread::Builder::new()
                .name(format!("load-{thread}"))
                .spawn(move || {
                    let left = worker::run(job, |result| drop(ready.send(result)))?;
                    if left.failure.is_some()
                        && let Some(others) = others.upgrade()
                    {
                        others.send_replace(Order::Stop);
                    }
                    Ok(left)
                })
                .map_err(LoadError::Thread)?;
            prepared.threads.push(handle);
            prepared.live.push(live);
        }
        drop(ready);
        for _ in 0..prepared.plan.threads {
            readiness.recv().map_err(|_| LoadError::Died)??;
        }
        Ok(prepared)
    }

    /// Load begins at the clock's zero.
    pub fn start(self, clock: Clock) -> Running {
        self.orders.send_replace(Order::Run(clock));
        Running { plan: self.plan, orders: self.orders, threads: self.threads, live: self.live }
    }
}

/// A load under way.
pub struct Running {
    plan: LoadPlan,
    orders: Arc<watch::Sender<Order>>,
    threads: Vec<JoinHandle<io::Result<Left>>>,
    live: Vec<Arc<Live>>,
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
        Control { orders: Arc::clone(&self.orders) }
    }

    /// What can be seen of each thread while it runs.
    pub fn live(&self) -> Vec<Arc<Live>> {
        self.live.clone()
    }

    /// All threads are done.
    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for the end and joins what the threads leave. Blocks.
    ///
    /// # Errors
    /// [`LoadError::Died`] where a thread panicked, [`LoadError::Thread`] where the system failed it.
    pub fn finish(self) -> Result<Loaded, LoadError> {
        let mut threads = Vec::with_capacity(self.threads.len());
        for handle in self.threads {
            let left = handle.join().map_err(|_| LoadError::Died)?.map_err(LoadError::Thread)?;
            threads.push(left);
        }
        Ok(Loaded { plan: self.plan, threads })
    }
}

/// What a load leaves.
pub struct Loaded {
    pub plan: LoadPlan,
    pub threads: Vec<Left>,
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

    /// How long load went on, in ns: to the end of arrivals, or to where it was stopped.
    pub fn duration(&self) -> u64 {
        self.threads.iter().map(|thread| thread.until).max().unwrap_or(0)
    }

    /// With HTTP/2: the fewest streams that the server took on a connection, where that is fewer than planned.
    pub fn fewest_streams(&self) -> Option<usize> {
        self.threads.iter().map(|thread| thread.fewest_streams).min().filter(|&fewest| fewest < self.plan.streams)
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

/// The way to the first of the target's addresses that takes a connection.
fn reach(plan: &LoadPlan) -> Result<Transport, LoadError> {
    let target = plan.target();
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
        let transport = Transport::new(plan, address)?;
        match transport.reach() {
            Ok(()) => return Ok(transport),
            Err(error) => {
                let text = error.to_string();
                why = text.split(" (os error").next().unwrap_or(&text).to_owned();
            }
        }
    }
    Err(LoadError::Connect { host, service, why })
}
