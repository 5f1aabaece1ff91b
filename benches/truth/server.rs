//! An HTTP server that is a FIFO queue, with a log of every arrival and departure. It spins on a core of its own and holds
//! responses back for known service times, so nothing but the writing itself adds to them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use metawrk::units::{Instant, Time};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::simulation::FifoServers;

pub const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Connections that may wait to be accepted, such as those that are opened while the server stands still.
const BACKLOG: i32 = 4096;

/// A server that runs for as long as the program.
pub struct Server {
    pub address: SocketAddr,
    run: Arc<Mutex<Run>>,
}

/// How the server behaves in a run.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// The service time of request `n`, whose path is `/n`. Others are served at once.
    pub services: Vec<Time>,
    /// How many requests are served at a time. `None`: all.
    pub servers: Option<usize>,
    /// The server stops when this request arrives, for this long. It reads and writes nothing in that time.
    pub stop: Option<(usize, Time)>,
}

/// One request, on the server's own clock.
#[derive(Clone, Copy, Debug)]
pub struct Logged {
    /// Its number, if its path has one.
    pub request: Option<usize>,
    /// When it was read.
    pub arrived: Instant,
    /// When its response was handed to the kernel.
    pub departed: Instant,
}

impl Logged {
    /// The response time within the server.
    pub fn time(&self) -> Time {
        self.departed.since(self.arrived)
    }
}

impl Server {
    /// Starts it on the given core.
    pub fn start(core: usize) -> io::Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        rustix::net::listen(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let run = Arc::new(Mutex::new(Run::new(Behaviour::default())));
        let shared = Arc::clone(&run);
        std::thread::spawn(move || {
            pin_to_core(core).and_then(|()| serve(&listener, &shared)).expect("the server needs a core of its own");
        });
        Ok(Server { address, run })
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Begins a new run: this behaviour, an empty queue and an empty log.
    pub fn begin(&self, behaviour: Behaviour) {
        *self.run.lock().expect("the server runs") = Run::new(behaviour);
    }

    /// The requests that were answered in this run, in the order of their departure.
    pub fn log(&self) -> Vec<Logged> {
        self.run.lock().expect("the server runs").log.clone()
    }
}

/// Pins this thread, and the threads and programs that it starts, to `core`.
pub fn pin_to_core(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// The state of a run.
struct Run {
    behaviour: Behaviour,
    queue: FifoServers,
    /// What is in the queue, the next departure first.
    queued: BinaryHeap<Reverse<Queued>>,
    log: Vec<Logged>,
}

impl Run {
    fn new(behaviour: Behaviour) -> Run {
        let queue = behaviour.servers.map_or_else(FifoServers::unlimited, FifoServers::new);
        Run { behaviour, queue, queued: BinaryHeap::new(), log: Vec::with_capacity(1 << 20) }
    }

    /// Puts a request of a connection into the queue. `previous` is the departure of the request before it on this
    /// connection, which it must not overtake.
    fn accept(&mut self, connection: u64, request: Option<usize>, arrived: Instant, previous: Instant) -> Instant {
        let service = request.and_then(|n| self.behaviour.services.get(n)).copied().unwrap_or(Time::ZERO);
        let departure = self.queue.serve(arrived, service).max(previous);
        self.queued.push(Reverse(Queued { departure, connection, request, arrived }));
        departure
    }

    /// How long the server stops now that this request has arrived.
    fn stop_at(&mut self, request: Option<usize>) -> Option<Time> {
        let (at, _) = self.behaviour.stop?;
        if request != Some(at) { None } else { self.behaviour.stop.take().map(|(_, lasts)| lasts) }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Queued {
    departure: Instant,
    connection: u64,
    request: Option<usize>,
    arrived: Instant,
}

struct Peer {
    stream: TcpStream,
    /// The bytes of an incomplete request.
    incomplete: Vec<u8>,
    /// The last departure from the queue to this connection.
    departure: Instant,
}

fn serve(listener: &TcpListener, run: &Mutex<Run>) -> io::Result<()> {
    const LISTENER: u64 = 0;
    let start = std::time::Instant::now();
    let now = || Instant(start.elapsed().as_nanos() as u64);
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    let (mut peers, mut events, mut buffer) = (HashMap::new(), Vec::with_capacity(1024), vec![0; 1 << 16]);
    let mut next_id = LISTENER + 1;
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Err(rustix::io::Errno::INTR) => continue,
            waited => waited?,
        };
        let mut run = run.lock().expect("the bench runs");
        for event in &events {
            let id = event.data.u64();
            if id == LISTENER {
                // All of them at once: after a stop there may be many.
                while let Some(stream) = accept(listener)? {
                    epoll::add(&epoll, &stream, epoll::EventData::new_u64(next_id), epoll::EventFlags::IN)?;
                    peers.insert(next_id, Peer { stream, incomplete: Vec::new(), departure: Instant::START });
                    next_id += 1;
                }
                continue;
            }
            let Some(peer) = peers.get_mut(&id) else { continue };
            match peer.stream.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Closing it removes it from the epoll.
                Ok(0) | Err(_) => drop(peers.remove(&id)),
                Ok(n) => {
                    let arrived = now();
                    for request in peer.take_requests(&buffer[..n]) {
                        peer.departure = run.accept(id, request, arrived, peer.departure);
                        if let Some(lasts) = run.stop_at(request) {
                            while now() < arrived.plus(lasts) {}
                        }
                    }
                }
            }
        }
        while run.queued.peek().is_some_and(|Reverse(next)| next.departure <= now()) {
            let Some(Reverse(Queued { connection, request, arrived, .. })) = run.queued.pop() else { break };
            let Some(peer) = peers.get_mut(&connection) else { continue };
            run.log.push(Logged { request, arrived, departed: now() });
            if peer.stream.write_all(RESPONSE).is_err() {
                peers.remove(&connection);
            }
        }
    }
}

/// The next connection that waits, if there is one.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    let stream = match listener.accept() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        accepted => accepted?.0,
    };
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    Ok(Some(stream))
}

impl Peer {
    /// Adds bytes. Returns the number in the path of each request that is complete with them.
    fn take_requests(&mut self, bytes: &[u8]) -> Vec<Option<usize>> {
        self.incomplete.extend_from_slice(bytes);
        let (mut requests, mut begin) = (Vec::new(), 0);
        while let Some(length) = self.incomplete[begin..].windows(4).position(|end| end == b"\r\n\r\n") {
            requests.push(path_number(&self.incomplete[begin..begin + length]));
            begin += length + 4;
        }
        self.incomplete.drain(..begin);
        requests
    }
}

/// `GET /17 HTTP/1.1` has number 17.
fn path_number(head: &[u8]) -> Option<usize> {
    let path = head.split(|byte| *byte == b' ').nth(1)?;
    std::str::from_utf8(path.strip_prefix(b"/")?).ok()?.parse().ok()
}
