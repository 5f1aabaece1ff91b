//! What has to be so before a load begins: the target is there, and enough files may be open.

use std::net::ToSocketAddrs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::LoadError;
use super::plan::{LoadPlan, WhenBusy};
use super::transport::Transport;

/// Raises the limit on open files as far as it goes.
pub fn allow_files(plan: &LoadPlan) -> Result<(), LoadError> {
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
pub fn reach(plan: &LoadPlan) -> Result<Transport, LoadError> {
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
