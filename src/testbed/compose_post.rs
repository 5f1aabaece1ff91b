//! compose-post: takes a post, and little memory.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, StatusCode};

use super::alarms::Alarms;
use super::form::Post;
use super::memory::Limited;
use super::role::{Ready, Role, raise_open_files};
use super::scenario::{self, Served};
use super::serve::{self, Reply, text};
use super::upstream::Upstream;
use crate::testbed::TestbedPlan;

struct Composer {
    storage: Upstream,
    memory: Limited,
    alarms: Alarms,
    hold: Duration,
    next_id: AtomicU64,
}

/// Serves for ever, on memory that is limited from when it is ready. The process has entered [`super::heap`] before.
///
/// # Errors
/// If it cannot listen, or not limit its memory.
pub(super) async fn run(listen: SocketAddr, storage: &str, plan: &TestbedPlan) -> io::Result<()> {
    let open_files = raise_open_files(Role::ComposePost)?;
    // Looked up once: later a look-up would take a thread, and its stack is memory.
    let storage = storage.to_socket_addrs()?.next().ok_or_else(|| io::Error::other("post-storage has no address"))?;
    // post-storage answers by itself; this is for when it is in trouble of its own.
    let patience = plan.db_timeout.std() + plan.storage_time.std() + Duration::from_secs(1);
    let listener = serve::listen(listen)?;
    let address = listener.local_addr()?;
    let (memory, limit) = Limited::new(plan.budget.0)?;
    let composer = Arc::new(Composer {
        storage: Upstream::new(storage.to_string(), patience),
        memory,
        alarms: Alarms::start()?,
        hold: plan.hold.std(),
        next_id: AtomicU64::new(1),
    });
    Ready { address, open_files, limit: Some(limit) }.announce()?;
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
    match scenario::serve(&composer.memory, &composer.alarms, composer.hold, store).await {
        Served::Stored => text(StatusCode::OK, "Successfully upload post"),
        Served::StorageFailed => text(StatusCode::INTERNAL_SERVER_ERROR, "the post could not be stored"),
        Served::GivenUp => text(StatusCode::SERVICE_UNAVAILABLE, "out of memory"),
    }
}

/// The post that a request has for the storage.
///
/// # Errors
/// The reply to what is none.
pub(super) async fn post(request: Request<Incoming>) -> Result<Bytes, Reply> {
    if *request.method() != Method::POST {
        return Err(text(StatusCode::METHOD_NOT_ALLOWED, "POST a post, or GET /health"));
    }
    let post = Post::parse(&serve::body(request).await?).map_err(|e| text(StatusCode::BAD_REQUEST, e.to_string()))?;
    let json = serde_json::to_vec(&post).map_err(|e| text(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(Bytes::from(json))
}
