//! The link: a proxy that can be cut, or made a poor one. Cut as a network is, not as a process that dies: whatever is
//! sent vanishes, nothing is refused, reset or closed, and what was held flows again once it is healed.

pub mod shape;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::role::{Ready, Role, raise_open_files};
use super::serve;
use shape::{Command, Lane, Shape};

/// The most that is read at once: a chunk.
const BUFFER: usize = 16 * 1024;
/// What one direction of a connection holds, besides the kernel's own buffers, in chunks.
const UNDER_WAY: usize = 16;
/// New connections that are held while the link is cut. More are left to the kernel, which soon drops them unanswered.
const HELD: usize = 1024;

/// How the link is: a switch that its command lines turn.
pub(crate) struct Switch(watch::Sender<Shape>);

impl Switch {
    pub fn new() -> Switch {
        Switch(watch::Sender::new(Shape::default()))
    }

    pub fn watch(&self) -> watch::Receiver<Shape> {
        self.0.subscribe()
    }

    /// Does what a line says, and says on stdout what it did, or why not.
    pub fn obey(&self, line: &str) {
        let answer = match line.parse::<Command>() {
            Ok(command) => {
                self.0.send_replace(command.shape());
                command.to_string()
            }
            Err(unknown) => unknown,
        };
        // Where nobody reads the answers, stdin is about to end as well.
        let _ = writeln!(io::stdout().lock(), "{answer}");
    }
}

/// Proxies for ever between whoever connects and `to`.
///
/// # Errors
/// If it cannot listen.
pub(crate) async fn run(listen: SocketAddr, to: &str, shape: watch::Receiver<Shape>) -> io::Result<()> {
    let open_files = raise_open_files(Role::Link)?;
    let listener = serve::listen(listen)?;
    Ready { address: listener.local_addr()?, open_files, limit: None }.announce()?;
    proxy(listener, to, shape).await
}

async fn proxy(listener: TcpListener, to: &str, shape: watch::Receiver<Shape>) -> ! {
    let (to, held) = (Arc::<str>::from(to), Arc::new(Semaphore::new(HELD)));
    let lane = |seed| Arc::new(Mutex::new(Lane::new(seed, Instant::now())));
    let (there, back) = (lane(1), lane(2));
    loop {
        // Never closed, so there is always a permit to come.
        let permit = Arc::clone(&held).acquire_owned().await;
        let client = serve::accept(&listener).await;
        let (to, mut shape) = (Arc::clone(&to), shape.clone());
        let (there, back) = (Arc::clone(&there), Arc::clone(&back));
        tokio::spawn(async move {
            let mut client = client;
            let Some(first) = first_bytes(&mut client, &mut shape).await else { return };
            // A connection takes a round trip to make.
            let made = Instant::now() + shape.borrow().delay * 2;
            if !arrive(&mut shape, made).await {
                return;
            }
            let Ok(server) = TcpStream::connect(&*to).await else { return };
            drop(permit);
            let _ = server.set_nodelay(true);
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            tokio::join!(
                pump(first, from_client, to_server, &there, shape.clone()),
                pump(Vec::new(), from_server, to_client, &back, shape),
            );
        });
    }
}

/// What a new client sent into the cut until it healed; nothing if it is not cut. `None` if the client left: where no
/// packet arrives, the other side never hears of such a connection.
async fn first_bytes(client: &mut TcpStream, shape: &mut watch::Receiver<Shape>) -> Option<Vec<u8>> {
    let mut held = Vec::new();
    while shape.borrow_and_update().cut {
        let room = BUFFER - held.len();
        let mut next = [0; 1024];
        let most = room.min(next.len());
        tokio::select! {
            changed = shape.changed() => changed.ok()?,
            read = client.read(&mut next[..most]), if most > 0 => match read {
                Ok(0) | Err(_) => return None,
                Ok(n) => held.extend_from_slice(&next[..n]),
            },
        }
    }
    Some(held)
}

/// Something on its way, and when it arrives; empty at the end of a stream.
type Chunk = (Instant, Vec<u8>);

/// One direction of a connection, `first` before all that comes.
async fn pump(
    first: Vec<u8>,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    lane: &Mutex<Lane>,
    shape: watch::Receiver<Shape>,
) {
    let (send, sent) = mpsc::channel(UNDER_WAY);
    let mut deliver = std::pin::pin!(deliver(sent, to, shape.clone()));
    let take = take(first, from, send, |bytes| {
        let mut lane = lane.lock().unwrap_or_else(PoisonError::into_inner);
        lane.arrival(&shape.borrow(), Instant::now(), bytes)
    });
    tokio::select! {
        // Nobody is there to take it.
        () = &mut deliver => return,
        () = take => {}
    }
    deliver.await;
}

/// Reads until the end, and puts everything on its way.
async fn take(first: Vec<u8>, mut from: OwnedReadHalf, send: mpsc::Sender<Chunk>, arrival: impl Fn(usize) -> Instant) {
    if !first.is_empty() && send.send((arrival(first.len()), first)).await.is_err() {
        return;
    }
    let mut buffer = vec![0; BUFFER];
    loop {
        // A reset looks like an end from further on.
        let n = from.read(&mut buffer).await.unwrap_or(0);
        let chunk = (arrival(n), buffer[..n].to_vec());
        if send.send(chunk).await.is_err() || n == 0 {
            return;
        }
    }
}

