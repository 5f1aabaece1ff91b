//! How a connection is made: TCP, and TLS over it where the target's scheme is `https`.

mod backoff;
pub mod http1;
pub mod http2;
pub mod tls;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::plan::LoadPlan;
use super::transport::tls::{Tls, TlsError};

/// Everything that it takes to make a connection to the target. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    tls: Option<Tls>,
}

impl Transport {
    /// Connections as the plan's scheme and its `tls` want them. Reads the authorities, if it needs any.
    ///
    /// # Errors
    /// [`TlsError`] where there are none, or the host is no name that a certificate could be for.
    pub fn new(plan: &LoadPlan) -> Result<Transport, TlsError> {
        let tls = plan.target().is_tls().then(|| Tls::new(plan)).transpose()?;
        Ok(Transport { tls })
    }

    /// The same for a thread of its own: they resume no TLS sessions of each other.
    pub fn apart(&self) -> Transport {
        Transport { tls: self.tls.as_ref().map(Tls::apart) }
    }

    /// Makes a connection to `address`, TLS handshake included.
    ///
    /// # Errors
    /// The system's, or those of the handshake in words for whoever set up the load.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some(tls) => Ok(Stream::Tls(Box::new(tls.handshake(stream).await?))),
        }
    }
}

/// A connection, in clear or not. With TLS, what was written is on its way only after a flush.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
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
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
