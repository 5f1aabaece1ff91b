//! The link: a proxy that can be cut. Cut as a network is, not as a process that dies: whatever is sent vanishes, nothing
//! is refused, reset or closed, and what was held flows again once it is healed.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::role::{Ready, Role, raise_open_files};
use super::serve;

/// What one direction of a connection holds while the link is cut, besides the kernel's own buffers.
const BUFFER: usize = 16 * 1024;
/// New connections that are held while the link is cut. More are left to the kernel, which soon drops them unanswered.
const HELD: usize = 1024;

/// Whether the link is cut: a switch that its command lines turn.
pub(super) struct Switch(watch::Sender<bool>);

impl Switch {
    pub fn new() -> Switch {
        Switch(watch::Sender::new(false))
    }

    pub fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    /// Does what a line says, and answers on stdout.
    pub fn obey(&self, line: &str) {
        let answer = match line.trim() {
            "cut" => {
                self.0.send_replace(true);
                "cut"
            }
            "heal" => {
                self.0.send_replace(false);
                "healed"
            }
            _ => "unknown: cut or heal",
        };
        // Where nobody reads the answers, stdin is about to end as well.
        let _ = writeln!(io::stdout().lock(), "{answer}");
    }
}

/// Proxies for ever between whoever connects and `to`.
///
/// # Errors
/// If it cannot listen.
pub(super) async fn run(listen: SocketAddr, to: &str, cut: watch::Receiver<bool>) -> io::Result<()> {
    let open_files = raise_open_files(Role::Link)?;
    let listener = serve::listen(listen)?;
    Ready { address: listener.local_addr()?, open_files, limit: None }.announce()?;
    proxy(listener, to, cut).await
}

async fn proxy(listener: TcpListener, to: &str, cut: watch::Receiver<bool>) -> ! {
    let (to, held) = (Arc::<str>::from(to), Arc::new(Semaphore::new(HELD)));
    loop {
        // Never closed, so there is always a permit to come.
        let permit = Arc::clone(&held).acquire_owned().await;
        let client = serve::accept(&listener).await;
        let (to, mut cut) = (Arc::clone(&to), cut.clone());
        tokio::spawn(async move {
            let mut client = client;
            let Some(first) = first_bytes(&mut client, &mut cut).await else { return };
            let Ok(mut server) = TcpStream::connect(&*to).await else { return };
            drop(permit);
            let _ = server.set_nodelay(true);
            if server.write_all(&first).await.is_err() {
                return;
            }
            drop(first);
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            tokio::join!(pump(from_client, to_server, cut.clone()), pump(from_server, to_client, cut));
        });
    }
}

/// What a new client sent into the cut until it healed; nothing if it is not cut. `None` if the client left: where no
/// packet arrives, the other side never hears of such a connection.
async fn first_bytes(client: &mut TcpStream, cut: &mut watch::Receiver<bool>) -> Option<Vec<u8>> {
    let mut held = Vec::new();
    while *cut.borrow_and_update() {
        let room = BUFFER - held.len();
        let mut next = [0; 1024];
        let most = room.min(next.len());
        tokio::select! {
            changed = cut.changed() => changed.ok()?,
            read = client.read(&mut next[..most]), if most > 0 => match read {
                Ok(0) | Err(_) => return None,
                Ok(n) => held.extend_from_slice(&next[..n]),
            },
        }
    }
    Some(held)
}

/// One direction. While the link is cut it passes nothing on, nor an end, and reads no more than one buffer.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut cut: watch::Receiver<bool>) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await;
        if cut.wait_for(|cut| !cut).await.is_err() {
            return;
        }
        match read {
            Ok(n) if n > 0 => {
                if to.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
            // The end, or a reset, which looks the same from further on.
            Ok(_) | Err(_) => {
                let _ = to.shutdown().await;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A server that echoes, and a link to it.
    async fn echo_behind(cut: watch::Receiver<bool>) -> SocketAddr {
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
        tokio::spawn(async move { proxy(listener, &to, cut).await });
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

        switch.0.send_replace(true);
        let mut new = TcpStream::connect(address).await.unwrap();
        old.write_all(b"b").await.unwrap();
        new.write_all(b"c").await.unwrap();
        assert!(silent(&mut old).await && silent(&mut new).await);

        switch.0.send_replace(false);
        assert_eq!((old.read_u8().await.unwrap(), new.read_u8().await.unwrap()), (b'b', b'c'));
    }

    #[tokio::test]
    async fn an_end_passes_a_healed_link_only() {
        let switch = Switch::new();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = switch.watch();
        tokio::spawn(async move { proxy(listener, &to, cut).await });
        let client = TcpStream::connect(address).await.unwrap();
        let (mut behind, _) = server.accept().await.unwrap();

        switch.0.send_replace(true);
        drop(client);
        assert!(silent(&mut behind).await);
        switch.0.send_replace(false);
        assert_eq!(behind.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn clients_that_left_during_a_cut_are_forgotten() {
        let switch = Switch::new();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = switch.watch();
        tokio::spawn(async move { proxy(listener, &to, cut).await });

        switch.0.send_replace(true);
        // More than are held at once: those that left must have made room, or the last one waits behind them.
        for _ in 0..2 * HELD {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"x").await.unwrap();
        }
        let mut last = TcpStream::connect(address).await.unwrap();
        last.write_all(b"y").await.unwrap();
        switch.0.send_replace(false);
        let mut left = 0;
        while server.accept().await.unwrap().0.read_u8().await.unwrap() != b'y' {
            left += 1;
        }
        // Those whose end was still under way when the link healed.
        assert!(left < HELD / 10, "{left} of those who left came through");
    }
}
