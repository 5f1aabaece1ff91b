//! Serving HTTP, as all roles do it.

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

/// More than any post; what is larger is refused before it takes memory.
const MOST_BODY: usize = 64 * 1024;
/// A connection's read buffer: a head and a post fit.
const BUFFER: usize = 16 * 1024;
/// Thousands of connections may come in a burst.
const BACKLOG: u32 = 4096;

/// # Errors
/// If the address is taken or not this machine's.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The next connection; waits while the system has no file for it.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Only a matter of speed.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            // Out of files, or the client left already: others may close theirs.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves for ever. Each request is handled in a task of its own, which goes on when the client has left: hyper would
/// drop the handler then, and a system that drops work nobody awaits has one loop less to be stuck in.
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
            // A client that breaks off, or speaks no HTTP, is its own concern.
            let _ = server::conn::http1::Builder::new()
                .max_buf_size(BUFFER)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// # Errors
/// The reply to a body that is too large, or did not come.
pub(crate) async fn body(request: Request<Incoming>) -> Result<Bytes, Reply> {
    match Limited::new(request.into_body(), MOST_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) => Err(text(StatusCode::BAD_REQUEST, format!("no body of at most {MOST_BODY} bytes: {e}"))),
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

/// `/posts/17` is post 17.
pub(crate) fn post_id(path: &str) -> Option<u64> {
    path.strip_prefix("/posts/")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_have_numbers() {
        assert_eq!(post_id("/posts/17"), Some(17));
        for path in ["/posts/", "/posts/x", "/posts/1/2", "/health", ""] {
            assert_eq!(post_id(path), None, "{path}");
        }
    }
}
