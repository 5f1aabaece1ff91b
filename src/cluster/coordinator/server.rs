//! The port of a coordinator: it admits parts, and serves each on a connection of its own.
//!
//! Whoever can reach the port may connect. Before a connection has shown the token, it may send 4 KiB within 5 s, and is
//! closed otherwise. There are at most [`MAX_STRANGERS`] such connections more than parts: a new one replaces the oldest. So a
//! part that shows its token at once is admitted however many others only keep their connections open.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::AbortHandle;

use super::desk::{Desk, script_error};
use super::rows::RowsReceiver;
use crate::cluster::bundle::Bundle;
use crate::cluster::clock::CoordinatorInstant;
use crate::cluster::meeting::{Answer, ConnectionId, Message};
use crate::cluster::protocol::{Frame, FromPart, PART, RecordsWanted, STRANGER, ToPart, read_frame, write_frame};
use crate::record::Clock;
use crate::record::sink::RecordSenders;
use crate::script::PlainValue;

/// Connections that have not shown the token, besides one for each part: all parts may connect at once.
const MAX_STRANGERS: usize = 256;
/// The first message of a connection must be complete within this time.
const FIRST_MESSAGE: Duration = Duration::from_secs(5);
/// A refused part gets this long to read why.
const FAREWELL: Duration = Duration::from_secs(1);
/// Messages that wait until a part reads them.
const QUEUE: usize = 256;
/// How often a part counts as heard while its last message is worked on.
const HEAR_EVERY: Duration = Duration::from_millis(500);
/// How often the meeting looks at the time.
const TICK: Duration = Duration::from_millis(100);

/// What all connections share.
pub struct Shared {
    desk: Mutex<Desk>,
    pub bundle: Bundle,
    /// Take the records of the parts, if anything consumes them.
    pub senders: Option<RecordSenders>,
    /// Results are parsed one after the other: on a core for each, they would leave none for the beats.
    parsing: Semaphore,
    /// The threads of one load in one part, and the number of parts.
    pub shape: (usize, u16),
}

impl Shared {
    pub fn new(desk: Desk, bundle: Bundle, senders: Option<RecordSenders>, shape: (usize, u16)) -> Shared {
        Shared { desk: Mutex::new(desk), bundle, senders, parsing: Semaphore::new(1), shape }
    }

