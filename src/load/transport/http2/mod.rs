//! HTTP/2: many requests at the same time on one connection, each on its own stream.
//!
//! A connection has one stream slot for each concurrent stream that both the plan and the server allow. To the rest of
//! the generator a stream slot is like an HTTP/1.1 connection: it carries one request at a time. The connection that
//! carries a request is chosen when the request is sent: the one with the fewest requests in flight.
//!
//! This uses the `h2` crate directly. hyper's client would pass each request through two more tasks.

mod connection;
mod session;
mod stream;
mod translate;

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

pub use session::Session;

use self::connection::Http2Connection;
use self::translate::{TranslationError, Translator};
use crate::load::plan::LoadPlan;
use crate::load::thread::requests::{PayloadPart, Requests};
use crate::load::thread::state::WorkerState;
use crate::script::{ScriptError, quote_line};

/// The HTTP/2 connections of a worker.
struct Http2Client {
    state: Rc<WorkerState>,
    translator: Translator,
    connections: Vec<Http2Connection>,
    /// Where the next search for the connection with the fewest requests begins.
    search_from: Cell<usize>,
    /// A connection was established.
    established: Notify,
}

/// Opens the connections of a worker, and opens them again when they end.
pub fn open(state: &Rc<WorkerState>, connections: usize) {
    let slots = || (0..state.plan.streams).map(|_| state.add_slot()).collect();
    let client = Rc::new(Http2Client {
        state: Rc::clone(state),
        translator: Translator::new(state.plan.target()),
        connections: (0..connections).map(|_| Http2Connection::new(slots())).collect(),
        search_from: Cell::new(0),
        established: Notify::new(),
    });
    for (number, connection) in client.connections.iter().enumerate() {
        for &slot in &connection.slots {
            tokio::task::spawn_local(stream::run(Rc::clone(&client), number, slot));
        }
        tokio::task::spawn_local(connection::run(Rc::clone(&client), number));
    }
}

/// Checks that the first request can be sent over HTTP/2.
///
/// # Errors
/// [`ScriptError::NotForHttp2`] if it cannot.
pub fn verify(plan: &LoadPlan, requests: &Requests) -> Result<(), ScriptError> {
    let translator = Translator::new(plan.target());
    let parts = requests.first().into_iter().flat_map(PayloadPart::all);
    parts
        .map(|part| translator.translate(&part).map_err(|why| untranslatable(requests, &part, &why)))
        .try_for_each(|translated| translated.map(drop))
}

fn untranslatable(requests: &Requests, part: &PayloadPart, why: &TranslationError) -> ScriptError {
    let (script, line) = (requests.vm().name().to_owned(), quote_line(part.bytes()));
    ScriptError::NotForHttp2 { script, line, why: why.to_string() }
}

impl Http2Client {
    /// The number of the established connection with the fewest requests in flight. One without a free stream is chosen
    /// only if none has a free stream.
    fn least_busy(&self) -> Option<usize> {
        let count = self.connections.len();
        let from = self.search_from.replace((self.search_from.get() + 1) % count.max(1));
        let open = (from..from + count).map(|i| i % count).filter(|&i| self.connections[i].is_open());
        open.min_by_key(|&i| (self.connections[i].is_full(), self.connections[i].in_flight.get()))
    }
}
