use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::LastTimestamp;
use super::receive::{enable, receive};

/// A TCP socket, with kernel timestamps if they are wanted.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    /// `None` without timestamps: then reads do not ask for them.
    timestamp: Option<LastTimestamp>,
}

impl Socket {
    /// `with_timestamps` if its reads have timestamps.
    pub fn new(stream: TcpStream, with_timestamps: bool) -> Socket {
        let timestamp = (with_timestamps && enable(stream.as_fd()).is_ok()).then(LastTimestamp::default);
        Socket { stream, timestamp }
    }

    /// The timestamp of the last read so far. It changes with later reads.
    pub fn timestamp(&self) -> Option<&LastTimestamp> {
        self.timestamp.as_ref()
    }
}

impl AsyncRead for Socket {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Socket { stream, timestamp } = self.get_mut();
        match timestamp {
            None => Pin::new(stream).poll_read(cx, buffer),
            Some(timestamp) => poll_receive(stream, timestamp, cx, buffer),
        }
    }
}

/// Reads as tokio's `poll_read` does, and sets the timestamp.
fn poll_receive(
    stream: &TcpStream,
    timestamp: &LastTimestamp,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        let mut count = None;
        let received = stream.try_io(Interest::READABLE, || {
            // SAFETY: `receive` only writes bytes, and so leaves none uninitialized.
            #[allow(unsafe_code)]
            let free = unsafe { buffer.unfilled_mut() };
            let size = free.len();
            let (read, last) = receive(stream.as_fd(), free)?;
            timestamp.set(last);
            count = Some(read);
            // A read that does not fill the buffer has emptied the socket. tokio then waits for an event before the next
            // read, which saves a system call; it takes this error for that.
            if (1..size).contains(&read) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        if let Some(read) = count {
            // SAFETY: the kernel has written that many bytes.
            #[allow(unsafe_code)]
            unsafe {
                buffer.assume_init(read);
            }
            buffer.advance(read);
            return Poll::Ready(Ok(()));
        }
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
            Ok(()) => {}
        }
    }
}

impl AsyncWrite for Socket {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices {
            // TLS and HTTP/2 mostly have one, which `send` takes at less cost.
            [bytes] => self.poll_write(cx, bytes),
            _ => Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices),
        }
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    #[inline]
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