    pub fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, on the clock of the coordinator.
pub fn now() -> CoordinatorInstant {
    CoordinatorInstant(Clock::read_monotonic())
}

/// Admits and serves parts. Does not end.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let ticking = Arc::clone(&shared);
    tokio::spawn(async move {
        loop {
            ticking.desk().tick(now());
            tokio::time::sleep(TICK).await;
        }
    });
    let most = MAX_STRANGERS + usize::from(shared.shape.1);
    let mut strangers: VecDeque<(AbortHandle, Arc<AtomicBool>)> = VecDeque::new();
    for id in 0.. {
        let stream = loop {
            match listener.accept().await {
                Ok((stream, _)) => break stream,
                // No file descriptor is left, for example. Others may be closed soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        strangers.retain(|(task, is_admitted)| !task.is_finished() && !is_admitted.load(Ordering::Relaxed));
        if strangers.len() >= most
            && let Some((oldest, _)) = strangers.pop_front()
        {
            oldest.abort();
        }
        let is_admitted = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(meet(stream, ConnectionId(id), Arc::clone(&shared), Arc::clone(&is_admitted)));
        strangers.push_back((task.abort_handle(), is_admitted));
    }
}

/// Serves one connection, which nobody knows yet.
async fn meet(stream: TcpStream, id: ConnectionId, shared: Arc<Shared>, is_admitted: Arc<AtomicBool>) {
    // Only the measurement of the clocks would suffer without it.
    let _ = stream.set_nodelay(true);
    let (mut read, write) = stream.into_split();
    let first = tokio::time::timeout(FIRST_MESSAGE, read_frame(&mut read, STRANGER)).await;
    let Ok(Ok(Some(frame))) = first else { return };
    let Ok(FromPart::Meeting(message @ Message::Join(_))) = frame.message() else { return };
    let (outgoing, queue) = channel(QUEUE);
    let answer = shared.desk().receive(now(), id, message, &outgoing);
    let accepted = match &answer {
        Answer::Accepted { part } => Some(part.index),
        _ => None,
    };
    is_admitted.store(accepted.is_some(), Ordering::Relaxed);
    let writer = tokio::spawn(write_all(write, queue));
    let _ = outgoing.send(Frame::new(&ToPart::Answer(answer))).await;
    if let Some(part) = accepted {
        let loads = shared.desk().loads();
        let rows = shared.senders.as_ref().map(|senders| RowsReceiver::new(senders, shared.shape, loads, part));
        // The error has no reader: the part is lost, and the meeting says so.
        let _ = serve_part(&mut read, id, &shared, &outgoing, rows).await;
        shared.desk().close(now(), id);
    }
    drop(outgoing);
    let _ = tokio::time::timeout(FAREWELL, writer).await;
}

async fn write_all(mut write: OwnedWriteHalf, mut queue: Receiver<Frame>) -> io::Result<()> {
    while let Some(frame) = queue.recv().await {
        write_frame(&mut write, &frame).await?;
    }
    Ok(())
}

async fn serve_part(
    read: &mut OwnedReadHalf,
    id: ConnectionId,
    shared: &Shared,
    outgoing: &Sender<Frame>,
    mut rows: Option<RowsReceiver>,
) -> io::Result<()> {
    send_plan(shared, outgoing).await?;
    while let Some(frame) = read_frame(read, PART).await? {
        let arrived = now();
        match frame.message()? {
            FromPart::Meeting(message) => {
                let mut answer = shared.desk().receive(arrived, id, message, outgoing);
                if let Answer::Clock { answered, .. } = &mut answer {
                    *answered = now();
                }
                outgoing.send(Frame::new(&ToPart::Answer(answer))).await.map_err(io::Error::other)?;
                continue;
            }
            FromPart::Rows => {
                let is_wanted = shared.desk().active_part(id).is_some();
                if let Some(rows) = rows.as_mut().filter(|_| is_wanted) {
                    // A slow disk slows the part down, and not the other parts.
                    stay_alive(shared, id, rows.receive(&frame.body)).await?;
                }
            }
            FromPart::Result { load } => {
                // Many results that come at once must not hold up the beats of other parts.
                let parse = async {
                    let _turn = shared.parsing.acquire().await;
                    tokio::task::spawn_blocking(move || serde_json::from_slice(&frame.body)).await
                };
                let result = stay_alive(shared, id, parse).await.map_err(io::Error::other)??;
                shared.desk().note_result(id, load, result).map_err(io::Error::other)?;
            }
            FromPart::Loaded { addresses } => shared.desk().note_loaded(id, addresses).map_err(io::Error::other)?,
            FromPart::Prepared => shared.desk().note_prepared(id).map_err(io::Error::other)?,
            FromPart::Called { number, is_ok } => {
                let result = match is_ok {
                    true => Ok(PlainValue::from_bytes(&frame.body).map_err(io::Error::other)?),
                    false => Err(script_error(&frame.body)),
                };
                shared.desk().note_called(id, number, result);
            }
            FromPart::Delivered { clock } => shared.desk().note_delivered(id, clock).map_err(io::Error::other)?,
        }
        shared.desk().hear(now(), id);
    }
    Ok(())
}

/// Does `work`, which comes from a part. Its next messages have to wait meanwhile, so it counts as heard.
async fn stay_alive<T>(shared: &Shared, id: ConnectionId, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(HEAR_EVERY) => shared.desk().hear(now(), id),
        }
    }
}

async fn send_plan(shared: &Shared, outgoing: &Sender<Frame>) -> io::Result<()> {
    let records = shared.senders.as_ref().map(|senders| RecordsWanted { unsent: senders.needs_unsent() });
    let Bundle { plans, files } = &shared.bundle;
    let plan = Frame::with_body(&ToPart::Plan { records, files: files.len() }, Arc::clone(plans));
    outgoing.send(plan).await.map_err(io::Error::other)?;
    for file in files {
        let frame = Frame::with_body(&ToPart::File { path: file.path.clone() }, Arc::clone(&file.bytes));
        outgoing.send(frame).await.map_err(io::Error::other)?;
    }
    Ok(())
}
