//! The HTTP client for calls to the next role: keep-alive connections, and a timeout.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Why a call to the next role failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no response within {0:?}")]
    Timeout(Duration),
    #[error("it responded with status {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Request(#[from] http::Error),
    #[error(transparent)]
    Connection(#[from] hyper_util::client::legacy::Error),
    #[error(transparent)]
    Body(#[from] hyper::Error),
}

/// Pause between two attempts to connect.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// A role to call. Its name is resolved for each new connection.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
    timeout: Duration,
}

impl Upstream {
    /// `timeout` covers connecting, sending, and reading the whole response.
    pub fn new(address: String, timeout: Duration) -> Upstream {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Upstream { client, address, timeout }
    }

    /// Stores a post. If the role cannot be reached (DNS failure, connection refused, no route), the call tries again until
    /// the timeout, as database drivers do. An unreachable role therefore fails as late as an unresponsive one.
    ///
    /// # Errors
    /// [`CallError`] unless a response with status 2xx arrives in time.
    pub async fn put(&self, id: u64, post: Bytes) -> Result<(), CallError> {
        let uri: Uri = format!("http://{}/posts/{id}", self.address).parse().map_err(http::Error::from)?;
        let call = async {
            let reply = loop {
                let request = Request::put(uri.clone()).body(Full::new(post.clone()))?;
                match self.client.request(request).await {
                    Err(e) if e.is_connect() => tokio::time::sleep(CONNECT_PAUSE).await,
                    reply => break reply?,
                }
            };
            let status = reply.status();
            // The connection can be reused only after the whole body is read.
            reply.into_body().collect().await?;
            if status.is_success() { Ok(()) } else { Err(CallError::Status(status)) }
        };
        tokio::time::timeout(self.timeout, call).await.unwrap_or(Err(CallError::Timeout(self.timeout)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;
    use crate::testbed::serve;

    /// An address on which no server listens.
    async fn unused_address() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn a_call_to_an_unreachable_role_fails_at_the_timeout() {
        let start = Instant::now();
        let timeout = Duration::from_millis(300);
        let upstream = Upstream::new(unused_address().await.to_string(), timeout);
        let error = upstream.put(1, Bytes::new()).await.unwrap_err();
        assert!(matches!(error, CallError::Timeout(_)) && start.elapsed() >= timeout, "{error}");
    }

    #[tokio::test]
    async fn a_call_succeeds_if_the_role_becomes_reachable() {
        let address = unused_address().await;
        let upstream = Upstream::new(format!("localhost:{}", address.port()), Duration::from_secs(30));
        let call = tokio::spawn(async move { upstream.put(1, Bytes::new()).await });
        // The first attempt may come before or after the server starts. Either order succeeds.
        tokio::task::yield_now().await;
        let listener = serve::listen(address).unwrap();
        tokio::spawn(serve::serve(listener, |_| async { serve::text(StatusCode::CREATED, "stored") }));
        call.await.unwrap().unwrap();
    }
}
