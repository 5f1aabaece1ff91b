//! The role post-db: a database behind HTTP.

use std::io;
use std::net::SocketAddr;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};

use super::role::{ReadyLine, Role, raise_open_files};
use super::serve::{self, Reply, text};
use super::store::Store;

/// Serves until the process ends.
///
/// # Errors
/// If the role cannot listen, or cannot create the file for its data.
pub(crate) async fn run(listen: SocketAddr) -> io::Result<()> {
    let open_files = raise_open_files(Role::PostDb)?;
    let store = Store::open().map_err(io::Error::other)?;
    let listener = serve::listen(listen)?;
    ReadyLine { address: listener.local_addr()?, open_files, limit: None }.print()?;
    serve::serve(listener, move |request| respond(store.clone(), request)).await
}

async fn respond(store: Store, request: Request<Incoming>) -> Reply {
    let path = request.uri().path();
    let failed = |e: redb::Error| text(StatusCode::INTERNAL_SERVER_ERROR, e.to_string());
    match (request.method(), serve::post_id(path)) {
        (&Method::PUT | &Method::POST, Some(id)) => match serve::body(request).await {
            Ok(post) => store.put(id, post).await.map_or_else(failed, |()| text(StatusCode::CREATED, "stored")),
            Err(reply) => reply,
        },
        (&Method::GET, Some(id)) => match store.get(id).await {
            Ok(Some(post)) => serve::bytes(StatusCode::OK, post),
            Ok(None) => text(StatusCode::NOT_FOUND, "no such post"),
            Err(e) => failed(e),
        },
        (&Method::GET, None) if path == "/health" => text(StatusCode::OK, "healthy"),
        _ => text(StatusCode::NOT_FOUND, "use PUT or GET /posts/ID, or GET /health"),
    }
}
