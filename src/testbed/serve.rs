//! The HTTP server that all roles share.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, server};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub(crate) type Reply = Response<Full<Bytes>>;

/// Larger than any post. Larger bodies are refused before they take memory.
const MAX_BODY: usize = 64 * 1024;
/// Read buffer of a connection. A request head with a post fits.
const BUFFER: usize = 16 * 1024;
/// Thousands of connections may arrive in a burst.
const BACKLOG: u32 = 4096;

/// # Errors
/// If the address is in use, or does not belong to this machine.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts the next connection. Waits while the process has no free file.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it, connections are only slower.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            // Out of files, or the client has closed already. Other connections may close soon.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves until the process ends. Each request is handled in its own task, which continues after the client
/// disconnects. Without the task, hyper would drop the handler then. Servers that stop abandoned work are less prone to
/// metastable failures, and the testbed is meant to be prone to them.
pub(crate) async fn serve<H, F>(listener: TcpListener, handler: H) -> !
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    loop {
        let stream = accept(&listener).await;
        let handler = handler.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| tokio::spawn(handler(request)));
            // Errors of a client, such as invalid HTTP, need no handling.
            let _ = server::conn::http1::Builder::new()
                .max_buf_size(BUFFER)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// # Errors
/// The reply to a request whose body is too large or incomplete.
pub(crate) async fn body(request: Request<Incoming>) -> Result<Bytes, Reply> {
    match Limited::new(request.into_body(), MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) => Err(text(StatusCode::BAD_REQUEST, format!("cannot read a body of at most {MAX_BODY} bytes: {e}"))),
    }
}

pub(crate) fn text(status: StatusCode, line: impl Into<String>) -> Reply {
    let mut line = line.into();
    line.push('\n');
    bytes(status, Bytes::from(line))
}

pub(crate) fn bytes(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply
}

/// The id in a path: 17 in `/posts/17`.
pub(crate) fn post_id(path: &str) -> Option<u64> {
    path.strip_prefix("/posts/")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_path_has_an_id() {
        assert_eq!(post_id("/posts/17"), Some(17));
        for path in ["/posts/", "/posts/x", "/posts/1/2", "/health", ""] {
            assert_eq!(post_id(path), None, "{path}");
        }
    }
}
