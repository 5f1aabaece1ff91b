//! compose-post of the retry storm: so many workers, so much time for each request, and a queue before them.
//!
//! What makes it fail is on the client's side: it gives up after T and asks again, up to r times, while the work that it
//! asked for before is still in the queue, and is done in its turn though nobody awaits it. With k workers that take s
//! each, mu = k/s are served a second. A load of lambda is carried below mu. Once the queue is longer than T, each request
//! is asked for 1 + r times, so that below mu/(1+r) the queue shrinks again, and above it stays for ever as long as it is:
//! all that is served is what was given up. It takes a queue longer than mu T, and a client that may have more than mu T
//! requests under way.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::{Method, Request};
use tokio::sync::Semaphore;

use super::memory::Sleep;
use crate::testbed::TestbedPlan;
use crate::testbed::alarms::Alarms;
use crate::testbed::compose_post::post;
use crate::testbed::role::{Ready, Role, raise_open_files};
use crate::testbed::serve;
use crate::testbed::serve::{Reply, text};
use crate::testbed::upstream::Upstream;

/// The queue, and who works it off: first come, first served.
#[derive(Debug)]
pub struct Workers {
    free: Semaphore,
    room: Semaphore,
    /// What a request takes at least.
    service_time: Duration,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    Stored,
    StorageFailed,
    /// The queue was full.
    Refused,
}

impl Workers {
    /// So many `workers`, and a `queue` of so many at most.
    pub fn new(workers: usize, queue: usize, service_time: Duration) -> Workers {
        Workers { free: Semaphore::new(workers), room: Semaphore::new(queue), service_time }
    }

    /// One request's way. `store` says whether the post was stored; its time is part of the service time.
    pub async fn serve(&self, clock: &impl Sleep, store: impl Future<Output = bool>) -> Served {
        // Both are never closed, and the free ones are given out in order.
        let worker = match self.free.try_acquire() {
            Ok(worker) => worker,
            Err(_) => {
                let Ok(place) = self.room.try_acquire() else { return Served::Refused };
                let Ok(worker) = self.free.acquire().await else { return Served::Refused };
                drop(place);
                worker
            }
        };
        let (stored, ()) = tokio::join!(store, clock.sleep(self.service_time));
        drop(worker);
        if stored { Served::Stored } else { Served::StorageFailed }
    }
}

struct Composer {
    storage: Upstream,
    workers: Workers,
    alarms: Alarms,
    next_id: AtomicU64,
}

/// Serves for ever.
///
/// # Errors
/// If it cannot listen.
pub(crate) async fn run(listen: SocketAddr, storage: &str, plan: &TestbedPlan) -> io::Result<()> {
    let open_files = raise_open_files(Role::ComposePost)?;
    // post-storage answers by itself; this is for when it is in trouble of its own.
    let patience = plan.db_timeout.std() + plan.storage_time.std() + Duration::from_secs(1);
    let listener = serve::listen(listen)?;
    let address = listener.local_addr()?;
    let composer = Arc::new(Composer {
        storage: Upstream::new(storage.to_owned(), patience),
        workers: Workers::new(plan.workers, plan.queue, plan.service_time.std()),
        alarms: Alarms::start()?,
        next_id: AtomicU64::new(1),
    });
    Ready { address, open_files, limit: None }.announce()?;
    serve::serve(listener, move |request| compose(Arc::clone(&composer), request)).await
}

async fn compose(composer: Arc<Composer>, request: Request<Incoming>) -> Reply {
    if *request.method() == Method::GET && request.uri().path() == "/health" {
        return text(StatusCode::OK, "healthy");
    }
    let post = match post(request).await {
        Ok(post) => post,
        Err(reply) => return reply,
    };
    let id = composer.next_id.fetch_add(1, Ordering::Relaxed);
    let store = async { composer.storage.put(id, post).await.is_ok() };
    match composer.workers.serve(&composer.alarms, store).await {
        Served::Stored => text(StatusCode::OK, "Successfully upload post"),
        Served::StorageFailed => text(StatusCode::INTERNAL_SERVER_ERROR, "the post could not be stored"),
        Served::Refused => text(StatusCode::SERVICE_UNAVAILABLE, "the queue is full"),
    }
}

#[cfg(test)]
mod tests;
