//! The role link: a TCP proxy that can be cut, delayed or limited. It lies in the testbed, and in front of a service of the
//! user that a fault names.
//!
//! A cut has the effect of a broken network, not of a process that dies: no data arrives, and no connection is refused, reset
//! or closed. Data that was sent during the cut is delivered when the link is restored. A reset is the effect of a process
//! that dies: every connection is reset, and so is each new one.

pub mod state;
mod traffic;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::role::{ReadyLine, Role, raise_open_files};
use super::serve;
use state::{LinkCommand, LinkDirection, LinkState};
use traffic::Traffic;

/// Largest size of a chunk, in bytes.
const BUFFER: usize = 16 * 1024;
/// Chunks in transit in one direction of a connection, besides the buffers of the kernel.
const CHUNKS_IN_TRANSIT: usize = 16;
/// New connections that are accepted while the link is cut. The kernel keeps further ones, and drops them when its queue is
/// full.
const MAX_PENDING: usize = 1024;

/// Sets the state of the link.
pub(crate) struct LinkSwitch(watch::Sender<LinkState>, Arc<Traffic>);

/// The link as its connections see it.
#[derive(Clone)]
pub(crate) struct LinkView {
    state: watch::Receiver<LinkState>,
    traffic: Arc<Traffic>,
}

impl LinkSwitch {
    pub fn new() -> LinkSwitch {
        LinkSwitch(watch::Sender::new(LinkState::default()), Arc::default())
    }

    /// The current state, and its changes.
    pub fn subscribe(&self) -> LinkView {
        LinkView { state: self.0.subscribe(), traffic: Arc::clone(&self.1) }
    }

    /// Executes a line of standard input, and prints the answer: the line itself, `met 17`, or an error.
    pub fn execute(&self, line: &str) {
        // If standard output is closed, standard input ends soon, and this process with it.
        let _ = writeln!(io::stdout().lock(), "{}", self.answer(line));
    }

    fn answer(&self, line: &str) -> String {
        if let Some(answer) = self.1.answer(line) {
            return answer;
        }
        match line.parse::<LinkCommand>() {
            Ok(command) => {
                self.set(command.state());
                command.to_string()
            }
            Err(error) => error,
        }
    }

    fn set(&self, state: LinkState) {
        self.1.start_counting();
        self.0.send_replace(state);
    }
}

/// Forwards connections to `to` until the process ends.
///
/// # Errors
/// If the link cannot listen.
pub(crate) async fn run(listen: SocketAddr, to: &str, link: LinkView) -> io::Result<()> {
    let open_files = raise_open_files(Role::Link)?;
    let listener = serve::listen(listen)?;
    ReadyLine { address: listener.local_addr()?, open_files, limit: None }.print()?;
    proxy(listener, to, link).await
}

type SharedDirection = Arc<Mutex<LinkDirection>>;

async fn proxy(listener: TcpListener, to: &str, link: LinkView) -> ! {
    let (to, pending) = (Arc::<str>::from(to), Arc::new(Semaphore::new(MAX_PENDING)));
    let direction = |seed| Arc::new(Mutex::new(LinkDirection::new(seed, Instant::now())));
    let (to_server, to_client) = (direction(1), direction(2));
    loop {
        // The semaphore is never closed, so this is never an error.
        let permit = Arc::clone(&pending).acquire_owned().await;
        let mut client = serve::accept(&listener).await;
        let is_probe = client.peer_addr().is_ok_and(|peer| link.traffic.take_probe(peer));
        let mut connection = Connection {
            link: link.clone(),
            is_probe,
            to_server: Arc::clone(&to_server),
            to_client: Arc::clone(&to_client),
        };
        let (to, mut state) = (Arc::clone(&to), link.state.clone());
        tokio::spawn(async move {
            let mut server = None;
            tokio::select! {
                biased;
                () = await_reset(&mut state) => {
                    connection.count_met();
                    for end in [Some(client), server].into_iter().flatten() {
                        let _ = end.set_zero_linger();
                    }
                }
                () = connection.carry(&mut client, &mut server, &to, permit.ok()) => {}
            }
        });
    }
}

/// Waits until the link resets its connections.
async fn await_reset(state: &mut watch::Receiver<LinkState>) {
    if state.wait_for(|state| state.reset).await.is_err() {
        std::future::pending().await
    }
}

