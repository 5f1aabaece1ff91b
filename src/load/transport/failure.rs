//! Why a connection or an attempt failed: from the errors of the system, of TLS and of the protocols to one cause.

use std::fmt;
use std::io;

use tokio_rustls::rustls;

use crate::http1::ProtocolError;
use crate::record::{ErrorCause, Outcome};
use crate::units::Time;

/// The end of an attempt without an answer.
#[derive(Debug)]
pub enum Failure {
    /// The client gave it up at its timeout.
    Abandoned,
    /// No connection could be made. [`super::connect`] counts why, since no request need wait for it.
    Connect,
    Read(Why),
    Write(Why),
    /// Its connection has ended as the response wanted, or because this program ended it.
    Closed,
}

/// Whether the attempts that a failure hits go again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    Never,
    /// The server closed the connection while it was idle (RFC 9112, 9.3.1): once, if the attempt is idempotent or was not
    /// written.
    ClosedIdle,
    /// The server says that it has not processed them (RFC 9113, 8.7).
    Unprocessed,
}

/// A server that closed an idle connection is seen to have done so within this time after a request on it. Later, the
/// server may have taken the request, and failed at it.
pub const IDLE_CLOSE: Time = Time::from_millis(200);

/// A request that the server refuses more often than this has failed.
const MAX_RESENDS: u8 = 10;

impl Again {
    /// How long an attempt waits until it goes again, after `resends` times. `None` if it does not.
    pub fn wait(self, resends: u8, is_written: bool, is_idempotent: impl FnOnce() -> bool) -> Option<Time> {
        let goes = match self {
            Again::Never => false,
            Again::ClosedIdle => !is_written || (resends == 0 && is_idempotent()),
            Again::Unprocessed => resends < MAX_RESENDS,
        };
        // A server that refuses everything costs little CPU.
        goes.then(|| Time::from_millis(if resends == 0 { 0 } else { 1 << (resends - 1) }))
    }
}

/// The cause of a failure, and its error.
#[derive(Debug)]
pub enum Why {
    Io(io::Error),
    Http1(ProtocolError),
    Http2(h2::Error),
    /// A limit of this program, or a response without a request.
    Text(ErrorCause, &'static str),
}

impl Failure {
    /// The outcome of the attempts that it hits. After a read error, those that were not written are write errors.
    pub fn outcome(&self, is_written: bool) -> Outcome {
        match self {
            Failure::Abandoned => Outcome::Abandoned,
            Failure::Connect => Outcome::ConnectError,
            Failure::Write(_) => Outcome::WriteError,
            Failure::Read(_) | Failure::Closed if is_written => Outcome::ReadError,
            Failure::Read(_) | Failure::Closed => Outcome::WriteError,
        }
    }

    /// The cause to count for each attempt that it hits.
    pub fn cause(&self) -> Option<(ErrorCause, &dyn fmt::Display)> {
        match self {
            Failure::Abandoned | Failure::Connect => None,
            Failure::Read(why) | Failure::Write(why) => Some((why.cause(), why)),
            Failure::Closed => Some((ErrorCause::ClosedEarly, &"the response before it closed the connection")),
        }
    }
}

impl Why {
    pub fn cause(&self) -> ErrorCause {
        match self {
            Why::Io(error) => cause_of(error),
            Why::Http1(ProtocolError::Closed) => ErrorCause::ClosedEarly,
            Why::Http1(ProtocolError::HeadTooLong) => ErrorCause::Limit,
            Why::Http1(_) => ErrorCause::NotHttp1,
            Why::Http2(error) => cause_of_http2(error),
            Why::Text(cause, _) => *cause,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Io(error) => error.fmt(f),
            Why::Http1(error) => error.fmt(f),
            Why::Http2(error) => error.fmt(f),
            Why::Text(_, text) => f.write_str(text),
        }
    }
}

/// An error whose cause is known where it is made, within an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct KnownError {
    cause: ErrorCause,
    text: String,
}

/// An error of the system with a text for the user.
pub fn known_error(kind: io::ErrorKind, cause: ErrorCause, text: impl Into<String>) -> io::Error {
    io::Error::new(kind, KnownError { cause, text: text.into() })
}

