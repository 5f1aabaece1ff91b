//! Starts the processes of the testbed, and stops them.

use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::error::TestbedError;
use super::link_handle::{LinkHandle, LinkProbe, ProbeKind};
use super::plan::TestbedPlan;
use super::process::{ProcessExit, ProcessSpawner, RoleProcess};
use super::role::Role;

/// The link's name in errors.
const LINK: &str = "the testbed's link";

/// A running testbed. Its processes end when it is dropped, and when this process ends for any reason.
pub struct Testbed {
    // In the order of `Role::ALL`.
    processes: [RoleProcess; 4],
    link: LinkHandle,
    url: String,
    exits: UnboundedReceiver<ProcessExit>,
    // Must be dropped last: the kernel kills the processes when the thread of the spawner ends.
    _spawner: ProcessSpawner,
}

impl Testbed {
    /// Starts the four processes, each as `program testbed ROLE`, and waits until all of them serve. Without `program`,
    /// the file of the current process is used. Must be called in a tokio runtime with all drivers enabled that lives as
    /// long as the testbed.
    ///
    /// # Errors
    /// [`TestbedError`], with the standard error of the role that failed. All processes are stopped.
    pub async fn start(plan: &TestbedPlan, program: Option<&Path>) -> Result<Testbed, TestbedError> {
        let program = program.map(Path::to_owned).map_or_else(std::env::current_exe, Ok);
        let spawner = ProcessSpawner::new().map_err(TestbedError::Spawner)?;
        let (exit_sender, exits) = unbounded_channel();
        let starter = Starter { program: program.map_err(TestbedError::Program)?, spawner, exits: exit_sender };

        let db = starter.start(Role::PostDb, &[]).await?;
        let mut link = starter.start(Role::Link, &["--to", &db.ready.address.to_string()]).await?;
        let storage = starter
            .start(
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
        let leak: &[&str] = if plan.leak { &["--leak"] } else { &[] };
        let compose = starter
            .start(
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
                ]
                .into_iter()
                .chain(leak.iter().copied())
                .collect::<Vec<_>>(),
            )
            .await?;
        let (Some(stdin), Some(stdout)) = (link.stdin.take(), link.stdout.take()) else {
            let (command, why) = ("start".into(), "it has no pipes".into());
            return Err(TestbedError::Link { link: LINK.into(), command, why });
        };
        let handle = LinkHandle::new(LINK, ProbeKind::Health, link.ready.address, stdin, stdout);
        let url = format!("http://{}", compose.ready.address);
        Ok(Testbed { processes: [compose, storage, link, db], link: handle, url, exits, _spawner: starter.spawner })
    }

    /// The URL of compose-post: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn pid(&self, role: Role) -> u32 {
        self.process(role).pid
    }

    /// The limit on the private memory of compose-post, in bytes: the budget plus what the process used before.
    pub fn limit_bytes(&self) -> u64 {
        self.process(Role::ComposePost).ready.limit.unwrap_or(u64::MAX)
    }

    /// The number of files that a role may have open. This limits its connections.
    pub fn open_files(&self, role: Role) -> u64 {
        self.process(role).ready.open_files
    }

    /// The last lines of a role's standard error: warnings for the user.
    pub fn stderr(&self, role: Role) -> String {
        self.process(role).stderr.text()
    }

    /// The handle that controls the link between post-storage and post-db.
    pub fn link(&self) -> LinkHandle {
        self.link.clone()
    }

    /// Whether post-db responds through the link: see [`LinkHandle::probe`].
    pub async fn probe_link(&self) -> LinkProbe {
        self.link.probe().await
    }

    /// Waits for the next process that ends unexpectedly. `None` if no process is left.
    pub async fn next_exit(&mut self) -> Option<ProcessExit> {
        self.exits.recv().await
    }

    /// Whether a process has ended unexpectedly since the last [`Self::next_exit`].
    pub fn has_failed(&mut self) -> bool {
        self.exits.try_recv().is_ok()
    }

    /// The receiver behind [`Self::next_exit`], for a task that watches the processes while the testbed is used elsewhere.
    pub fn take_exits(&mut self) -> UnboundedReceiver<ProcessExit> {
        std::mem::replace(&mut self.exits, unbounded_channel().1)
    }

    /// Kills all processes, and waits until they have ended. Dropping the testbed kills them too, but does not wait.
    pub async fn stop(self) {
        for process in self.processes {
            process.stop().await;
        }
    }

    fn process(&self, role: Role) -> &RoleProcess {
        let [compose, storage, link, db] = &self.processes;
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
    spawner: ProcessSpawner,
    exits: UnboundedSender<ProcessExit>,
}

impl Starter {
    async fn start(&self, role: Role, args: &[&str]) -> Result<RoleProcess, TestbedError> {
        let mut command = Command::new(&self.program);
        command.args(["testbed", role.name(), "--parent", &std::process::id().to_string()]).args(args);
        RoleProcess::start(&self.spawner, role, command, self.exits.clone()).await
    }
}
