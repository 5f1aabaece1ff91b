//! Checks before a load starts: the target can be reached, enough files may be open, and the script makes requests.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::LoadError;
use super::plan::{LoadPlan, Timestamps, WhenBusy};
use super::thread::requests::environment;
use super::thread::worker::init_script;
use super::transport::Transport;
use super::transport::http2::Session;
use crate::script::Vm;

/// Raises the limit on open files to the hard limit.
///
/// # Errors
/// [`LoadError::Files`] if the connections of the plan need more.
pub fn raise_file_limit(plan: &LoadPlan) -> Result<(), LoadError> {
    let limit = raise_to_hard_limit();
    let connections = match plan.when_busy {
        WhenBusy::Wait | WhenBusy::Pipeline => plan.connections,
        WhenBusy::Open => plan.max_connections,
    };
    // The loads of other URLs are like this one.
    let needed = (connections as u64 + OTHER_FILES * plan.threads as u64) * u64::from(plan.part.of);
    if needed > limit { Err(LoadError::Files { needed, limit }) } else { Ok(()) }
}

/// Raises the limit on open files to the hard limit, and returns it.
pub fn raise_to_hard_limit() -> u64 {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // If this fails, the current limit may still be enough.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Open files per thread in addition to its connections. This includes a share for the rest of the program.
const OTHER_FILES: u64 = 32;

/// The timeout of the first connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Finds the first address of the target that accepts a connection of the load. Blocks.
///
/// # Errors
/// [`LoadError`] if none does.
pub fn probe_target(plan: &LoadPlan) -> Result<SocketAddr, LoadError> {
    connect_target(plan).map(|(_, address)| address)
}

/// Like [`probe_target`]. Returns the transport too, to connect again.
pub(crate) fn connect_target(plan: &LoadPlan) -> Result<(Transport, SocketAddr), LoadError> {
    let target = plan.target();
    let (host, service) = (target.host.clone(), target.service());
    if let Some(path) = &plan.unix_socket {
        return connect_unix(plan, path);
    }
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
    if plan.timestamps == Timestamps::Kernel && !transport.has_timestamps() {
        return Err(LoadError::Timestamps);
    }
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

/// The same for a unix socket, which has no address. Scripts see that of the local host.
fn connect_unix(plan: &LoadPlan, path: &Path) -> Result<(Transport, SocketAddr), LoadError> {
    let transport = Transport::new(plan)?;
    if plan.timestamps == Timestamps::Kernel {
        return Err(LoadError::Timestamps);
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, plan.target().port()));
    match connect_once(plan, &transport, address) {
        Ok(()) => Ok((transport, address)),
        Err(error) => Err(LoadError::ConnectUnix { path: path.to_owned(), error }),
    }
}

/// Lets the script build `count` requests for `address`, which are not sent. Returns the mean time per request.
///
/// # Errors
/// [`LoadError::Script`] if it makes none. A script that never returns blocks forever.
pub fn time_script(plan: &LoadPlan, address: SocketAddr, count: u32) -> Result<Duration, LoadError> {
    let script = Vm::load(plan.script.as_ref(), &environment(plan, 0))?;
    script.set_address(address);
    let mut requests = init_script(script, plan, std::sync::Arc::default())?;
    let start = Instant::now();
    for _ in 0..count {
        let payload = requests.next()?;
        if payload.is_last {
            break;
        }
        requests.recycle(payload);
    }
    Ok(start.elapsed() / count.max(1))
}

/// Connects as the load does, with HTTP/2 until the server has answered, and closes the connection. Blocks.
fn connect_once(plan: &LoadPlan, transport: &Transport, address: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connect = async {
        let stream = transport.connect(address).await?;
        if plan.http2 { Session::new(stream).await.map(drop) } else { Ok(()) }
    };
    let connected = runtime.block_on(async { tokio::time::timeout(CONNECT_TIMEOUT, connect).await });
    let timed_out =
        || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()));
    connected.map_err(|_| timed_out())?
}