/// The cause of an error of the system, of TLS, or of [`known_error`].
pub fn cause_of(error: &io::Error) -> ErrorCause {
    if let Some(inner) = error.get_ref() {
        if let Some(known) = inner.downcast_ref::<KnownError>() {
            return known.cause;
        }
        if inner.is::<rustls::Error>() {
            return ErrorCause::Tls;
        }
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorCause::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            ErrorCause::Unreachable
        }
        io::ErrorKind::TimedOut => ErrorCause::ConnectTimeout,
        io::ErrorKind::AddrNotAvailable => ErrorCause::NoLocalPort,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            ErrorCause::Reset
        }
        io::ErrorKind::UnexpectedEof => ErrorCause::ClosedEarly,
        _ => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => ErrorCause::NoFile,
            _ => ErrorCause::Other,
        },
    }
}

/// Whether the server says by this error that it has not processed the request: by GOAWAY with a lower stream, or by
/// REFUSED_STREAM.
pub fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// The cause of an error of an HTTP/2 stream or connection.
pub fn cause_of_http2(error: &h2::Error) -> ErrorCause {
    match error.get_io() {
        Some(io) => match io.kind() {
            // The server closed the connection.
            io::ErrorKind::BrokenPipe => ErrorCause::ClosedEarly,
            // `h2` keeps only the text of an error of TLS.
            io::ErrorKind::InvalidData => ErrorCause::Tls,
            _ => cause_of(io),
        },
        None if error.is_remote() => ErrorCause::Http2Ended,
        None => ErrorCause::NotHttp2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_have_their_causes() {
        let of = |errno: rustix::io::Errno| cause_of(&io::Error::from_raw_os_error(errno.raw_os_error()));
        use rustix::io::Errno;
        for (errno, cause) in [
            (Errno::CONNREFUSED, ErrorCause::Refused),
            (Errno::CONNRESET, ErrorCause::Reset),
            (Errno::PIPE, ErrorCause::Reset),
            (Errno::ADDRNOTAVAIL, ErrorCause::NoLocalPort),
            (Errno::MFILE, ErrorCause::NoFile),
            (Errno::NFILE, ErrorCause::NoFile),
            (Errno::TIMEDOUT, ErrorCause::ConnectTimeout),
            (Errno::HOSTUNREACH, ErrorCause::Unreachable),
            (Errno::NETUNREACH, ErrorCause::Unreachable),
            (Errno::NOMEM, ErrorCause::Other),
        ] {
            assert_eq!(of(errno), cause, "{errno:?}");
        }
    }

    #[test]
    fn errors_of_tls_and_of_the_protocols_have_their_causes() {
        let tls = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
        assert_eq!(cause_of(&tls), ErrorCause::Tls);
        assert_eq!(cause_of(&known_error(io::ErrorKind::InvalidData, ErrorCause::NotHttp2, "x")), ErrorCause::NotHttp2);
        assert_eq!(Why::Http1(ProtocolError::Closed).cause(), ErrorCause::ClosedEarly);
        assert_eq!(Why::Http1(ProtocolError::HeadTooLong).cause(), ErrorCause::Limit);
        assert_eq!(Why::Http1(ProtocolError::Chunk).cause(), ErrorCause::NotHttp1);
        let refused = h2::Error::from(h2::Reason::PROTOCOL_ERROR);
        assert_eq!(Why::Http2(refused).cause(), ErrorCause::NotHttp2);
    }

    #[test]
    fn what_the_server_did_not_take_goes_again_within_bounds() {
        let wait = |again: Again, resends, is_written, is_idempotent| again.wait(resends, is_written, || is_idempotent);
        let at_once = Some(Time::ZERO);
        assert_eq!(wait(Again::Never, 0, false, true), None);
        assert_eq!(wait(Again::ClosedIdle, 0, true, true), at_once);
        assert_eq!(wait(Again::ClosedIdle, 0, true, false), None, "a POST that was written");
        assert_eq!(wait(Again::ClosedIdle, 0, false, false), at_once);
        assert_eq!(wait(Again::ClosedIdle, 1, true, true), None, "only once");
        let waits: Vec<_> = (0..12).map_while(|resends| wait(Again::Unprocessed, resends, true, false)).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256].map(Time::from_millis));
    }

    #[test]
    fn after_a_read_error_what_was_not_written_is_a_write_error() {
        let failure = Failure::Read(Why::Http1(ProtocolError::Closed));
        assert_eq!((failure.outcome(true), failure.outcome(false)), (Outcome::ReadError, Outcome::WriteError));
        assert_eq!(
            (Failure::Closed.outcome(false), Failure::Connect.outcome(false)),
            (Outcome::WriteError, Outcome::ConnectError)
        );
    }
}
