//! The endpoint that Prometheus scrapes.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

use super::metrics::{Totals, create_registry, format_metrics};

/// A client that does not send its request within this time is disconnected.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves the metrics on a thread of its own, until the process ends.
///
/// # Errors
/// If the thread cannot be created.
pub fn start(listener: TcpListener, totals: Arc<Mutex<Totals>>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _guard = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let registry = Arc::new(create_registry(totals));
    std::thread::Builder::new().name("prometheus".into()).spawn(move || runtime.block_on(serve(listener, registry)))?;
    Ok(())
}

async fn serve(listener: tokio::net::TcpListener, registry: Arc<Registry>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files. Some may be closed soon.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let registry = Arc::clone(&registry);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&request, &registry);
                async { Ok::<_, Infallible>(response) }
            });
            // Errors of a client, such as invalid HTTP, need no handling.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(request: &Request<Incoming>, registry: &Registry) -> Response<Full<Bytes>> {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    match request.uri().path() {
        "/metrics" if is_read => {
            let mut response = Response::new(Full::from(format_metrics(registry)));
            let text = HeaderValue::from_static(prometheus_text::CONTENT_TYPE);
            response.headers_mut().insert(CONTENT_TYPE, text);
            response
        }
        "/metrics" => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        _ => plain(StatusCode::NOT_FOUND, "the metrics are at /metrics\n"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
