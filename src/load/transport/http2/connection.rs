//! An HTTP/2 connection: connects, serves its streams, and connects again.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use h2::client::SendRequest;
use hyper::body::Bytes;
use tokio::sync::Notify;

use super::{Http2Client, Session};
use crate::load::thread::state::WorkerState;
use crate::load::transport::LastTimestamp;
use crate::load::transport::backoff::Backoff;
use crate::load::transport::connect;
use crate::load::transport::failure::Failure;
use crate::units::Instant;

/// One of a worker's connections, open or not, and its stream slots.
pub struct Http2Connection {
    /// The slots of its streams, in order. The first `stream_limit` of them are in use.
    pub slots: Vec<usize>,
    stream_limit: Cell<usize>,
    /// Present while the connection is open and takes requests.
    pub sender: RefCell<Option<SendRequest<Bytes>>>,
    pub established_at: Cell<Instant>,
    /// The kernel timestamp of the last read of the connection that is open, if it has timestamps.
    pub timestamp: RefCell<Option<LastTimestamp>>,
    /// Requests in flight on it.
    pub in_flight: Cell<usize>,
    /// It has carried a response.
    pub has_responded: Cell<bool>,
    /// It takes no further requests.
    pub exhausted: Notify,
}

/// Runs the connection, and opens it again when it ends, until the end of the run.
pub async fn run(client: Rc<Http2Client>, number: usize) {
    let connection = &client.connections[number];
    let mut backoff = Backoff::default();
    let mut was_up = false;
    loop {
        if let Ok(session) = establish(&client.state, &mut was_up).await {
            connection.serve(&client, session).await;
            client.state.connections.borrow_mut().close(connection.has_responded.get(), client.state.now());
        }
        if connection.has_responded.take() {
            backoff = Backoff::default();
        } else {
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }
}

async fn establish(state: &WorkerState, was_up: &mut bool) -> Result<Session, Failure> {
    let address = state.requests.borrow().vm().address();
    let connect = async {
        let session = async { Session::new(state.connect(address).await?).await };
        let connected = tokio::time::timeout(state.plan.timeout.std(), session).await;
        connected.unwrap_or_else(|_| Err(state.connect_timeout()))
    };
    connect::open(state, was_up, connect, pending()).await
}

impl Http2Connection {
    pub fn new(slots: Vec<usize>) -> Http2Connection {
        Http2Connection {
            stream_limit: Cell::new(slots.len()),
            slots,
            sender: RefCell::default(),
            established_at: Cell::new(Instant::START),
            timestamp: RefCell::default(),
            in_flight: Cell::new(0),
            has_responded: Cell::new(false),
            exhausted: Notify::new(),
        }
    }

    pub fn is_open(&self) -> bool {
        self.sender.borrow().is_some()
    }

    /// It carries as many requests as its stream limit allows.
    pub fn is_full(&self) -> bool {
        self.in_flight.get() >= self.stream_limit.get()
    }

    /// Serves until the connection ends or takes no further requests.
    async fn serve(&self, client: &Http2Client, session: Session) {
        let state = &client.state;
        let Session { mut sender, mut connection, timestamp } = session;
        self.lower_stream_limit(state, sender.current_max_send_streams());
        *self.sender.borrow_mut() = Some(sender.clone());
        *self.timestamp.borrow_mut() = timestamp;
        self.established_at.set(state.now());
        client.established.notify_waiters();
        // A busy stream slot, with a request of the connection before or on another one, is offered when that is over.
        for &slot in &self.slots[..self.stream_limit.get()] {
            if state.has_attempts(slot) {
                state.dispatcher.borrow_mut().add_busy_connection();
            } else {
                state.add_connection(slot, state.now());
            }
        }

        let takes_requests = poll_fn(|cx| {
            let ended = Pin::new(&mut connection).poll(cx).is_ready();
            // The connection may just have read a GOAWAY.
            let takes_more = matches!(sender.poll_ready(cx), Poll::Ready(Ok(())));
            if takes_more && !ended { Poll::Pending } else { Poll::Ready(ended) }
        });
        let ended = tokio::select! {
            ended = takes_requests => ended,
            () = self.exhausted.notified() => false,
        };
        *self.sender.borrow_mut() = None;
        let is_own = |slot| self.slots.binary_search(&slot).is_ok();
        state.dispatcher.borrow_mut().remove_connections(is_own, self.stream_limit.get());
        if !ended {
            // The server still responds to the requests that it took before.
            drop(sender);
            tokio::task::spawn_local(async move { drop(connection.await) });
        }
    }

    /// Retires stream slots until their number is within the stream limit of the server.
    fn lower_stream_limit(&self, state: &WorkerState, streams: usize) {
        let mut limit = self.stream_limit.get();
        // A server that allows none now may allow some later: one slot waits for that.
        while limit > streams.max(1) && !state.has_attempts(self.slots[limit - 1]) {
            limit -= 1;
            state.retire_slot(self.slots[limit]);
        }
        self.stream_limit.set(limit);
        state.fewest_streams.set(state.fewest_streams.get().min(limit));
    }
}
