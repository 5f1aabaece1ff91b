//! A minimal client: blocking sends and receives in a loop. Its cost is that of the system calls, a lower bound for any
//! program that uses them.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// Sends requests on all `connections` in turn, for `time`.
pub fn full_speed(address: SocketAddr, connections: usize, time: Duration) -> io::Result<()> {
    let mut streams = connect(address, connections)?;
    let (end, mut buffer) = (Instant::now() + time, [0; 4096]);
    for stream in &mut streams {
        stream.write_all(REQUEST)?;
    }
    while Instant::now() < end {
        for stream in &mut streams {
            let _ = stream.read(&mut buffer)?;
            stream.write_all(REQUEST)?;
        }
    }
    Ok(())
}

/// The same with one edge-triggered epoll for all connections, as a thread with many connections needs it.
pub fn event_loop(address: SocketAddr, connections: usize, time: Duration) -> io::Result<()> {
    let mut streams = connect(address, connections)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (i, stream) in streams.iter_mut().enumerate() {
        stream.set_nonblocking(true)?;
        let edges = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &*stream, epoll::EventData::new_u64(i as u64), edges)?;
        stream.write_all(REQUEST)?;
    }
    let (end, mut buffer, mut events) = (Instant::now() + time, [0; 4096], Vec::with_capacity(1024));
    while Instant::now() < end {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let stream = &mut streams[event.data.u64() as usize];
            match stream.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                read => assert_eq!(read?, crate::server::RESPONSE.len(), "one response at a time"),
            }
            stream.write_all(REQUEST)?;
        }
    }
    Ok(())
}

/// How a minimal client at a constant rate waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// It never sleeps.
    Spins,
    /// It sleeps until a response arrives, and spins until the next request is due.
    SleepsForResponse,
    /// It sleeps until shortly after a request is due, and spins for the response. So its core has slept when it sends.
    SleepsBeforeRequest,
}

/// Sends `rate` requests per second, on one connection after the other. Returns the median time from sending to the end of
/// the response.
pub fn median(
    address: SocketAddr,
    connections: usize,
    rate: u32,
    time: Duration,
    client: Client,
) -> io::Result<Duration> {
    let mut streams = connect(address, connections)?;
    for stream in &streams {
        stream.set_nonblocking(client != Client::SleepsForResponse)?;
    }
    let (start, gap, mut buffer) = (Instant::now(), Duration::from_secs(1) / rate, [0; 4096]);
    let mut times = Vec::new();
    for i in 0.. {
        let due = start + gap * i;
        if due - start > time {
            break;
        }
        if client == Client::SleepsBeforeRequest {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        while Instant::now() < due {}
        let stream = &mut streams[i as usize % connections];
        let sent = Instant::now();
        stream.write_all(REQUEST)?;
        while let Err(error) = stream.read(&mut buffer) {
            if error.kind() != io::ErrorKind::WouldBlock {
                return Err(error);
            }
        }
        times.push(sent.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn connect(address: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    let stream = || {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    (0..connections).map(|_| stream()).collect()
}
