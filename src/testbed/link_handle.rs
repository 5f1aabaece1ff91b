//! The supervisor's side of the link: sends commands to it, and probes it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::error::TestbedError;
use super::link::state::LinkCommand;

/// Controls the link of a testbed. Clones control the same link.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    address: SocketAddr,
    requests: mpsc::Sender<CommandRequest>,
}

/// A command, and the channel for the link's reply line (`None` if the link has ended).
type CommandRequest = (LinkCommand, oneshot::Sender<Option<String>>);

/// The result of a request through the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkProbe {
    /// post-db responded.
    Answered,
    /// Nothing came back, as if the link is cut.
    Unanswered,
    /// The request failed, or the response was wrong: the link or post-db has another problem.
    Failed(String),
}

/// An intact link responds within a millisecond. The timeout allows for a busy machine.
const PROBE_TIMEOUT: Duration = Duration::from_millis(200);
/// The link executes a command at once, or not at all.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

impl LinkHandle {
    pub(crate) fn new(
        address: SocketAddr,
        mut stdin: ChildStdin,
        mut stdout: Lines<tokio::io::BufReader<ChildStdout>>,
    ) -> LinkHandle {
        let (requests, mut inbox) = mpsc::channel::<CommandRequest>(8);
        tokio::spawn(async move {
            while let Some((command, reply)) = inbox.recv().await {
                let line = format!("{command}\n");
                let answer = async {
                    stdin.write_all(line.as_bytes()).await.ok()?;
                    stdin.flush().await.ok()?;
                    stdout.next_line().await.ok()?
                };
                let answer = answer.await;
                // The caller may have timed out.
                let _ = reply.send(answer);
            }
        });
        LinkHandle { address, requests }
    }

    /// Cuts the link: nothing passes.
    ///
    /// # Errors
    /// [`TestbedError::Link`] if the link does not confirm the command.
    pub async fn cut(&self) -> Result<(), TestbedError> {
        self.send(LinkCommand::Cut).await
    }

    /// Restores the link: everything passes at once.
    ///
    /// # Errors
    /// [`TestbedError::Link`] if the link does not confirm the command.
    pub async fn heal(&self) -> Result<(), TestbedError> {
        self.send(LinkCommand::Heal).await
    }

    /// Sets the state of the link. Each command replaces the effect of all earlier ones.
    ///
    /// # Errors
    /// [`TestbedError::Link`] if the link does not confirm the command.
    pub async fn send(&self, command: LinkCommand) -> Result<(), TestbedError> {
        let (reply, answer) = oneshot::channel();
        let failed = |why: &str| TestbedError::Link { command: command.to_string(), why: why.to_owned() };
        self.requests.send((command, reply)).await.map_err(|_closed| failed("it has ended"))?;
        match tokio::time::timeout(COMMAND_TIMEOUT, answer).await {
            Ok(Ok(Some(answer))) if answer == command.to_string() => Ok(()),
            Ok(Ok(Some(other))) => Err(failed(&format!("it answered `{other}`"))),
            Ok(_) => Err(failed("it has ended")),
            Err(_) => Err(failed("it did not answer")),
        }
    }

    /// Whether post-db responds through the link, on a new connection, within 200 ms.
    pub async fn probe(&self) -> LinkProbe {
        self.request(0, PROBE_TIMEOUT).await
    }

    /// Sends `requests` concurrent requests of about `bytes` bytes, each on a new connection. Returns their response times
    /// in no particular order, with `timeout` for requests that got no response.
    pub async fn response_times(&self, requests: usize, bytes: usize, timeout: Duration) -> Vec<Duration> {
        let mut tasks = JoinSet::new();
        for _ in 0..requests {
            let link = self.clone();
            tasks.spawn(async move {
                let start = Instant::now();
                let answered = link.request(bytes, timeout).await == LinkProbe::Answered;
                if answered { start.elapsed() } else { timeout }
            });
        }
        tasks.join_all().await
    }

    async fn request(&self, bytes: usize, timeout: Duration) -> LinkProbe {
        match tokio::time::timeout(timeout, request_health(self.address, bytes)).await {
            Err(_) => LinkProbe::Unanswered,
            Ok(Ok(head)) if head.starts_with(b"HTTP/1.1 200") => LinkProbe::Answered,
            Ok(Ok(head)) => LinkProbe::Failed(format!("answered {:?}", String::from_utf8_lossy(&head))),
            Ok(Err(e)) => LinkProbe::Failed(e.to_string()),
        }
    }
}

/// Requests `/health` with `bytes` bytes of padding, and returns the beginning of the response.
async fn request_health(address: SocketAddr, bytes: usize) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let padding = "x".repeat(bytes);
    let request = format!("GET /health HTTP/1.1\r\nHost: post-db\r\nConnection: close\r\nPadding: {padding}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    BufReader::new(stream).take(64).read_to_end(&mut head).await?;
    Ok(head)
}