/// One connection through the link.
struct Connection {
    link: LinkView,
    /// A probe of a fault: its data comes back, and the server does not see it.
    is_probe: bool,
    to_server: SharedDirection,
    to_client: SharedDirection,
}

impl Connection {
    async fn carry(
        &mut self,
        client: &mut TcpStream,
        server: &mut Option<TcpStream>,
        to: &str,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let Some(first) = self.read_during_cut(client).await else { return };
        // A new connection takes one round trip.
        let connected = Instant::now() + self.link.state.borrow().delay * 2;
        if !wait_for_delivery(&mut self.link.state, connected).await {
            return;
        }
        if self.is_probe {
            drop(permit);
            let (near, far) = tokio::io::duplex(BUFFER);
            tokio::spawn(async move {
                let (mut from, mut to) = tokio::io::split(far);
                // It ends with the connection.
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
            let (echo_read, echo_write) = tokio::io::split(near);
            let (client_read, client_write) = client.split();
            tokio::join!(
                self.forward(first, client_read, echo_write, &self.to_server),
                self.forward(Vec::new(), echo_read, client_write, &self.to_client),
            );
            return;
        }
        let Ok(connected) = TcpStream::connect(to).await else { return };
        drop(permit);
        let server = server.insert(connected);
        let _ = server.set_nodelay(true);
        let ((client_read, client_write), (server_read, server_write)) = (client.split(), server.split());
        tokio::join!(
            self.forward(first, client_read, server_write, &self.to_server),
            self.forward(Vec::new(), server_read, client_write, &self.to_client),
        );
    }

    /// Waits until the link is not cut, and returns the data that the new client sent meanwhile. `None` if the client closed
    /// the connection: the server never learns of it, because no packet arrived.
    async fn read_during_cut(&mut self, client: &mut TcpStream) -> Option<Vec<u8>> {
        let mut received = Vec::new();
        if self.link.state.borrow().cut {
            self.count_met();
        }
        while self.link.state.borrow_and_update().cut {
            let mut buffer = [0; 1024];
            let most = buffer.len().min(BUFFER - received.len());
            tokio::select! {
                changed = self.link.state.changed() => changed.ok()?,
                read = client.read(&mut buffer[..most]), if most > 0 => match read {
                    Ok(0) | Err(_) => return None,
                    Ok(n) => received.extend_from_slice(&buffer[..n]),
                },
            }
        }
        Some(received)
    }

    /// Forwards one direction of a connection. `first` is delivered before the data that is read.
    async fn forward(
        &self,
        first: Vec<u8>,
        from: impl AsyncRead + Unpin,
        to: impl AsyncWrite + Unpin,
        direction: &Mutex<LinkDirection>,
    ) {
        let (sender, chunks) = mpsc::channel(CHUNKS_IN_TRANSIT);
        let mut write = std::pin::pin!(write_chunks(chunks, to, self.link.state.clone()));
        let read = read_chunks(first, from, sender, |bytes| {
            let state = *self.link.state.borrow();
            if bytes > 0 && state != LinkState::default() {
                self.count_met();
            }
            let mut direction = direction.lock().unwrap_or_else(PoisonError::into_inner);
            direction.delivery_time(&state, Instant::now(), bytes)
        });
        tokio::select! {
            // The receiving side is closed.
            () = &mut write => return,
            () = read => {}
        }
        write.await;
    }

    /// Counts data or a connection of the system that met a link that is not perfect.
    fn count_met(&self) {
        if !self.is_probe {
            self.link.traffic.count_met();
        }
    }
}

/// A chunk, and when it is delivered. An empty chunk is the end of the stream.
type Chunk = (Instant, Vec<u8>);

/// Reads chunks until the end of the stream, and assigns a delivery time to each.
async fn read_chunks(
    first: Vec<u8>,
    mut from: impl AsyncRead + Unpin,
    sender: mpsc::Sender<Chunk>,
    delivery_time: impl Fn(usize) -> Instant,
) {
    if !first.is_empty() && sender.send((delivery_time(first.len()), first)).await.is_err() {
        return;
    }
    let mut buffer = vec![0; BUFFER];
    loop {
        // A reset is forwarded as the end of the stream.
        let n = from.read(&mut buffer).await.unwrap_or(0);
        let chunk = (delivery_time(n), buffer[..n].to_vec());
        if sender.send(chunk).await.is_err() || n == 0 {
            return;
        }
    }
}

/// Writes chunks at their delivery times, in order, and then the end of the stream.
async fn write_chunks(
    mut chunks: mpsc::Receiver<Chunk>,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<LinkState>,
) {
    while let Some((at, chunk)) = chunks.recv().await {
        if !wait_for_delivery(&mut state, at).await || chunk.is_empty() || to.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Waits until `at`. Waits longer while the link is cut, and returns at once if the link is perfect. Returns false if this
/// process is about to end.
async fn wait_for_delivery(state: &mut watch::Receiver<LinkState>, at: Instant) -> bool {
    loop {
        let now = *state.borrow_and_update();
        if !now.cut && (now == LinkState::default() || at <= Instant::now()) {
            return true;
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return false },
            () = sleep_until(at), if !now.cut => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::units::Time;

    /// Starts an echo server and a link to it. Returns the address of the link.
    async fn echo_behind(state: LinkView) -> SocketAddr {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = server.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { proxy(listener, &to, state).await });
        address
    }

    /// Reads until the connection is reset, and returns whether it was.
    async fn is_reset(stream: &mut TcpStream) -> bool {
        let ended = async {
            while stream.read(&mut [0; 64]).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        ended.await.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
    }

    #[tokio::test]
    async fn a_reset_ends_every_connection_and_each_new_one_until_the_link_is_restored() {
        let switch = LinkSwitch::new();
        let address = echo_behind(switch.subscribe()).await;
        let mut old = TcpStream::connect(address).await.unwrap();
        old.write_all(b"a").await.unwrap();
        assert_eq!(old.read_u8().await.unwrap(), b'a');
        assert_eq!(switch.answer("reset"), "reset");
        assert!(is_reset(&mut old).await);
        let mut new = TcpStream::connect(address).await.unwrap();
        assert!(is_reset(&mut new).await);
        assert_eq!(switch.answer("met"), "met 2");
        assert_eq!(switch.answer("heal"), "heal");
        let mut new = TcpStream::connect(address).await.unwrap();
        new.write_all(b"b").await.unwrap();
        assert_eq!(new.read_u8().await.unwrap(), b'b');
    }

    #[tokio::test]
    async fn a_probe_comes_back_and_is_no_traffic_of_the_system() {
        let switch = LinkSwitch::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let link = switch.subscribe();
        // Nothing listens there.
        tokio::spawn(async move { proxy(listener, "127.0.0.1:1", link).await });
        switch.set(LinkCommand::Delay(Time::from_millis(1)).state());
        let probe = tokio::net::TcpSocket::new_v4().unwrap();
        probe.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let line = format!("echo {}", probe.local_addr().unwrap());
        assert_eq!(switch.answer(&line), line);
        let mut probe = probe.connect(address).await.unwrap();
        probe.write_all(b"x").await.unwrap();
        assert_eq!(probe.read_u8().await.unwrap(), b'x');
        probe.shutdown().await.unwrap();
        assert_eq!(probe.read(&mut [0; 8]).await.unwrap(), 0, "the end comes back, too");
        assert_eq!(switch.answer("met"), "met 0");
    }

    #[tokio::test]
    async fn data_that_meets_a_fault_is_counted_from_its_command_on() {
        let switch = LinkSwitch::new();
        let address = echo_behind(switch.subscribe()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut echo = async |byte| {
            stream.write_u8(byte).await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), byte);
        };
        echo(1).await;
        assert_eq!(switch.answer("met"), "met 0");
        switch.answer("delay 1ms");
        echo(2).await;
        assert_eq!(switch.answer("met"), "met 2", "once in each direction");
        switch.answer("heal");
        echo(3).await;
        assert_eq!(switch.answer("met"), "met 0");
    }

    async fn is_silent(stream: &mut TcpStream) -> bool {
        // Data over loopback would arrive much sooner.
        tokio::time::timeout(Duration::from_millis(100), stream.read_u8()).await.is_err()
    }

    #[tokio::test]
    async fn data_sent_during_a_cut_is_delivered_when_the_link_is_restored() {
        let switch = LinkSwitch::new();
        let address = echo_behind(switch.subscribe()).await;
        let mut old = TcpStream::connect(address).await.unwrap();
        old.write_all(b"a").await.unwrap();
        assert_eq!(old.read_u8().await.unwrap(), b'a');

        switch.0.send_replace(LinkCommand::Cut.state());
        let mut new = TcpStream::connect(address).await.unwrap();
        old.write_all(b"b").await.unwrap();
        new.write_all(b"c").await.unwrap();
        assert!(is_silent(&mut old).await && is_silent(&mut new).await);

        switch.0.send_replace(LinkState::default());
        assert_eq!((old.read_u8().await.unwrap(), new.read_u8().await.unwrap()), (b'b', b'c'));
    }

    /// The time of an echo of `bytes` bytes on an open connection, and on a new one with the time to connect.
    async fn echo_times(address: SocketAddr, bytes: usize) -> (Duration, Duration) {
        let start = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut echo = vec![0; bytes];
        stream.write_all(&echo).await.unwrap();
        stream.read_exact(&mut echo).await.unwrap();
        let (all, start) = (start.elapsed(), Instant::now());
        stream.write_all(&echo).await.unwrap();
        stream.read_exact(&mut echo).await.unwrap();
        (start.elapsed(), all)
    }

    #[tokio::test]
    async fn a_delay_applies_in_each_direction_and_to_the_round_trip_of_a_new_connection() {
        let switch = LinkSwitch::new();
        let address = echo_behind(switch.subscribe()).await;
        switch.0.send_replace(LinkCommand::Delay(Time::from_millis(20)).state());
        let (old, new) = echo_times(address, 1).await;
        assert!(old >= Duration::from_millis(40) && new >= Duration::from_millis(80), "{old:?} {new:?}");
    }

    #[tokio::test]
    async fn bandwidth_limits_the_bytes_per_second() {
        let switch = LinkSwitch::new();
        let address = echo_behind(switch.subscribe()).await;
        switch.0.send_replace(LinkCommand::Bandwidth(100_000).state());
        // Each direction takes 100 ms, and they overlap: the echo of the first chunks returns meanwhile.
        let (old, _) = echo_times(address, 10_000).await;
        assert!(old >= Duration::from_millis(100), "{old:?}");
    }

    #[tokio::test]
    async fn data_in_transit_is_delivered_at_once_when_the_link_is_restored() {
        let switch = LinkSwitch::new();
        let address = echo_behind(switch.subscribe()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"a").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'a');
        switch.0.send_replace(LinkCommand::Delay(Time::from_secs(3600)).state());
        stream.write_all(b"bc").await.unwrap();
        assert!(is_silent(&mut stream).await);
        switch.0.send_replace(LinkState::default());
        assert_eq!(stream.read_u16().await.unwrap(), u16::from_be_bytes(*b"bc"));
    }

    #[tokio::test]
    async fn the_end_of_a_stream_does_not_pass_a_cut() {
        let switch = LinkSwitch::new();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = switch.subscribe();
        tokio::spawn(async move { proxy(listener, &to, state).await });
        let client = TcpStream::connect(address).await.unwrap();
        let (mut behind, _) = server.accept().await.unwrap();

        switch.0.send_replace(LinkCommand::Cut.state());
        drop(client);
        assert!(is_silent(&mut behind).await);
        switch.0.send_replace(LinkState::default());
        assert_eq!(behind.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn clients_that_disconnect_during_a_cut_do_not_reach_the_server() {
        let switch = LinkSwitch::new();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = switch.subscribe();
        tokio::spawn(async move { proxy(listener, &to, state).await });

        switch.0.send_replace(LinkCommand::Cut.state());
        // More than the limit of pending connections: the last one is accepted only if the others have been released.
        for _ in 0..2 * MAX_PENDING {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"x").await.unwrap();
        }
        let mut last = TcpStream::connect(address).await.unwrap();
        last.write_all(b"y").await.unwrap();
        switch.0.send_replace(LinkState::default());
        let mut others = 0;
        while server.accept().await.unwrap().0.read_u8().await.unwrap() != b'y' {
            others += 1;
        }
        // Some disconnects may still have been in transit when the link was restored.
        assert!(others < MAX_PENDING / 10, "{others} disconnected clients reached the server");
    }
}
