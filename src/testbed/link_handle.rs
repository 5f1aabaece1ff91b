use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::TestbedError;
use super::link::shape::Command;

/// Commands the link. Clones command the same one.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    address: SocketAddr,
    commands: mpsc::Sender<Ask>,
}

type Ask = (Command, oneshot::Sender<Option<String>>);

/// What came of a request through the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// post-db answered.
    Answered,
    /// Nothing came back: as behind a cut.
    Silent,
    /// Something did, but no answer: the link or post-db is in trouble of its own.
    Broken(String),
}

/// An uncut link answers within a millisecond; this allows for a busy machine.
const PROBE: Duration = Duration::from_millis(200);
/// The link obeys at once, or not at all.
const OBEY: Duration = Duration::from_secs(5);

impl LinkHandle {
    pub(crate) fn new(
        address: SocketAddr,
        mut stdin: ChildStdin,
        mut stdout: Lines<tokio::io::BufReader<ChildStdout>>,
    ) -> LinkHandle {
        let (commands, mut inbox) = mpsc::channel::<Ask>(8);
        tokio::spawn(async move {
            while let Some((command, reply)) = inbox.recv().await {
                let line = format!("{command}\n");
                let answer = async {
                    stdin.write_all(line.as_bytes()).await.ok()?;
                    stdin.flush().await.ok()?;
                    stdout.next_line().await.ok()?
                };
                let answer = answer.await;
                // Who asked may have lost patience.
                let _ = reply.send(answer);
            }
        });
        LinkHandle { address, commands }
    }

    /// From here on nothing passes.
    ///
    /// # Errors
    /// [`TestbedError::Link`] if the link does not confirm it.
    pub async fn cut(&self) -> Result<(), TestbedError> {
        self.tell(Command::Cut).await
    }

    /// Lets everything pass again.
    ///
    /// # Errors
    /// [`TestbedError::Link`] if the link does not confirm it.
    pub async fn heal(&self) -> Result<(), TestbedError> {
        self.tell(Command::Heal).await
    }

    /// From here on the link is as it is told to be, and nothing else that it was told before.
    ///
    /// # Errors
    /// [`TestbedError::Link`] if the link does not confirm it.
    pub async fn tell(&self, command: Command) -> Result<(), TestbedError> {
        let (reply, answer) = oneshot::channel();
        let failed = |why: &str| TestbedError::Link { command: command.to_string(), why: why.to_owned() };
        self.commands.send((command, reply)).await.map_err(|_closed| failed("it is gone"))?;
        match tokio::time::timeout(OBEY, answer).await {
            Ok(Ok(Some(answer))) if answer == command.to_string() => Ok(()),
            Ok(Ok(Some(other))) => Err(failed(&format!("it answered `{other}`"))),
            Ok(_) => Err(failed("it is gone")),
            Err(_) => Err(failed("it did not answer")),
        }
    }

    /// Whether post-db answers through the link, on a new connection, within 200 ms.
    pub async fn probe(&self) -> Probe {
        self.ask(0, PROBE).await
    }

    /// So many requests at once, each of about `bytes` bytes on a new connection: how long each took to be answered, in
    /// no order; `patience` where it was not.
    pub async fn times(&self, requests: usize, bytes: usize, patience: Duration) -> Vec<Duration> {
        let mut under_way = JoinSet::new();
        for _ in 0..requests {
            let link = self.clone();
            under_way.spawn(async move {
                let start = Instant::now();
                let answered = link.ask(bytes, patience).await == Probe::Answered;
                if answered { start.elapsed() } else { patience }
            });
        }
        under_way.join_all().await
    }

    async fn ask(&self, bytes: usize, patience: Duration) -> Probe {
        match tokio::time::timeout(patience, ask_health(self.address, bytes)).await {
            Err(_) => Probe::Silent,
            Ok(Ok(head)) if head.starts_with(b"HTTP/1.1 200") => Probe::Answered,
            Ok(Ok(head)) => Probe::Broken(format!("answered {:?}", String::from_utf8_lossy(&head))),
            Ok(Err(e)) => Probe::Broken(e.to_string()),
        }
    }
}

async fn ask_health(address: SocketAddr, bytes: usize) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let padding = "x".repeat(bytes);
    let request = format!("GET /health HTTP/1.1\r\nHost: post-db\r\nConnection: close\r\nPadding: {padding}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    BufReader::new(stream).take(64).read_to_end(&mut head).await?;
    Ok(head)
}
