//! One process of the testbed: started, ready, dead.

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

use super::TestbedError;
use super::role::{Ready, Role};

/// A process of the testbed that ended without being told to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    pub role: Role,
    /// How: `exit status: 1`, `signal: 9 (SIGKILL)`.
    pub status: String,
    /// By which signal, if by one.
    pub signal: Option<i32>,
    /// The last lines that it wrote to stderr.
    pub stderr: String,
}

/// How long a role may take until it serves.
const START: Duration = Duration::from_secs(10);

/// Lines of stderr that are kept.
const LINES: usize = 20;

/// A running role.
pub(crate) struct Running {
    pub pid: u32,
    pub ready: Ready,
    /// Its end is the role's end.
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<Lines<BufReader<ChildStdout>>>,
    pub stderr: Stderr,
    kill: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Running {
    /// Starts a role, and waits until it serves.
    pub async fn start(
        nursery: &ChildProcesses,
        role: Role,
        mut command: Command,
        deaths: mpsc::UnboundedSender<Death>,
    ) -> Result<Running, TestbedError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C on a terminal goes to the whole group: the run hears it, and ends its roles when it has seen enough.
        command.process_group(0);
        let mut child = nursery.spawn(command).await.map_err(|source| TestbedError::Spawn { role, source })?;
        let (Some(pid), Some(stdin), Some(stdout), Some(stderr)) =
            (child.id(), child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(TestbedError::Spawn { role, source: io::Error::other("it has no pipes") });
        };
        let mut stdout = BufReader::new(stdout).lines();
        let stderr = Stderr::follow(stderr);
        let line = tokio::time::timeout(START, stdout.next_line()).await;
        let ready = line.ok().and_then(Result::ok).flatten().and_then(|line| line.parse::<Ready>().ok());
        let Some(ready) = ready else {
            // Killing what is dead already does nothing.
            let _ = child.start_kill();
            let status = child.wait().await.map_or_else(|e| e.to_string(), |status| status.to_string());
            return Err(TestbedError::NotReady { role, status, stderr: stderr.end().await });
        };
        let (kill, killed) = oneshot::channel();
        let ended = tokio::spawn(watch_over(child, role, killed, stderr.clone(), deaths));
        Ok(Running { pid, ready, stdin: Some(stdin), stdout: Some(stdout), stderr, kill, ended })
    }

    /// Kills it, and waits until it is gone.
    pub async fn stop(self) {
        // Where nobody hears, it is gone.
        let _ = self.kill.send(());
        let _ = self.ended.await;
    }
}

/// Waits for the end of `child`, and says so unless we made it (which dropping the sender of `killed` does as well).
async fn watch_over(
    mut child: Child,
    role: Role,
    killed: oneshot::Receiver<()>,
    stderr: Stderr,
    deaths: mpsc::UnboundedSender<Death>,
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
    // Nobody may be interested any more.
    let _ = deaths.send(Death { role, status, signal, stderr: stderr.end().await });
}

/// The last lines of a role's stderr.
#[derive(Clone)]
pub(crate) struct Stderr {
    lines: Arc<Mutex<VecDeque<String>>>,
    ended: tokio::sync::watch::Receiver<()>,
}

impl Stderr {
    fn follow(stderr: ChildStderr) -> Stderr {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let (end, ended) = tokio::sync::watch::channel(());
        let kept = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut stderr = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = stderr.next_line().await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_back(line);
                if kept.len() > LINES {
                    kept.pop_front();
                }
            }
            drop(end);
        });
        Stderr { lines, ended }
    }

    pub fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// The text once it is whole.
    async fn end(&self) -> String {
        let mut ended = self.ended.clone();
        // Changes only by the sender's end. A pipe that somebody else still holds open is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(1), ended.changed()).await;
        self.text()
    }
}

/// The thread that starts the roles, and lives as long as they may: the kernel kills a child that asked for it when the
/// *thread* that started it ends, and the caller's may end before the testbed does.
pub(crate) struct ChildProcesses {
    jobs: std::sync::mpsc::Sender<Job>,
}

type Job = (Command, oneshot::Sender<io::Result<Child>>);

impl ChildProcesses {
    /// # Errors
    /// If the system refuses a thread.
    pub fn new() -> io::Result<ChildProcesses> {
        let (jobs, inbox) = std::sync::mpsc::channel::<Job>();
        let runtime = Handle::current();
        std::thread::Builder::new().name("testbed".into()).spawn(move || {
            let _guard = runtime.enter();
            while let Ok((mut command, reply)) = inbox.recv() {
                // A caller that left takes no child; it is killed as it drops.
                let _ = reply.send(command.spawn());
            }
        })?;
        Ok(ChildProcesses { jobs })
    }

    async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, child) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes is gone");
        self.jobs.send((command, reply)).map_err(|_closed| gone())?;
        child.await.map_err(|_dropped| gone())?
    }
}
