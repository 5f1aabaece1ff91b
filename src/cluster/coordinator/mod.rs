//! The coordinator: the command that the user typed. It starts the parts, gives them the plan, starts the load on all of
//! them at once, and merges what they return. For the rest of the program it is one load.

mod active;
mod desk;
mod host;
mod merge;
mod part;
mod remote_thread;
mod rows;
mod server;

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::bundle::{Bundle, DataFile};
use super::launch::{LaunchOrder, MakeLauncher};
use super::meeting::{Answer, MeetingSettings, OnLost, State};
use super::protocol::{ToPart, version};
use super::split::plan_of_part;
use super::token::Token;
use crate::arrivals::GeneratorPart;
use crate::load::plan::LoadPlan;
use crate::load::preflight::raise_to_hard_limit;
use crate::load::{ActiveLoad, Generator, LoadError, MainScript, ReadyLoad};
use crate::record::Clock;
use crate::record::sink::RecordSenders;
use crate::script::ThreadHandle;
use crate::units::Time;
use active::ActiveCluster;
use desk::Desk;
use host::Host;
use remote_thread::RemoteThread;
use server::{Shared, now};

/// How often the coordinator looks whether the parts have come further.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How many of these pass between two checks of the launcher.
const CHECKS: u32 = 10;

/// Several generators that send one load.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub parts: u16,
    pub launcher: MakeLauncher,
    /// Where to listen. Without an address, where the parts reach this machine. Port 0: a free one.
    pub listen: (Option<IpAddr>, u16),
    /// A random one, unless the user has chosen it.
    pub token: Option<Token>,
    /// All parts must be ready within this time.
    pub join_timeout: Time,
    pub on_lost: OnLost,
    /// Data files of the scripts.
    pub files: Vec<DataFile>,
}

/// All parts have prepared their loads.
struct ReadyCluster {
    host: Host,
    plans: Vec<LoadPlan>,
    on_lost: OnLost,
    /// The main script of each load that has one.
    scripts: Vec<Option<MainScript>>,
}

impl Generator for Cluster {
    fn parts(&self) -> Option<u16> {
        Some(self.parts)
    }

