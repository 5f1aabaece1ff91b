//! HTTP/2: many requests at once on one connection, each on a stream of its own.
//!
//! A connection has as many *places* as the plan allows it streams (or the server, where that takes fewer), and to the
//! rest of the generator each place is what an HTTP/1.1 connection is: something that carries one request at a time.
//! Which connection carries it is chosen when it is sent: the one that carries the fewest.
//!
//! This is over the `h2` crate itself, not over hyper's client, which would take each request through two more tasks.

mod link;
mod place;
mod session;
mod translate;

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

pub use session::Session;

use self::link::Link;
use self::translate::{Translator, Untranslatable};
use crate::load::plan::LoadPlan;
use crate::load::thread::requests::{PayloadPart, Requests};
use crate::load::thread::state::WorkerState;
use crate::script::ScriptError;

/// A thread's connections.
struct Pool {
    core: Rc<WorkerState>,
    translator: Translator,
    links: Vec<Link>,
    /// Where to look first for the one that carries the fewest requests.
    turn: Cell<usize>,
    /// A connection came up.
    up: Notify,
}

/// Opens a thread's connections, and keeps them open.
pub fn open(core: &Rc<WorkerState>, connections: usize) {
    let slots = || (0..core.plan.streams).map(|_| core.new_slot()).collect();
    let pool = Rc::new(Pool {
        core: Rc::clone(core),
        translator: Translator::new(core.plan.target()),
        links: (0..connections).map(|_| Link::new(slots())).collect(),
        turn: Cell::new(0),
        up: Notify::new(),
    });
    for (number, link) in pool.links.iter().enumerate() {
        for &slot in &link.slots {
            tokio::task::spawn_local(place::run(Rc::clone(&pool), number, slot));
        }
        tokio::task::spawn_local(link::run(Rc::clone(&pool), number));
    }
}

/// The first request can be said in HTTP/2.
///
/// # Errors
/// [`ScriptError::Untranslatable`] says why not.
pub fn verify(plan: &LoadPlan, requests: &Requests) -> Result<(), ScriptError> {
    let translator = Translator::new(plan.target());
    let pieces = requests.first().into_iter().flat_map(PayloadPart::all);
    pieces
        .map(|piece| translator.translate(&piece))
        .try_for_each(|translated| translated.map(drop))
        .map_err(|why| untranslatable(requests, &why))
}

fn untranslatable(requests: &Requests, why: &Untranslatable) -> ScriptError {
    ScriptError::Untranslatable { script: requests.vm().name().to_owned(), why: why.to_string() }
}

impl Pool {
    /// The number of the connection that carries the fewest requests, of those that are up; one with no place left only
    /// where none has.
    fn least_busy(&self) -> Option<usize> {
        let all = self.links.len();
        let from = self.turn.replace((self.turn.get() + 1) % all.max(1));
        let up = (from..from + all).map(|i| i % all).filter(|&i| self.links[i].is_up());
        up.min_by_key(|&i| (self.links[i].is_full(), self.links[i].carried.get()))
    }
}
