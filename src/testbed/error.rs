use std::io;
use std::net::SocketAddr;

use super::role::Role;

/// Why the testbed did not start, or did not execute a command.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    #[error("cannot create the thread that starts the testbed's processes")]
    Spawner(#[source] io::Error),
    #[error("cannot find the program file for the testbed's processes. Do not move or delete it during a run.")]
    Program(#[source] io::Error),
    #[error("cannot start the testbed's process {role}")]
    Spawn { role: Role, source: io::Error },
    #[error("the testbed's process {role} did not become ready ({status}): {stderr}")]
    NotReady { role: Role, status: String, stderr: String },
    #[error("{link} did not execute `{command}`: {why}")]
    Link { link: String, command: String, why: String },
    #[error("cannot start the proxy on {listen}: {why}. Choose another `listen`, or end the program that uses it.")]
    Proxy { listen: SocketAddr, why: String },
}