    fn prepare(
        &self,
        plans: Vec<LoadPlan>,
        senders: Option<&RecordSenders>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Box<dyn ReadyLoad>, LoadError> {
        let fail = |why: &dyn std::fmt::Display| LoadError::NotStarted(why.to_string());
        check_parts(&plans, self.parts)?;
        let bundle = Bundle::new(&plans, self.files.clone()).map_err(|error| fail(&error))?;
        let host = self.open(&plans, bundle, senders).map_err(|error| fail(&error))?;
        host.wait_for(is_cancelled, |desk| desk.parts().iter().all(|part| part.addresses.is_some()))?;
        let scripts = set_up_scripts(&host, &plans, is_cancelled)?;
        host.shared.desk().push_all(&ToPart::Proceed);
        host.wait_for(is_cancelled, |desk| desk.parts().iter().all(|part| part.is_prepared))?;
        Ok(Box::new(ReadyCluster { host, plans, on_lost: self.on_lost, scripts }))
    }
}

impl Cluster {
    /// Listens, and launches the parts.
    fn open(&self, plans: &[LoadPlan], bundle: Bundle, senders: Option<&RecordSenders>) -> Result<Host, String> {
        raise_to_hard_limit();
        let mut launcher = self.launcher.make();
        let address = match self.listen.0 {
            Some(address) => address,
            None => launcher.address().map_err(|error| error.to_string())?,
        };
        let address = SocketAddr::new(address, self.listen.1);
        let cannot = |error| format!("cannot listen at {address}: {error}. Choose another address with --listen");
        let listener = TcpListener::bind(address).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let token = self.token.clone().map_or_else(Token::random, Ok).map_err(|error| error.to_string())?;
        let order = LaunchOrder { parts: self.parts, address, token, plan_hash: bundle.checksum() };
        let settings = MeetingSettings {
            parts: self.parts,
            token: order.token.reveal().to_owned(),
            version: version(),
            plan_hash: order.plan_hash.clone(),
            join_timeout: self.join_timeout,
            on_lost: self.on_lost,
        };
        let threads = plans.first().map_or(1, |plan| plan.threads);
        let desk = Desk::new(settings, (plans.len(), threads), now());
        let shared = Arc::new(Shared::new(desk, bundle, senders.cloned(), (threads, self.parts)));
        let mut host = Host::start(listener, shared, launcher).map_err(|error| error.to_string())?;
        host.launch(&order).map_err(|error| error.to_string())?;
        Ok(host)
    }
}

/// Refuses a load that cannot be divided.
fn check_parts(plans: &[LoadPlan], parts: u16) -> Result<(), LoadError> {
    let threads: usize = plans.iter().map(|plan| plan.threads * usize::from(parts)).sum();
    if threads >= usize::from(u16::MAX) {
        let why = format!("{threads} threads in {parts} parts are too many, and 65534 is the most. Lower `threads`");
        return Err(LoadError::NotStarted(why));
    }
    // The last part has the fewest connections.
    let last = GeneratorPart { index: parts.saturating_sub(1), of: parts };
    for plan in plans {
        plan_of_part(plan, last).map_err(|error| {
            LoadError::NotStarted(format!(
                "the load cannot be divided into {parts} parts: {error}. Each part has all `threads`, and its share of the \
                 `connections`"
            ))
        })?;
    }
    Ok(())
}

/// Runs the script's `setup` function over the threads of all parts.
fn set_up_scripts(
    host: &Host,
    plans: &[LoadPlan],
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Vec<Option<MainScript>>, LoadError> {
    let mut scripts = Vec::new();
    for (load, plan) in plans.iter().enumerate() {
        let Some(script) = plan.script.clone() else {
            scripts.push(None);
            continue;
        };
        let threads = remote_threads(&host.shared, load, plan.threads);
        let (sender, result) = mpsc::channel();
        let plan = plan.clone();
        let set_up = move || drop(sender.send(MainScript::set_up(&plan, &script, threads)));
        std::thread::Builder::new().name("setup".into()).spawn(set_up).map_err(LoadError::Thread)?;
        let mut done = None;
        host.wait_for(is_cancelled, |_| {
            done = result.try_recv().ok();
            done.is_some()
        })?;
        scripts.push(done.transpose()?);
    }
    Ok(scripts)
}

fn remote_threads(shared: &Arc<Shared>, load: usize, threads: usize) -> Vec<Box<dyn ThreadHandle + Send>> {
    let addresses: Vec<SocketAddr> = {
        let desk = shared.desk();
        desk.parts().iter().filter_map(|part| part.addresses.as_ref()?.get(load).copied()).collect()
    };
    let mut all: Vec<Box<dyn ThreadHandle + Send>> = Vec::new();
    for (address, part) in addresses.into_iter().zip(0..) {
        for thread in 0..threads {
            let address = Cell::new(address);
            all.push(Box::new(RemoteThread { shared: Arc::clone(shared), part, load, thread, address }));
        }
    }
    all
}

impl ReadyLoad for ReadyCluster {
    fn start(self: Box<Self>, _lead: Time) -> Result<Box<dyn ActiveLoad>, LoadError> {
        let ReadyCluster { host, plans, on_lost, scripts } = *self;
        host.shared.desk().push_all(&ToPart::Begin);
        host.wait_for(&|| false, |desk| desk.meeting().start().is_some())?;
        let start = host.shared.desk().meeting().start();
        let start = start.ok_or_else(|| LoadError::NotStarted("the load was stopped before its start".to_owned()))?;
        host.shared.desk().push_all(&ToPart::Answer(Answer::Start { at: start }));
        let clock = Clock::starting_at(start.0);
        Ok(Box::new(ActiveCluster::new(host, plans, on_lost, scripts, clock)))
    }
}

impl Host {
    /// Waits until `is_done`, while no part has started.
    ///
    /// # Errors
    /// [`LoadError::NotStarted`] if the load was stopped or cancelled.
    fn wait_for(
        &self,
        is_cancelled: &dyn Fn() -> bool,
        mut is_done: impl FnMut(&Desk) -> bool,
    ) -> Result<(), LoadError> {
        for round in 0u32.. {
            {
                let mut desk = self.shared.desk();
                if let State::Stopped { because, .. } = desk.meeting().state() {
                    return Err(LoadError::NotStarted(format!("nothing was sent: {because}")));
                }
                if is_done(&desk) {
                    return Ok(());
                }
                if is_cancelled() {
                    desk.stop("the load was cancelled".to_owned());
                    continue;
                }
                if round % CHECKS == 0 && desk.meeting().members().iter().any(Option::is_none) {
                    drop(desk);
                    self.check_launcher()?;
                }
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    fn check_launcher(&self) -> Result<(), LoadError> {
        self.check().map_err(|error| LoadError::NotStarted(format!("nothing was sent: {error}")))
    }
}
