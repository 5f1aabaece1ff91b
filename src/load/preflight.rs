//! What has to be so before a load begins: the target is there, enough files may be open, and the script makes requests.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::LoadError;
use super::plan::{LoadPlan, WhenBusy};
use super::thread::requests::environment;
use super::thread::worker::begin;
use super::transport::Transport;
use super::transport::http2::Session;
use crate::script::Vm;

/// Raises the limit on open files as far as it goes.
///
/// # Errors
/// [`LoadError::Files`] where that is not enough.
pub fn allow_files(plan: &LoadPlan) -> Result<(), LoadError> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where even this is refused, what is allowed already has to do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = match plan.when_busy {
        WhenBusy::Wait | WhenBusy::Pipeline => plan.connections,
        WhenBusy::Open => plan.max_connections,
    };
    // Other parts are like this one.
    let needed = (connections as u64 + OTHER_FILES * plan.threads as u64) * u64::from(plan.part.of);
    if needed > limit { Err(LoadError::Files { needed, limit }) } else { Ok(()) }
}

/// Files that a thread has open besides its connections, and some for the rest of the program.
const OTHER_FILES: u64 = 32;

/// The look before any load waits this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first of the target's addresses that takes a connection as the load will make them. Blocks.
///
/// # Errors
/// [`LoadError`]: none does.
pub fn look(plan: &LoadPlan) -> Result<SocketAddr, LoadError> {
    reach(plan).map(|(_, address)| address)
}

/// How to connect, and the first of the target's addresses where that was done once.
pub(crate) fn reach(plan: &LoadPlan) -> Result<(Transport, SocketAddr), LoadError> {
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
    let transport = Transport::new(plan)?;
    for address in addresses {
        match connect_once(plan, &transport, address) {
            Ok(()) => return Ok((transport, address)),
            Err(error) => {
                let text = error.to_string();
                why = text.split(" (os error").next().unwrap_or(&text).to_owned();
            }
        }
    }
    Err(LoadError::Connect { host, service, why })
}

/// Has the script make `count` requests for `address`, which go nowhere; how long each took on the mean.
///
/// # Errors
/// [`LoadError::Script`] where it makes none. A script that never returns blocks for ever.
pub fn rehearse(plan: &LoadPlan, address: SocketAddr, count: u32) -> Result<Duration, LoadError> {
    let script = Vm::load(plan.script.as_ref(), &environment(plan, 0))?;
    script.set_address(address);
    let mut requests = begin(script, plan)?;
    let start = Instant::now();
    for _ in 0..count {
        let made = requests.next()?;
        if made.last {
            break;
        }
        requests.recycle(made);
    }
    Ok(start.elapsed() / count.max(1))
}

/// Connects as the load will (with HTTP/2 until the server has answered in it), and hangs up. Blocks.
fn connect_once(plan: &LoadPlan, transport: &Transport, address: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connect = async {
        let stream = transport.connect(address).await?;
        if plan.http2 { Session::new(stream).await.map(drop) } else { Ok(()) }
    };
    let connected = runtime.block_on(async { tokio::time::timeout(PATIENCE, connect).await });
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} s", PATIENCE.as_secs()));
    connected.map_err(|_| late())?
}
