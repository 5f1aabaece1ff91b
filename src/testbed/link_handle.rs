use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};

use super::TestbedError;

/// Commands the link. Clones command the same one.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    address: SocketAddr,
    commands: mpsc::Sender<Ask>,
}

type Ask = (&'static str, oneshot::Sender<Option<String>>);

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
    pub(super) fn new(
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
        self.command("cut", "cut").await
    }

    /// Lets everything pass again.
    ///
    /// # Errors
    /// [`TestbedError::Link`] if the link does not confirm it.
    pub async fn heal(&self) -> Result<(), TestbedError> {
        self.command("heal", "healed").await
    }

    async fn command(&self, command: &'static str, wanted: &str) -> Result<(), TestbedError> {
        let (reply, answer) = oneshot::channel();
        let failed = |why: &str| TestbedError::Link { command, why: why.to_owned() };
        self.commands.send((command, reply)).await.map_err(|_closed| failed("it is gone"))?;
        match tokio::time::timeout(OBEY, answer).await {
            Ok(Ok(Some(answer))) if answer == wanted => Ok(()),
            Ok(Ok(Some(other))) => Err(failed(&format!("it answered `{other}`"))),
            Ok(_) => Err(failed("it is gone")),
            Err(_) => Err(failed("it did not answer")),
        }
    }

    /// Whether post-db answers through the link, on a new connection, within 200 ms.
    pub async fn probe(&self) -> Probe {
        match tokio::time::timeout(PROBE, ask_health(self.address)).await {
            Err(_) => Probe::Silent,
            Ok(Ok(head)) if head.starts_with(b"HTTP/1.1 200") => Probe::Answered,
            Ok(Ok(head)) => Probe::Broken(format!("answered {:?}", String::from_utf8_lossy(&head))),
            Ok(Err(e)) => Probe::Broken(e.to_string()),
        }
    }
}

async fn ask_health(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: post-db\r\nConnection: close\r\n\r\n").await?;
    let mut head = Vec::new();
    BufReader::new(stream).take(64).read_to_end(&mut head).await?;
    Ok(head)
}
