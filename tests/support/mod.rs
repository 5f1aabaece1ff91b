//! Servers for the tests, most of which misbehave. Each listens on a free loopback port until the test ends. [`program`]
//! runs the programs as a shell does.

// Each test uses a part of it.
#![allow(dead_code)]

pub mod browser;
pub mod campaign;
pub mod docker;
pub mod engines;
pub mod http2;
pub mod load;
pub mod program;
pub mod results;
pub mod schema;
pub mod scrape;
pub mod state;
pub mod tls;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A server that passes each connection to a closure, in its own thread.
pub struct Server {
    pub address: SocketAddr,
    /// Connections accepted so far.
    pub connections: Arc<AtomicUsize>,
    /// The bytes of the requests read so far.
    pub requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// One accepted connection.
pub struct Peer {
    pub stream: TcpStream,
    /// Its number, from 0.
    pub number: usize,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

impl Server {
    pub fn start(handle: impl Fn(Peer) + Send + Sync + 'static) -> Server {
        Server::on(TcpListener::bind("127.0.0.1:0").unwrap(), handle)
    }

    pub fn on(listener: TcpListener, handle: impl Fn(Peer) + Send + Sync + 'static) -> Server {
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let handle = Arc::new(handle);
        let (count, seen) = (Arc::clone(&connections), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let peer = Peer { stream, number, requests: Arc::clone(&seen) };
                let handle = Arc::clone(&handle);
                std::thread::spawn(move || handle(peer));
            }
        });
        Server { address, connections, requests }
    }

    /// Answers every request with these bytes.
    pub fn answering(bytes: &'static [u8]) -> Server {
        Server::start(move |mut peer| while peer.request().is_some() && peer.send(bytes) {})
    }

    /// A proxy for `behind` that passes the first `connections` connections. It closes all others.
    pub fn letting_through(connections: usize, behind: SocketAddr) -> Server {
        Server::start(move |mut peer| {
            if peer.number >= connections {
                return;
            }
            let mut other = TcpStream::connect(behind).unwrap();
            let (mut from, mut to) = (peer.stream.try_clone().unwrap(), other.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Write);
            });
            let _ = std::io::copy(&mut other, &mut peer.stream);
            let _ = peer.stream.shutdown(std::net::Shutdown::Both);
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Peer {
    /// Reads one request. Returns `None` after the client has closed the connection.
    pub fn request(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while !is_whole(&bytes) {
            match self.stream.read(&mut buffer) {
                Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
                _ => return None,
            }
        }
        self.requests.lock().unwrap().push(bytes.clone());
        Some(bytes)
    }

    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Closes the connection with a reset.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(std::time::Duration::ZERO)).unwrap();
    }

    /// Reads until the client closes the connection, and sends nothing.
    pub fn swallow(&mut self) {
        let mut buffer = [0; 4096];
        while matches!(self.stream.read(&mut buffer), Ok(n) if n > 0) {}
    }
}

/// Whether `bytes` contain a head and a body of its Content-Length.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    body.len() >= length.map_or(0, |n| n.parse().unwrap())
}
