//! A minimal server for many connections: one thread, an epoll, a fixed response. It records when each request arrives.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::thread::{CpuSet, sched_setaffinity};

pub const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!";

/// A server that runs for as long as the program.
pub struct Server {
    pub url: String,
    /// The arrival of each request since the last [`Server::take_requests`].
    requests: Arc<Mutex<Vec<Instant>>>,
    spins: Arc<AtomicBool>,
}

impl Server {
    /// Starts it, on the given core if there is one.
    pub fn start(core: Option<usize>) -> io::Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let requests = Arc::new(Mutex::new(Vec::with_capacity(1 << 22)));
        let spins = Arc::new(AtomicBool::new(false));
        let (log, spin) = (Arc::clone(&requests), Arc::clone(&spins));
        std::thread::spawn(move || {
            core.into_iter().for_each(pin_to_core);
            serve(&listener, &log, &spin).expect("a server");
        });
        Ok(Server { url: format!("http://{address}/"), requests, spins })
    }

    /// Sets whether it spins. Then its arrival times contain no wake-up latency.
    pub fn set_spin(&self, spin: bool) {
        self.spins.store(spin, Ordering::Relaxed);
    }

    /// Takes the arrival times of the requests since the last call.
    pub fn take_requests(&self) -> Vec<Instant> {
        let mut requests = self.requests.lock().expect("the log");
        let taken = requests.clone();
        requests.clear();
        taken
    }
}

/// Pins this thread, and the threads and programs that it starts, to `core`.
pub fn pin_to_core(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).expect("two cores");
}

struct Peer {
    stream: TcpStream,
    /// The bytes of an incomplete request.
    incomplete: Vec<u8>,
}

fn serve(listener: &TcpListener, requests: &Mutex<Vec<Instant>>, spin: &AtomicBool) -> io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let number = |fd: &dyn AsRawFd| epoll::EventData::new_u64(fd.as_raw_fd() as u64);
    epoll::add(&epoll, listener, number(listener), epoll::EventFlags::IN)?;
    let (mut peers, mut events) = (HashMap::new(), Vec::with_capacity(1024));
    let mut buffer = vec![0; 1 << 16];
    loop {
        events.clear();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = spin.load(Ordering::Relaxed).then_some(&now);
        match epoll::wait(&epoll, spare_capacity(&mut events), timeout) {
            Err(rustix::io::Errno::INTR) => continue,
            waited => waited?,
        };
        if events.is_empty() {
            continue;
        }
        let mut log = requests.lock().expect("the log");
        for event in &events {
            let id = event.data.u64();
            if id == listener.as_raw_fd() as u64 {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                epoll::add(&epoll, &stream, number(&stream), epoll::EventFlags::IN)?;
                peers.insert(stream.as_raw_fd() as u64, Peer { stream, incomplete: Vec::new() });
                continue;
            }
            let Some(peer) = peers.get_mut(&id) else { continue };
            let is_open = match peer.stream.read(&mut buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                Ok(0) | Err(_) => false,
                Ok(n) => {
                    let now = Instant::now();
                    let requests = peer.take(&buffer[..n]);
                    log.extend(std::iter::repeat_n(now, requests));
                    peer.stream.write_all(&RESPONSE.repeat(requests)).is_ok()
                }
            };
            if !is_open {
                // Closing it removes it from the epoll.
                peers.remove(&id);
            }
        }
    }
}

impl Peer {
    /// Adds bytes. Returns the number of requests that are complete with them.
    fn take(&mut self, bytes: &[u8]) -> usize {
        self.incomplete.extend_from_slice(bytes);
        let (mut requests, mut begin) = (0, 0);
        while let Some(length) = length(&self.incomplete[begin..]) {
            requests += 1;
            begin += length;
        }
        self.incomplete.drain(..begin);
        requests
    }
}

/// The length of the request at the start of `bytes`, if it is complete.
fn length(bytes: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(bytes).ok()? else { return None };
    let body = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body = body.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok()).unwrap_or(0);
    (bytes.len() >= head + body).then_some(head + body)
}
