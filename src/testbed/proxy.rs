//! A link in front of a service of the user: the role link, without the rest of the testbed.

use std::net::SocketAddr;
use std::path::Path;

use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::error::TestbedError;
use super::link_handle::{LinkHandle, ProbeKind};
use super::process::{ProcessExit, ProcessSpawner, RoleProcess};
use super::role::Role;

/// A running proxy. Its process ends when it is dropped, and when this process ends for any reason: what listens to it then
/// finds nothing.
pub struct ProxyProcess {
    process: RoleProcess,
    link: LinkHandle,
    exits: UnboundedReceiver<ProcessExit>,
    // Must be dropped last: the kernel kills the process when the thread of the spawner ends.
    _spawner: ProcessSpawner,
}

impl ProxyProcess {
    /// Starts a proxy on `listen` that forwards connections to `to`, and waits until it listens. Without `program`, the file of
    /// the current process is used. Must be called in a tokio runtime with all drivers enabled that lives as long as the proxy.
    ///
    /// # Errors
    /// [`TestbedError::Proxy`] if the address cannot be listened on.
    pub async fn start(listen: SocketAddr, to: &str, program: Option<&Path>) -> Result<ProxyProcess, TestbedError> {
        let program = program.map(Path::to_owned).map_or_else(std::env::current_exe, Ok);
        let spawner = ProcessSpawner::new().map_err(TestbedError::Spawner)?;
        let (sender, exits) = unbounded_channel();
        let mut command = Command::new(program.map_err(TestbedError::Program)?);
        let (role, parent, address) = (Role::Link, std::process::id().to_string(), listen.to_string());
        command.args(["testbed", role.name(), "--parent", &parent, "--listen", &address, "--to", to]);
        let failed = |why: String| TestbedError::Proxy { listen, why };
        let mut process = RoleProcess::start(&spawner, role, command, sender).await.map_err(|error| match error {
            TestbedError::NotReady { stderr, .. } => failed(last_cause(&stderr)),
            error => error,
        })?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let name = format!("the proxy on {listen}");
        let link = LinkHandle::new(&name, ProbeKind::Echo, process.ready.address, stdin, stdout);
        Ok(ProxyProcess { process, link, exits, _spawner: spawner })
    }

    /// Controls what the proxy passes.
    pub fn link(&self) -> &LinkHandle {
        &self.link
    }

    /// Ends the proxy, and waits until its address is free again.
    pub async fn stop(self) {
        self.process.stop().await;
    }

    /// Waits until the process ends unexpectedly.
    pub async fn next_exit(&mut self) -> Option<ProcessExit> {
        self.exits.recv().await
    }
}

/// What a program said last, without what it was doing: `Address already in use (os error 98)`.
fn last_cause(stderr: &str) -> String {
    let line = stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it ended at once");
    line.rsplit_once(": ").map_or(line, |(_, cause)| cause).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cause_is_what_matters() {
        let stderr = "error: link cannot serve: Address already in use (os error 98)\n";
        assert_eq!(last_cause(stderr), "Address already in use (os error 98)");
        assert_eq!(last_cause("killed"), "killed");
        assert_eq!(last_cause("\n"), "it ended at once");
    }
}
