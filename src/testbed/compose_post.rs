//! compose-post: takes a post, and little memory.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, StatusCode};

use super::alarms::Alarms;
use super::form::Post;
use super::memory::Limited;
use super::role::{Ready, Role, raise_open_files};
use super::scenario::memory;
use super::scenario::memory::Served;
use super::serve::{self, Reply, text};
use super::upstream::Upstream;
use crate::out::warn;
use crate::testbed::TestbedPlan;

struct Composer {
    storage: Upstream,
    memory: Limited,
    alarms: Alarms,
    hold: Duration,
    next_id: AtomicU64,
}

/// Serves for ever, on memory that is limited from when it is ready. The process has entered [`super::heap`] before.
/// Memory that no request took for `give_back_after` goes back to the system.
///
/// # Errors
/// If it cannot listen, or not limit its memory.
pub(crate) async fn run(
    listen: SocketAddr,
    storage: &str,
    plan: &TestbedPlan,
    give_back_after: Option<Duration>,
) -> io::Result<()> {
    let open_files = raise_open_files(Role::ComposePost)?;
    // Names are looked up with each connection. The first time here, since that takes a thread, and its stack is memory.
    if let Err(e) = tokio::net::lookup_host(storage).await {
        warn(&format!("{}: {storage} is not known yet ({e}); until it is, posts fail", Role::ComposePost));
    }
    // post-storage answers by itself; this is for when it is in trouble of its own.
    let patience = plan.db_timeout.std() + plan.storage_time.std() + Duration::from_secs(1);
    let listener = serve::listen(listen)?;
    let address = listener.local_addr()?;
    let (memory, limit) = Limited::new(plan.budget.0)?;
    if let Some(idle) = give_back_after {
        tokio::spawn(give_back(memory.clone(), idle));
    }
    let composer = Arc::new(Composer {
        storage: Upstream::new(storage.to_owned(), patience),
        memory,
        alarms: Alarms::start()?,
        hold: plan.hold.std(),
        next_id: AtomicU64::new(1),
    });
    Ready { address, open_files, limit: Some(limit) }.announce()?;
    serve::serve(listener, move |request| compose(Arc::clone(&composer), request)).await
}

async fn give_back(memory: Limited, idle: Duration) {
    // Twice as often: nothing is kept much longer.
    let mut look = tokio::time::interval((idle / 2).max(Duration::from_millis(10)));
    loop {
        look.tick().await;
        memory.give_back(idle);
    }
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
    match memory::serve(&composer.memory, &composer.alarms, composer.hold, store).await {
        Served::Stored => text(StatusCode::OK, "Successfully upload post"),
        Served::StorageFailed => text(StatusCode::INTERNAL_SERVER_ERROR, "the post could not be stored"),
        Served::GivenUp => text(StatusCode::SERVICE_UNAVAILABLE, "out of memory"),
    }
}

/// The post that a request has for the storage.
///
/// # Errors
/// The reply to what is none.
pub(crate) async fn post(request: Request<Incoming>) -> Result<Bytes, Reply> {
    if *request.method() != Method::POST {
        return Err(text(StatusCode::METHOD_NOT_ALLOWED, "POST a post, or GET /health"));
    }
    let post = Post::parse(&serve::body(request).await?).map_err(|e| text(StatusCode::BAD_REQUEST, e.to_string()))?;
    let json = serde_json::to_vec(&post).map_err(|e| text(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(Bytes::from(json))
}
