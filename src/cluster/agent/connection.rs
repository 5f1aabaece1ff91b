use std::sync::Arc;

use serde::Serialize;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::cluster::protocol::{COORDINATOR, Frame, ToPart, read_frame, write_frame};
use crate::record::Clock;

/// A frame, and when it was complete, in ns of `CLOCK_MONOTONIC`.
struct Arrived {
    frame: Frame,
    at: u64,
}

/// The connection of a part to its coordinator. Tasks of their own read and write.
pub struct Connection {
    outgoing: Sender<Frame>,
    incoming: Receiver<Arrived>,
    /// When the last frame was complete.
    arrived: u64,
}

/// Messages that wait to be written.
const QUEUE: usize = 64;
/// So many places of the queue are left for beats while records are sent.
const RESERVE: usize = 32;

impl Connection {
    pub fn new(stream: TcpStream) -> Connection {
        let (read, write) = stream.into_split();
        let (outgoing, queue) = channel(QUEUE);
        let (sender, incoming) = channel(QUEUE);
        tokio::spawn(read_all(read, sender));
        tokio::spawn(write_all(write, queue));
        Connection { outgoing, incoming, arrived: 0 }
    }

    /// Sends a message without waiting. If the queue is full, it is left out: the coordinator does not read, and the part will
    /// end because of that.
    pub fn send(&self, message: &impl Serialize) {
        let _ = self.outgoing.try_send(Frame::new(message));
    }

    pub fn send_body(&self, message: &impl Serialize, body: Vec<u8>) {
        let _ = self.outgoing.try_send(Frame::with_body(message, Arc::new(body)));
    }

    /// Whether records and results can be sent now. Beats always have room.
    pub fn has_room(&self) -> bool {
        self.outgoing.capacity() > RESERVE
    }

    /// All that was sent is with the system.
    pub fn is_flushed(&self) -> bool {
        self.outgoing.capacity() == QUEUE
    }

    /// The next message and its body. `None` if the coordinator is gone, or sends something that is not a message.
    pub async fn receive(&mut self) -> Option<(ToPart, Arc<Vec<u8>>)> {
        let Arrived { frame, at } = self.incoming.recv().await?;
        self.arrived = at;
        Some((frame.message().ok()?, frame.body))
    }

    /// When the last message was complete, in ns of `CLOCK_MONOTONIC`.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }
}

async fn read_all(mut read: OwnedReadHalf, sender: Sender<Arrived>) {
    while let Ok(Some(frame)) = read_frame(&mut read, COORDINATOR).await {
        let at = Clock::read_monotonic();
        if sender.send(Arrived { frame, at }).await.is_err() {
            return;
        }
    }
}

async fn write_all(mut write: OwnedWriteHalf, mut queue: Receiver<Frame>) {
    while let Some(frame) = queue.recv().await {
        if write_frame(&mut write, &frame).await.is_err() {
            return;
        }
    }
}
