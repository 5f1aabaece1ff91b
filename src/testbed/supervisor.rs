use std::io;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::child::{ChildProcesses, Death, Running};
use super::link_handle::{LinkHandle, Probe};
use super::plan::TestbedPlan;
use super::role::Role;

/// Why the testbed cannot be, or do, what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    #[error("no thread to start processes from")]
    ChildProcesses(#[source] io::Error),
    #[error("the testbed's program cannot be found; is it still where it was started from?")]
    Program(#[source] io::Error),
    #[error("{role} cannot be started")]
    Spawn { role: Role, source: io::Error },
    #[error("{role} did not get ready ({status}): {stderr}")]
    NotReady { role: Role, status: String, stderr: String },
    #[error("the testbed's link did not {command}: {why}")]
    Link { command: String, why: String },
}

/// A running testbed. Its processes end with it, and with the process that holds it, however that ends.
pub struct Testbed {
    // In the order of `Role::ALL`.
    running: [Running; 4],
    link: LinkHandle,
    url: String,
    deaths: UnboundedReceiver<Death>,
    // Last, so that it outlives those who need it to live.
    _nursery: ChildProcesses,
}

impl Testbed {
    /// Starts the four processes, each `program testbed ROLE`, and waits until they serve. `program` is this program
    /// itself if not given. Needs a tokio runtime with everything enabled, which lives as long as the testbed.
    ///
    /// # Errors
    /// [`TestbedError`]; what a role had to say about it is in there. Nothing is left running.
    pub async fn start(plan: &TestbedPlan, program: Option<&Path>) -> Result<Testbed, TestbedError> {
        let program = program.map(Path::to_owned).map_or_else(std::env::current_exe, Ok);
        let nursery = ChildProcesses::new().map_err(TestbedError::ChildProcesses)?;
        let (died, deaths) = unbounded_channel();
        let start = Starter { program: program.map_err(TestbedError::Program)?, nursery, died };

        let db = start.role(Role::PostDb, &[]).await?;
        let mut link = start.role(Role::Link, &["--to", &db.ready.address.to_string()]).await?;
        let storage = start
            .role(
                Role::PostStorage,
                &[
                    "--db",
                    &link.ready.address.to_string(),
                    "--db-timeout",
                    &plan.db_timeout.to_string(),
                    "--storage-time",
                    &plan.storage_time.to_string(),
                ],
            )
            .await?;
        let compose = start
            .role(
                Role::ComposePost,
                &[
                    "--storage",
                    &storage.ready.address.to_string(),
                    "--budget",
                    &plan.budget.0.to_string(),
                    "--hold",
                    &plan.hold.to_string(),
                    "--db-timeout",
                    &plan.db_timeout.to_string(),
                    "--storage-time",
                    &plan.storage_time.to_string(),
                    "--scenario",
                    plan.scenario.name(),
                    "--workers",
                    &plan.workers.to_string(),
                    "--service-time",
                    &plan.service_time.to_string(),
                    "--queue",
                    &plan.queue.to_string(),
                ],
            )
            .await?;
        let (Some(stdin), Some(stdout)) = (link.stdin.take(), link.stdout.take()) else {
            return Err(TestbedError::Link { command: "start".into(), why: "it has no pipes".into() });
        };
        let handle = LinkHandle::new(link.ready.address, stdin, stdout);
        let url = format!("http://{}", compose.ready.address);
        Ok(Testbed { running: [compose, storage, link, db], link: handle, url, deaths, _nursery: start.nursery })
    }

    /// Where compose-post takes posts: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn pid(&self, role: Role) -> u32 {
        self.get(role).pid
    }

    /// What compose-post's private memory is limited to, in bytes: the budget, and what it had before.
    pub fn limit_bytes(&self) -> u64 {
        self.get(Role::ComposePost).ready.limit.unwrap_or(u64::MAX)
    }

    /// How many files, and so about how many connections, a role may have open.
    pub fn open_files(&self, role: Role) -> u64 {
        self.get(role).ready.open_files
    }

    /// What a role has written to stderr, its last lines: warnings for the user.
    pub fn stderr(&self, role: Role) -> String {
        self.get(role).stderr.text()
    }

    /// Commands the link between post-storage and post-db.
    pub fn link(&self) -> LinkHandle {
        self.link.clone()
    }

    /// Whether post-db answers through the link: [`LinkHandle::probe`].
    pub async fn probe_link(&self) -> Probe {
        self.link.probe().await
    }

    /// The next process that ended by itself; `None` when there is none left to end.
    pub async fn death(&mut self) -> Option<Death> {
        self.deaths.recv().await
    }

    /// Takes over [`Self::death`]s, for a task that watches for them while the testbed is used elsewhere.
    pub fn take_deaths(&mut self) -> UnboundedReceiver<Death> {
        std::mem::replace(&mut self.deaths, unbounded_channel().1)
    }

    /// Ends all processes, and waits until they are gone. Dropping ends them too, without waiting.
    pub async fn stop(self) {
        for running in self.running {
            running.stop().await;
        }
    }

    fn get(&self, role: Role) -> &Running {
        let [compose, storage, link, db] = &self.running;
        match role {
            Role::ComposePost => compose,
            Role::PostStorage => storage,
            Role::Link => link,
            Role::PostDb => db,
        }
    }
}

struct Starter {
    program: PathBuf,
    nursery: ChildProcesses,
    died: UnboundedSender<Death>,
}

impl Starter {
    async fn role(&self, role: Role, args: &[&str]) -> Result<Running, TestbedError> {
        let mut command = Command::new(&self.program);
        command.args(["testbed", role.name(), "--parent", &std::process::id().to_string()]).args(args);
        Running::start(&self.nursery, role, command, self.died.clone()).await
    }
}
