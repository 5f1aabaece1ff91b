//! The simplest server there is that takes many connections: one thread, an epoll, a fixed answer. It counts what it is
//! asked, and writes down when.

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

pub const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!";

/// A server that runs for as long as the program.
pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<Instant>>>,
    awake: Arc<AtomicBool>,
}

impl Server {
    /// Starts it, on a core of its own if one is named.
    pub fn start(core: Option<usize>) -> io::Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Vec::with_capacity(1 << 22)));
        let awake = Arc::new(AtomicBool::new(false));
        let (log, never_sleeps) = (Arc::clone(&asked), Arc::clone(&awake));
        std::thread::spawn(move || {
            core.into_iter().for_each(core_of_its_own);
            serve(&listener, &log, &never_sleeps).expect("a server");
        });
        Ok(Server { url: format!("http://{address}/"), asked, awake })
    }

    /// Whether it never sleeps: it sees requests when they come, not when it is woken.
    pub fn stay_awake(&self, awake: bool) {
        self.awake.store(awake, Ordering::Relaxed);
    }

    /// When requests came since this was last called.
    pub fn asked(&self) -> Vec<Instant> {
        let mut asked = self.asked.lock().expect("the log");
        let taken = asked.clone();
        asked.clear();
        taken
    }
}

/// This thread, and what it starts, run on `core` alone.
pub fn core_of_its_own(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).expect("two cores");
}

struct Peer {
    stream: TcpStream,
    /// What there is of a request that is not whole.
    part: Vec<u8>,
}

fn serve(listener: &TcpListener, asked: &Mutex<Vec<Instant>>, awake: &AtomicBool) -> io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let number = |fd: &dyn AsRawFd| epoll::EventData::new_u64(fd.as_raw_fd() as u64);
    epoll::add(&epoll, listener, number(listener), epoll::EventFlags::IN)?;
    let (mut peers, mut events) = (HashMap::new(), Vec::with_capacity(1024));
    let mut buffer = vec![0; 1 << 16];
    loop {
        events.clear();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let patience = awake.load(Ordering::Relaxed).then_some(&now);
        match epoll::wait(&epoll, spare_capacity(&mut events), patience) {
            Err(rustix::io::Errno::INTR) => continue,
            waited => waited?,
        };
        if events.is_empty() {
            continue;
        }
        let mut asked = asked.lock().expect("the log");
        for event in &events {
            let id = event.data.u64();
            if id == listener.as_raw_fd() as u64 {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                epoll::add(&epoll, &stream, number(&stream), epoll::EventFlags::IN)?;
                peers.insert(stream.as_raw_fd() as u64, Peer { stream, part: Vec::new() });
                continue;
            }
            let Some(peer) = peers.get_mut(&id) else { continue };
            let answered = match peer.stream.read(&mut buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                Ok(0) | Err(_) => false,
                Ok(n) => {
                    let now = Instant::now();
                    let requests = peer.take(&buffer[..n]);
                    asked.extend(std::iter::repeat_n(now, requests));
                    peer.stream.write_all(&ANSWER.repeat(requests)).is_ok()
                }
            };
            if !answered {
                // Closing takes it off the epoll.
                peers.remove(&id);
            }
        }
    }
}

impl Peer {
    /// How many requests are whole with these bytes.
    fn take(&mut self, bytes: &[u8]) -> usize {
        self.part.extend_from_slice(bytes);
        let (mut requests, mut begin) = (0, 0);
        while let Some(length) = length(&self.part[begin..]) {
            requests += 1;
            begin += length;
        }
        self.part.drain(..begin);
        requests
    }
}

/// How long the request is that `bytes` begin with, if they hold the whole of it.
fn length(bytes: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(bytes).ok()? else { return None };
    let body = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body = body.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok()).unwrap_or(0);
    (bytes.len() >= head + body).then_some(head + body)
}
