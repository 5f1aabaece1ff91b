//! The beginning of an HTTP/2 connection.

use std::io;

use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use hyper::body::Bytes;

use crate::http1::MAX_HEAD;
use crate::load::transport::Stream;

/// A connection whose server has shown that it speaks HTTP/2, and said how many streams it takes.
pub struct Session {
    pub sender: SendRequest<Bytes>,
    pub connection: Connection<Stream, Bytes>,
}

/// What a server may send on a stream, and on a connection, before it is read: more than a load ever waits with.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

impl Session {
    /// Speaks HTTP/2 on `stream`: agreed on by ALPN before, or known to be spoken.
    ///
    /// # Errors
    /// In words: the server does not speak it.
    pub async fn new(stream: Stream) -> io::Result<Session> {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD as u32)
            // Answers to streams that were given up long ago are the server's lateness, and break nothing.
            .max_local_error_reset_streams(None);
        let (sender, mut connection) = builder.handshake(stream).await.map_err(|error| refused(&error.to_string()))?;
        let mut pings = connection.ping_pong().ok_or_else(|| refused("no ping"))?;
        tokio::select! {
            biased;
            answered = first_ping(&mut pings) => answered?,
            ended = &mut connection => {
                return Err(refused(&ended.err().map_or_else(|| "it closed the connection".into(), |e| e.to_string())));
            }
        }
        Ok(Session { sender, connection })
    }
}

/// A server's settings are the first thing that it sends, so that they are known with its first answer.
async fn first_ping(pings: &mut PingPong) -> io::Result<()> {
    pings.ping(Ping::opaque()).await.map_err(|error| refused(&error.to_string())).map(drop)
}

fn refused(why: &str) -> io::Error {
    let words = format!("the server does not speak HTTP/2 there ({why}); leave --http2 out");
    io::Error::new(io::ErrorKind::InvalidData, words)
}
