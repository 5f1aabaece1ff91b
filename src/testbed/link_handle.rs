//! The side of a link that controls it: sends commands to it, and probes it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::error::TestbedError;
use super::link::state::LinkCommand;

/// Controls a link: that of a testbed, or a proxy in front of a service. Clones control the same link.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    name: Arc<str>,
    address: SocketAddr,
    probe: ProbeKind,
    requests: mpsc::Sender<CommandRequest>,
}

/// What a probe through a link asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeKind {
    /// post-db, whether it is healthy.
    Health,
    /// The link itself, which sends back what it receives: the service behind it may speak any protocol.
    Echo,
}

/// A line for the link, and the channel for its reply line (`None` if the link has ended).
type CommandRequest = (String, oneshot::Sender<Option<String>>);

/// The result of a request through the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkProbe {
    /// post-db responded, or the data of the probe came back.
    Answered,
    /// Nothing came back, as if the link is cut.
    Unanswered,
    /// The connection was reset.
    Reset,
    /// The request failed, or the response was wrong: the link or post-db has another problem.
    Failed(String),
}

/// An intact link responds within a millisecond. The timeout allows for a busy machine.
const PROBE_TIMEOUT: Duration = Duration::from_millis(200);
/// The link executes a command at once, or not at all.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

impl LinkHandle {
    /// The link at `address`, by the pipes of its process. `name` is its name in errors.
    pub(crate) fn new(
        name: &str,
        probe: ProbeKind,
        address: SocketAddr,
        mut stdin: ChildStdin,
        mut stdout: Lines<tokio::io::BufReader<ChildStdout>>,
    ) -> LinkHandle {
        let (requests, mut inbox) = mpsc::channel::<CommandRequest>(8);
        tokio::spawn(async move {
            while let Some((line, reply)) = inbox.recv().await {
                let line = format!("{line}\n");
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
        LinkHandle { name: name.into(), address, probe, requests }
    }

    /// Its name in errors: `the testbed's link`.
    pub fn name(&self) -> &str {
        &self.name
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
        let line = command.to_string();
        let answer = self.ask(&line).await?;
        if answer == line { Ok(()) } else { Err(self.failed(&line, &format!("it answered `{answer}`"))) }
    }

    /// How many messages and connections of the system met the link since its last command, which made it imperfect.
    ///
    /// # Errors
    /// [`TestbedError::Link`] if the link does not answer.
    pub async fn count_met(&self) -> Result<u64, TestbedError> {
        let answer = self.ask("met").await?;
        let count = answer.strip_prefix("met ").and_then(|count| count.parse().ok());
        count.ok_or_else(|| self.failed("met", &format!("it answered `{answer}`")))
    }

    /// Sends a line to the link, and returns its answer.
    async fn ask(&self, line: &str) -> Result<String, TestbedError> {
        let (reply, answer) = oneshot::channel();
        let request = (line.to_owned(), reply);
        self.requests.send(request).await.map_err(|_closed| self.failed(line, "it has ended"))?;
        match tokio::time::timeout(COMMAND_TIMEOUT, answer).await {
            Ok(Ok(Some(answer))) => Ok(answer),
            Ok(_) => Err(self.failed(line, "it has ended")),
            Err(_) => Err(self.failed(line, "it did not answer")),
        }
    }

    fn failed(&self, command: &str, why: &str) -> TestbedError {
        TestbedError::Link { link: self.name.to_string(), command: command.to_owned(), why: why.to_owned() }
    }

    /// Whether a request through the link is answered, on a new connection, within 200 ms.
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
        let probed = async {
            match self.probe {
                ProbeKind::Health => request_health(self.address, bytes).await,
                ProbeKind::Echo => self.request_echo(bytes).await,
            }
        };
        match tokio::time::timeout(timeout, probed).await {
            Err(_) => LinkProbe::Unanswered,
            Ok(Ok(None)) => LinkProbe::Answered,
            Ok(Ok(Some(wrong))) => LinkProbe::Failed(wrong),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => LinkProbe::Reset,
            Ok(Err(error)) => LinkProbe::Failed(error.to_string()),
        }
    }

    /// Sends `bytes` bytes, and one more, and reads them again. Returns what came back if it is something else.
    async fn request_echo(&self, bytes: usize) -> io::Result<Option<String>> {
        let address = own_address(self.address);
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // The link takes the connection for a probe by where it comes from.
        socket.bind(SocketAddr::new(address.ip(), 0))?;
        self.ask(&format!("echo {}", socket.local_addr()?)).await.map_err(io::Error::other)?;
        let mut stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        let (sent, mut received) = (vec![b'x'; bytes + 1], vec![0; bytes + 1]);
        stream.write_all(&sent).await?;
        stream.read_exact(&mut received).await?;
        Ok((sent != received).then(|| "something else came back".to_owned()))
    }
}

/// Where a program of this machine reaches a listener.
fn own_address(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// Requests `/health` with `bytes` bytes of padding. Returns the beginning of a response that is not a success.
async fn request_health(address: SocketAddr, bytes: usize) -> io::Result<Option<String>> {
    let mut stream = TcpStream::connect(address).await?;
    let padding = "x".repeat(bytes);
    let request = format!("GET /health HTTP/1.1\r\nHost: post-db\r\nConnection: close\r\nPadding: {padding}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    BufReader::new(stream).take(64).read_to_end(&mut head).await?;
    let is_healthy = head.starts_with(b"HTTP/1.1 200");
    Ok((!is_healthy).then(|| format!("answered {:?}", String::from_utf8_lossy(&head))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_probed_on_loopback() {
        let own = |listener: &str| own_address(listener.parse().unwrap()).to_string();
        let listeners = ["0.0.0.0:81", "[::]:81", "192.0.2.1:81"];
        assert_eq!(listeners.map(own), ["127.0.0.1:81", "[::1]:81", "192.0.2.1:81"]);
    }
}
