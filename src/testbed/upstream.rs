//! Calling the next role: keep-alive connections, a new one when none is idle, an end to patience.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Request(#[from] http::Error),
    #[error(transparent)]
    Connection(#[from] hyper_util::client::legacy::Error),
    #[error(transparent)]
    Body(#[from] hyper::Error),
}

/// Between two tries to connect.
const CONNECT_EVERY: Duration = Duration::from_millis(100);

/// A role to call, by a name that is looked up with each connection.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
    patience: Duration,
}

impl Upstream {
    /// `patience` spans connecting, sending and the whole answer.
    pub fn new(address: String, patience: Duration) -> Upstream {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Upstream { client, address, patience }
    }

    /// Stores a post. A role that cannot be reached (its name is not known, nobody listens, no route) may be so again in
    /// a moment, as database drivers have it: that fails no sooner than an answer that does not come.
    ///
    /// # Errors
    /// [`CallError`] for everything but a 2xx in time.
    pub async fn put(&self, id: u64, post: Bytes) -> Result<(), CallError> {
        let uri: Uri = format!("http://{}/posts/{id}", self.address).parse().map_err(http::Error::from)?;
        let call = async {
            let reply = loop {
                let request = Request::put(uri.clone()).body(Full::new(post.clone()))?;
                match self.client.request(request).await {
                    Err(e) if e.is_connect() => tokio::time::sleep(CONNECT_EVERY).await,
                    reply => break reply?,
                }
            };
            let status = reply.status();
            // Read to its end, so that the connection is of use again.
            reply.into_body().collect().await?;
            if status.is_success() { Ok(()) } else { Err(CallError::Status(status)) }
        };
        tokio::time::timeout(self.patience, call).await.unwrap_or(Err(CallError::Timeout(self.patience)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;
    use crate::testbed::serve;

    /// An address that nobody listens on.
    async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn a_role_that_cannot_be_reached_fails_as_one_that_does_not_answer() {
        let start = Instant::now();
        let patience = Duration::from_millis(300);
        let upstream = Upstream::new(nobody().await.to_string(), patience);
        let error = upstream.put(1, Bytes::new()).await.unwrap_err();
        assert!(matches!(error, CallError::Timeout(_)) && start.elapsed() >= patience, "{error}");
    }

    #[tokio::test]
    async fn a_role_that_is_there_again_is_reached() {
        let address = nobody().await;
        let upstream = Upstream::new(format!("localhost:{}", address.port()), Duration::from_secs(30));
        let call = tokio::spawn(async move { upstream.put(1, Bytes::new()).await });
        // Whether the first try was before or after, one of them finds it.
        tokio::task::yield_now().await;
        let listener = serve::listen(address).unwrap();
        tokio::spawn(serve::serve(listener, |_| async { serve::text(StatusCode::CREATED, "stored") }));
        call.await.unwrap().unwrap();
    }
}
