//! One HTTP/2 connection: made, made use of, made again.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use h2::client::SendRequest;
use hyper::body::Bytes;
use tokio::sync::Notify;

use super::{Pool, Session};
use crate::load::thread::state::WorkerState;
use crate::load::transport::backoff::Backoff;
use crate::units::Instant;

/// One of a thread's connections, whether it is up or not, and its places.
pub struct Link {
    /// The slots of its places, in order; the first `places` of them are in use.
    pub slots: Vec<usize>,
    places: Cell<usize>,
    /// There while the connection is up and takes requests.
    pub sender: RefCell<Option<SendRequest<Bytes>>>,
    /// When it came up.
    pub since: Cell<Instant>,
    /// Requests that it carries.
    pub carried: Cell<usize>,
    /// It has carried an answer.
    pub served: Cell<bool>,
    /// It takes no further requests.
    pub used_up: Notify,
}

/// Makes the connection, and makes it again when it ends, until the end of the run.
pub async fn run(pool: Rc<Pool>, number: usize) {
    let (core, link) = (&pool.core, &pool.links[number]);
    let mut backoff = Backoff::default();
    loop {
        match connect(core).await {
            Ok(session) => link.serve(&pool, session).await,
            Err(_) => core.connect_errors.set(core.connect_errors.get() + 1),
        }
        if link.served.take() {
            backoff = Backoff::default();
        } else {
            tokio::time::sleep(backoff.next()).await;
        }
    }
}

async fn connect(core: &WorkerState) -> io::Result<Session> {
    core.opened.set(core.opened.get() + 1);
    let session = async { Session::new(core.connect().await?).await };
    tokio::time::timeout(core.plan.timeout.std(), session).await?
}

impl Link {
    pub fn new(slots: Vec<usize>) -> Link {
        Link {
            places: Cell::new(slots.len()),
            slots,
            sender: RefCell::default(),
            since: Cell::new(Instant::START),
            carried: Cell::new(0),
            served: Cell::new(false),
            used_up: Notify::new(),
        }
    }

    pub fn is_up(&self) -> bool {
        self.sender.borrow().is_some()
    }

    /// It carries as many requests as it may.
    pub fn is_full(&self) -> bool {
        self.carried.get() >= self.places.get()
    }

    /// Up until the connection ends, or takes no further requests.
    async fn serve(&self, pool: &Pool, session: Session) {
        let core = &pool.core;
        let Session { mut sender, mut connection } = session;
        self.fit(core, sender.current_max_send_streams());
        *self.sender.borrow_mut() = Some(sender.clone());
        self.since.set(core.now());
        pool.up.notify_waiters();
        // Places that are busy (on the connection before this, or on another) offer themselves when they are done.
        for &slot in &self.slots[..self.places.get()] {
            if core.has_work(slot) {
                core.dispatcher.borrow_mut().came_up();
            } else {
                core.connected(slot, core.now());
            }
        }

        let takes_requests = poll_fn(|cx| {
            let ended = Pin::new(&mut connection).poll(cx).is_ready();
            // What was just read may have been a GOAWAY.
            let takes_more = matches!(sender.poll_ready(cx), Poll::Ready(Ok(())));
            if takes_more && !ended { Poll::Pending } else { Poll::Ready(ended) }
        });
        let ended = tokio::select! {
            ended = takes_requests => ended,
            () = self.used_up.notified() => false,
        };
        *self.sender.borrow_mut() = None;
        let places = self.places.get();
        core.dispatcher.borrow_mut().went_down_all(|slot| self.slots.binary_search(&slot).is_ok(), places);
        if !ended {
            // The server still answers what it took before.
            drop(sender);
            tokio::task::spawn_local(async move { drop(connection.await) });
        }
    }

    /// Gives up places for good until no more are left than the server takes streams.
    fn fit(&self, core: &WorkerState, streams: usize) {
        let mut places = self.places.get();
        // A server that takes none now may take some later: one place waits for that.
        while places > streams.max(1) && !core.has_work(self.slots[places - 1]) {
            places -= 1;
            core.retire(self.slots[places]);
        }
        self.places.set(places);
        core.fewest_streams.set(core.fewest_streams.get().min(places));
    }
}
