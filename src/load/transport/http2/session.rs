//! The start of an HTTP/2 connection.

use std::io;

use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use hyper::body::Bytes;

use crate::http1::MAX_HEAD;
use crate::load::transport::failure::{cause_of_http2, known_error};
use crate::load::transport::{LastTimestamp, Stream};
use crate::out::excerpt;
use crate::record::ErrorCause;

/// An HTTP/2 connection whose server has confirmed that it speaks HTTP/2, and has sent its limit on streams.
pub struct Session {
    pub sender: SendRequest<Bytes>,
    pub connection: Connection<Stream, Bytes>,
    /// The kernel timestamp of its last read, if it has timestamps.
    pub timestamp: Option<LastTimestamp>,
}

/// Flow control windows of a stream and of a connection, in bytes: large enough not to limit a load.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

impl Session {
    /// Starts HTTP/2 on `stream`. Over TLS, ALPN has agreed on it before; otherwise the server is known to speak it.
    ///
    /// # Errors
    /// The server does not speak HTTP/2.
    pub async fn new(stream: Stream) -> io::Result<Session> {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD as u32)
            // A slow server may respond to any number of abandoned streams.
            .max_local_error_reset_streams(None);
        let timestamp = stream.timestamp().cloned();
        let (sender, mut connection) = builder.handshake(stream).await.map_err(|error| refused(&error))?;
        let no_pings = || known_error(io::ErrorKind::Other, ErrorCause::Other, "no ping");
        let mut pings = connection.ping_pong().ok_or_else(no_pings)?;
        tokio::select! {
            biased;
            ping = first_ping(&mut pings) => ping?,
            ended = &mut connection => {
                return Err(ended.err().map_or_else(|| not_http2(ErrorCause::ClosedEarly, &CLOSED), |error| refused(&error)));
            }
        }
        Ok(Session { sender, connection, timestamp })
    }
}

/// A server sends its settings before anything else, so they are known when it has answered a ping.
async fn first_ping(pings: &mut PingPong) -> io::Result<()> {
    pings.ping(Ping::opaque()).await.map_err(|error| refused(&error)).map(drop)
}

const CLOSED: &str = "it closed the connection";

fn refused(error: &h2::Error) -> io::Error {
    not_http2(cause_of_http2(error), error)
}

fn not_http2(cause: ErrorCause, why: &dyn std::fmt::Display) -> io::Error {
    let message =
        format!("the server does not speak HTTP/2: {}. To use HTTP/1.1, leave out `http2`", excerpt(&why.to_string()));
    known_error(io::ErrorKind::InvalidData, cause, message)
}
