//! Calling the next role: keep-alive connections, a new one when none is idle, an end to patience.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
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

/// A role to call.
#[derive(Clone)]
pub(super) struct Upstream {
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

    /// Stores a post.
    ///
    /// # Errors
    /// [`CallError`] for everything but a 2xx in time.
    pub async fn put(&self, id: u64, post: Bytes) -> Result<(), CallError> {
        let uri = format!("http://{}/posts/{id}", self.address);
        let request = Request::builder().method(Method::PUT).uri(uri).body(Full::new(post))?;
        let call = async {
            let reply = self.client.request(request).await?;
            let status = reply.status();
            // Read to its end, so that the connection is of use again.
            reply.into_body().collect().await?;
            if status.is_success() { Ok(()) } else { Err(CallError::Status(status)) }
        };
        tokio::time::timeout(self.patience, call).await.unwrap_or(Err(CallError::Timeout(self.patience)))
    }
}