/// Writes what arrives, in the order in which it was sent.
async fn deliver(mut sent: mpsc::Receiver<Chunk>, mut to: OwnedWriteHalf, mut shape: watch::Receiver<Shape>) {
    while let Some((at, chunk)) = sent.recv().await {
        if !arrive(&mut shape, at).await {
            return;
        }
        if chunk.is_empty() {
            let _ = to.shutdown().await;
            return;
        }
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

/// Waits until something arrives that is due `at`: not while the link is cut, and at once where it is healed meanwhile.
/// False where the link is about to end.
async fn arrive(shape: &mut watch::Receiver<Shape>, at: Instant) -> bool {
    loop {
        let now = *shape.borrow_and_update();
        if !now.cut && (now == Shape::default() || at <= Instant::now()) {
            return true;
        }
        tokio::select! {
            changed = shape.changed() => if changed.is_err() { return false },
            () = sleep_until(at), if !now.cut => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::units::Time;

    /// A server that echoes, and a link to it.
    async fn echo_behind(shape: watch::Receiver<Shape>) -> SocketAddr {
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
        tokio::spawn(async move { proxy(listener, &to, shape).await });
        address
    }

    async fn silent(stream: &mut TcpStream) -> bool {
        // Whatever were to come over loopback would be here long before.
        tokio::time::timeout(Duration::from_millis(100), stream.read_u8()).await.is_err()
    }

    #[tokio::test]
    async fn what_was_sent_into_a_cut_flows_when_it_heals() {
        let switch = Switch::new();
        let address = echo_behind(switch.watch()).await;
        let mut old = TcpStream::connect(address).await.unwrap();
        old.write_all(b"a").await.unwrap();
        assert_eq!(old.read_u8().await.unwrap(), b'a');

        switch.0.send_replace(Command::Cut.shape());
        let mut new = TcpStream::connect(address).await.unwrap();
        old.write_all(b"b").await.unwrap();
        new.write_all(b"c").await.unwrap();
        assert!(silent(&mut old).await && silent(&mut new).await);

        switch.0.send_replace(Shape::default());
        assert_eq!((old.read_u8().await.unwrap(), new.read_u8().await.unwrap()), (b'b', b'c'));
    }

    /// How long an echo of so many bytes takes, on a connection that is there, and from connecting on.
    async fn echoes(address: SocketAddr, bytes: usize) -> (Duration, Duration) {
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
    async fn a_delay_is_once_each_way_and_twice_more_for_a_new_connection() {
        let switch = Switch::new();
        let address = echo_behind(switch.watch()).await;
        switch.0.send_replace(Command::Delay(Time::from_millis(20)).shape());
        let (old, new) = echoes(address, 1).await;
        assert!(old >= Duration::from_millis(40) && new >= Duration::from_millis(80), "{old:?} {new:?}");
    }

    #[tokio::test]
    async fn bandwidth_is_what_passes_in_a_second() {
        let switch = Switch::new();
        let address = echo_behind(switch.watch()).await;
        switch.0.send_replace(Command::Bandwidth(100_000).shape());
        // Each way takes 100 ms; what arrives meanwhile goes back already, in chunks.
        let (old, _) = echoes(address, 10_000).await;
        assert!(old >= Duration::from_millis(100), "{old:?}");
    }

    #[tokio::test]
    async fn what_is_under_way_arrives_at_once_when_the_link_heals() {
        let switch = Switch::new();
        let address = echo_behind(switch.watch()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"a").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'a');
        switch.0.send_replace(Command::Delay(Time::from_secs(3600)).shape());
        stream.write_all(b"bc").await.unwrap();
        assert!(silent(&mut stream).await);
        switch.0.send_replace(Shape::default());
        assert_eq!(stream.read_u16().await.unwrap(), u16::from_be_bytes(*b"bc"));
    }

    #[tokio::test]
    async fn an_end_passes_a_healed_link_only() {
        let switch = Switch::new();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shape = switch.watch();
        tokio::spawn(async move { proxy(listener, &to, shape).await });
        let client = TcpStream::connect(address).await.unwrap();
        let (mut behind, _) = server.accept().await.unwrap();

        switch.0.send_replace(Command::Cut.shape());
        drop(client);
        assert!(silent(&mut behind).await);
        switch.0.send_replace(Shape::default());
        assert_eq!(behind.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn clients_that_left_during_a_cut_are_forgotten() {
        let switch = Switch::new();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shape = switch.watch();
        tokio::spawn(async move { proxy(listener, &to, shape).await });

        switch.0.send_replace(Command::Cut.shape());
        // More than are held at once: those that left must have made room, or the last one waits behind them.
        for _ in 0..2 * HELD {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"x").await.unwrap();
        }
        let mut last = TcpStream::connect(address).await.unwrap();
        last.write_all(b"y").await.unwrap();
        switch.0.send_replace(Shape::default());
        let mut left = 0;
        while server.accept().await.unwrap().0.read_u8().await.unwrap() != b'y' {
            left += 1;
        }
        // Those whose end was still under way when the link healed.
        assert!(left < HELD / 10, "{left} of those who left came through");
    }
}
