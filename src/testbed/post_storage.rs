//! The role post-storage: stores a post in post-db through the link, and fails after a timeout.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use tokio::time::Instant;

use super::role::{ReadyLine, Role, raise_open_files};
use super::serve::{self, Reply, text};
use super::upstream::Upstream;
use crate::testbed::TestbedPlan;

/// Serves until the process ends.
///
/// # Errors
/// If the role cannot listen.
pub(crate) async fn run(listen: SocketAddr, db: &str, plan: &TestbedPlan) -> io::Result<()> {
    let open_files = raise_open_files(Role::PostStorage)?;
    let db = Upstream::new(db.to_owned(), plan.db_timeout.std());
    let service_time = plan.storage_time.std();
    let listener = serve::listen(listen)?;
    ReadyLine { address: listener.local_addr()?, open_files, limit: None }.print()?;
    serve::serve(listener, move |request| respond(db.clone(), service_time, request)).await
}

async fn respond(db: Upstream, service_time: Duration, request: Request<Incoming>) -> Reply {
    let end = Instant::now() + service_time;
    let path = request.uri().path();
    let id = match (request.method(), serve::post_id(path)) {
        (&Method::PUT, Some(id)) => id,
        (&Method::GET, None) if path == "/health" => return text(StatusCode::OK, "healthy"),
        _ => return text(StatusCode::NOT_FOUND, "use PUT /posts/ID, or GET /health"),
    };
    let post = match serve::body(request).await {
        Ok(post) => post,
        Err(reply) => return reply,
    };
    if let Err(e) = db.put(id, post).await {
        return text(StatusCode::SERVICE_UNAVAILABLE, format!("post-db: {e}"));
    }
    // The service time is a timer, so that the service is slow without using CPU.
    tokio::time::sleep_until(end).await;
    text(StatusCode::CREATED, "stored")
}
