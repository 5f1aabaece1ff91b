//! The role compose-post: accepts posts over HTTP, and handles them as the scenario says.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, StatusCode};
use tokio::net::TcpListener;

use super::form::Post;
use super::limited_memory::LimitedMemory;
use super::plan::Scenario;
use super::role::{ReadyLine, Role, raise_open_files};
use super::scenario::memory::MemoryScenario;
use super::scenario::retry_storm::RetryStorm;
use super::scenario::{PostHandler, PostResult};
use super::serve::{self, Reply, text};
use super::sleep_timer::SleepTimer;
use super::upstream::Upstream;
use crate::out::warn;
use crate::testbed::TestbedPlan;

/// Serves until the process ends.
///
/// In the memory scenario, the process must have entered [`super::heap`]. Its memory is limited from the moment at which it
/// is ready, and memory that no request used for `give_back_after` returns to the system.
///
/// # Errors
/// If the role cannot listen, or cannot limit its memory.
pub(crate) async fn run(
    listen: SocketAddr,
    storage: &str,
    plan: &TestbedPlan,
    give_back_after: Option<Duration>,
) -> io::Result<()> {
    let open_files = raise_open_files(Role::ComposePost)?;
    if plan.scenario == Scenario::Memory {
        preload_resolver(storage).await;
    }
    let listener = serve::listen(listen)?;
    let ready = ReadyLine { address: listener.local_addr()?, open_files, limit: None };
    // post-storage has its own timeout. This longer one is for a post-storage that does not respond at all.
    let timeout = plan.db_timeout.std() + plan.storage_time.std() + Duration::from_secs(1);
    let storage = Upstream::new(storage.to_owned(), timeout);
    match plan.scenario {
        Scenario::Memory => {
            let (memory, limit) = LimitedMemory::new(plan.budget.0)?;
            if let Some(idle) = give_back_after {
                tokio::spawn(give_back_idle_memory(memory.clone(), idle));
            }
            let handler =
                MemoryScenario { memory, clock: SleepTimer::start()?, hold: plan.hold.std(), leaks: plan.leak };
            serve_posts(listener, ReadyLine { limit: Some(limit), ..ready }, storage, handler).await
        }
        Scenario::RetryStorm => {
            let clock = SleepTimer::start()?;
            let handler = RetryStorm::new(plan.workers, plan.queue, plan.service_time.std(), clock);
            serve_posts(listener, ready, storage, handler).await
        }
    }
}

/// Resolves `storage` once before memory is limited, because the first DNS lookup starts a thread, whose stack is memory.
async fn preload_resolver(storage: &str) {
    if let Err(e) = tokio::net::lookup_host(storage).await {
        warn(&format!(
            "{}: cannot resolve {storage} yet: {e}. Posts fail until it can be resolved.",
            Role::ComposePost
        ));
    }
}

async fn give_back_idle_memory(memory: LimitedMemory, idle: Duration) {
    // Checking twice per `idle` limits the delay to half of it.
    let mut interval = tokio::time::interval((idle / 2).max(Duration::from_millis(10)));
    loop {
        interval.tick().await;
        memory.give_back(idle);
    }
}

/// The state of compose-post that all requests share.
struct ComposePost<H> {
    storage: Upstream,
    handler: H,
    next_id: AtomicU64,
}

async fn serve_posts<H: PostHandler>(
    listener: TcpListener,
    ready: ReadyLine,
    storage: Upstream,
    handler: H,
) -> io::Result<()> {
    let compose_post = Arc::new(ComposePost { storage, handler, next_id: AtomicU64::new(1) });
    ready.print()?;
    serve::serve(listener, move |request| respond(Arc::clone(&compose_post), request)).await
}

async fn respond<H: PostHandler>(compose_post: Arc<ComposePost<H>>, request: Request<Incoming>) -> Reply {
    if *request.method() == Method::GET && request.uri().path() == "/health" {
        return text(StatusCode::OK, "healthy");
    }
    let post = match read_post(request).await {
        Ok(post) => post,
        Err(reply) => return reply,
    };
    let id = compose_post.next_id.fetch_add(1, Ordering::Relaxed);
    let store = async { compose_post.storage.put(id, post).await.is_ok() };
    match compose_post.handler.handle(store).await {
        PostResult::Stored => text(StatusCode::OK, "Successfully upload post"),
        PostResult::StorageFailed => text(StatusCode::INTERNAL_SERVER_ERROR, "the post could not be stored"),
        PostResult::OutOfMemory => text(StatusCode::SERVICE_UNAVAILABLE, "out of memory"),
        PostResult::QueueFull => text(StatusCode::SERVICE_UNAVAILABLE, "the queue is full"),
    }
}

/// The post in a request, as JSON for post-storage.
///
/// # Errors
/// The reply to a request that is not a valid post.
async fn read_post(request: Request<Incoming>) -> Result<Bytes, Reply> {
    if *request.method() != Method::POST {
        return Err(text(StatusCode::METHOD_NOT_ALLOWED, "use POST for a post, or GET /health"));
    }
    let post = Post::parse(&serve::body(request).await?).map_err(|e| text(StatusCode::BAD_REQUEST, e.to_string()))?;
    let json = serde_json::to_vec(&post).map_err(|e| text(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(Bytes::from(json))
}
