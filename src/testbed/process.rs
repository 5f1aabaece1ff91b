//! One process of the testbed, from its start to its end.

use std::collections::VecDeque;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::error::TestbedError;
use super::role::{ReadyLine, Role};

/// A process of the testbed that ended unexpectedly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessExit {
    pub role: Role,
    /// The exit status in words: `exit status: 1`, `signal: 9 (SIGKILL)`.
    pub status: String,
    /// The signal that ended it, if any.
    pub signal: Option<i32>,
    /// The last lines of its standard error.
    pub stderr: String,
}

/// How long a role may take until it serves.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Number of lines of standard error that are kept.
const STDERR_LINES: usize = 20;

/// The running process of a role.
pub(crate) struct RoleProcess {
    pub pid: u32,
    pub ready: ReadyLine,
    /// The process ends when this is closed.
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<Lines<BufReader<ChildStdout>>>,
    pub stderr: StderrTail,
    kill: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl RoleProcess {
    /// Starts a role, and waits until it serves.
    pub async fn start(
        spawner: &ProcessSpawner,
        role: Role,
        mut command: Command,
        exits: mpsc::UnboundedSender<ProcessExit>,
    ) -> Result<RoleProcess, TestbedError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // A terminal sends Ctrl-C to the whole process group. The run must end its roles itself, after its last results.
        command.process_group(0);
        let mut child = spawner.spawn(command).await.map_err(|source| TestbedError::Spawn { role, source })?;
        let (Some(pid), Some(stdin), Some(stdout), Some(stderr)) =
            (child.id(), child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(TestbedError::Spawn { role, source: io::Error::other("it has no pipes") });
        };
        let mut stdout = BufReader::new(stdout).lines();
        let stderr = StderrTail::follow(stderr);
        let line = tokio::time::timeout(START_TIMEOUT, stdout.next_line()).await;
        let ready = line.ok().and_then(Result::ok).flatten().and_then(|line| line.parse::<ReadyLine>().ok());
        let Some(ready) = ready else {
            // Killing a process that has ended does nothing.
            let _ = child.start_kill();
            let status = child.wait().await.map_or_else(|e| e.to_string(), |status| status.to_string());
            return Err(TestbedError::NotReady { role, status, stderr: stderr.complete().await });
        };
        let (kill, killed) = oneshot::channel();
        let ended = tokio::spawn(watch_process(child, role, killed, stderr.clone(), exits));
        Ok(RoleProcess { pid, ready, stdin: Some(stdin), stdout: Some(stdout), stderr, kill, ended })
    }

    /// Kills the process, and waits until it has ended.
    pub async fn stop(self) {
        // If there is no receiver, the process has ended.
        let _ = self.kill.send(());
        let _ = self.ended.await;
    }
}

/// Waits for the end of `child`. An end that was not requested through `killed` goes to `exits`. Dropping the sender of
/// `killed` requests the end too.
async fn watch_process(
    mut child: Child,
    role: Role,
    killed: oneshot::Receiver<()>,
    stderr: StderrTail,
    exits: mpsc::UnboundedSender<ProcessExit>,
) {
    let status: io::Result<ExitStatus> = tokio::select! {
        _ = killed => {
            let _ = child.kill().await;
            return;
        }
        status = child.wait() => status,
    };
    let signal = status.as_ref().ok().and_then(ExitStatusExt::signal);
    let status = status.map_or_else(|e| e.to_string(), |status| status.to_string());
    // The receiver may have been dropped.
    let _ = exits.send(ProcessExit { role, status, signal, stderr: stderr.complete().await });
}

/// The last lines of a role's standard error.
#[derive(Clone)]
pub(crate) struct StderrTail {
    lines: Arc<Mutex<VecDeque<String>>>,
    closed: tokio::sync::watch::Receiver<()>,
}

impl StderrTail {
    fn follow(stderr: ChildStderr) -> StderrTail {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let (close, closed) = tokio::sync::watch::channel(());
        let kept = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut stderr = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = stderr.next_line().await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_back(line);
                if kept.len() > STDERR_LINES {
                    kept.pop_front();
                }
            }
            drop(close);
        });
        StderrTail { lines, closed }
    }

    pub fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// The text after the end of the process.
    async fn complete(&self) -> String {
        let mut closed = self.closed.clone();
        // The channel never carries a value: this waits until the sender is dropped. The timeout covers a pipe that
        // another process still holds open.
        let _ = tokio::time::timeout(Duration::from_secs(1), closed.changed()).await;
        self.text()
    }
}

/// A thread that starts the processes, and lives as long as they may. The kernel kills a process with a parent-death
/// signal when the *thread* that started it ends, and the caller's thread may end before the testbed.
pub(crate) struct ProcessSpawner {
    requests: std::sync::mpsc::Sender<SpawnRequest>,
}

type SpawnRequest = (Command, oneshot::Sender<io::Result<Child>>);

impl ProcessSpawner {
    /// Must be called in a tokio runtime.
    ///
    /// # Errors
    /// If no thread can be created.
    pub fn new() -> io::Result<ProcessSpawner> {
        let (requests, inbox) = std::sync::mpsc::channel::<SpawnRequest>();
        let runtime = Handle::current();
        std::thread::Builder::new().name("testbed".into()).spawn(move || {
            let _guard = runtime.enter();
            while let Ok((mut command, reply)) = inbox.recv() {
                // If the caller was dropped, the child is dropped here, which kills it.
                let _ = reply.send(command.spawn());
            }
        })?;
        Ok(ProcessSpawner { requests })
    }

    async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, child) = oneshot::channel();
        let ended = || io::Error::other("the thread that starts processes has ended");
        self.requests.send((command, reply)).map_err(|_closed| ended())?;
        child.await.map_err(|_dropped| ended())?
    }
}
