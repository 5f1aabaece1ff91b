//! Connections to the target: TCP, with TLS if the scheme is `https`, or a unix socket, and HTTP/1.1 or HTTP/2 over it.

mod backoff;
mod connect;
pub mod failure;
pub mod http1;
pub mod http2;
mod kept_body;
mod response;
mod timestamps;
pub mod tls;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::plan::LoadPlan;
pub use response::CapturedResponse;
pub use timestamps::{KernelTimestamp, LastTimestamp};
use timestamps::{Socket, are_available};
use tls::{Tls, TlsError};

/// What is needed to open a connection to the target. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    tls: Option<Tls>,
    unix_socket: Option<Arc<Path>>,
    has_timestamps: bool,
}

impl Transport {
    /// Follows the scheme and the TLS settings of the plan. Reads the certificate authorities if certificates are verified.
    ///
    /// # Errors
    /// [`TlsError`] if there are none, or if the host is not a valid server name.
    pub fn new(plan: &LoadPlan) -> Result<Transport, TlsError> {
        let tls = plan.target().is_tls().then(|| Tls::new(plan)).transpose()?;
        let unix_socket = plan.unix_socket.as_deref().map(Arc::from);
        let has_timestamps = unix_socket.is_none() && plan.wants_timestamps() && are_available();
        Ok(Transport { tls, unix_socket, has_timestamps })
    }

    /// What is read has kernel timestamps: the plan wants them, and the system has them.
    pub fn has_timestamps(&self) -> bool {
        self.has_timestamps
    }

    /// The same with a separate TLS session cache. Each worker has one, so that workers share nothing.
    pub fn with_own_sessions(&self) -> Transport {
        Transport { tls: self.tls.as_ref().map(Tls::with_own_sessions), ..self.clone() }
    }

    /// Opens a connection to `address`, or to the unix socket of the plan, including the TLS handshake.
    ///
    /// # Errors
    /// The system's, or what is wrong in the TLS handshake and what to do about it.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        if let Some(path) = &self.unix_socket {
            return Ok(Stream::Unix(UnixStream::connect(path).await?));
        }
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = Socket::new(stream, self.has_timestamps);
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some(tls) => Ok(Stream::Tls(Box::new(tls.handshake(stream).await?))),
        }
    }
}

/// A connection, over TCP and encrypted or not, or over a unix socket. With TLS, written bytes are sent only after a flush.
#[derive(Debug)]
pub enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
    Unix(UnixStream),
}

impl Stream {
    /// The kernel timestamp of the last read so far, if it has timestamps. With TLS that is the read of the encrypted bytes.
    #[inline]
    pub fn timestamp(&self) -> Option<&LastTimestamp> {
        match self {
            Stream::Plain(socket) => socket.timestamp(),
            Stream::Tls(stream) => stream.get_ref().0.timestamp(),
            Stream::Unix(_) => None,
        }
    }
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
