//! Why connections could not be made, and why attempts failed.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a connection could not be made, or why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCause {
    /// The server refused the connection.
    Refused,
    /// There is no way to the server's network or host.
    Unreachable,
    /// No connection came up within the timeout.
    ConnectTimeout,
    /// The generator has no local port left for a connection to this address.
    NoLocalPort,
    /// The generator may not open another file or socket.
    NoFile,
    /// TLS failed.
    Tls,
    /// The server's bytes are not HTTP/1, or break its rules.
    NotHttp1,
    /// The server does not speak HTTP/2, or breaks its rules.
    NotHttp2,
    /// A response without a request.
    Unsolicited,
    /// The server reset the connection.
    Reset,
    /// The server closed the connection before the answer was complete.
    ClosedEarly,
    /// The server ended an HTTP/2 stream or connection with an error (`RST_STREAM`, `GOAWAY`).
    Http2Ended,
    /// A response was larger than this program allows.
    Limit,
    /// Another error of the system.
    Other,
}

impl ErrorCause {
    /// All causes.
    pub const ALL: [ErrorCause; 14] = [
        ErrorCause::Refused,
        ErrorCause::Unreachable,
        ErrorCause::ConnectTimeout,
        ErrorCause::NoLocalPort,
        ErrorCause::NoFile,
        ErrorCause::Tls,
        ErrorCause::NotHttp1,
        ErrorCause::NotHttp2,
        ErrorCause::Unsolicited,
        ErrorCause::Reset,
        ErrorCause::ClosedEarly,
        ErrorCause::Http2Ended,
        ErrorCause::Limit,
        ErrorCause::Other,
    ];

    /// The name in files: `no-local-port`, for example.
    pub const fn name(self) -> &'static str {
        match self {
            ErrorCause::Refused => "refused",
            ErrorCause::Unreachable => "unreachable",
            ErrorCause::ConnectTimeout => "connect-timeout",
            ErrorCause::NoLocalPort => "no-local-port",
            ErrorCause::NoFile => "no-file",
            ErrorCause::Tls => "tls",
            ErrorCause::NotHttp1 => "not-http1",
            ErrorCause::NotHttp2 => "not-http2",
            ErrorCause::Unsolicited => "unsolicited",
            ErrorCause::Reset => "reset",
            ErrorCause::ClosedEarly => "closed-early",
            ErrorCause::Http2Ended => "http2-ended",
            ErrorCause::Limit => "limit",
            ErrorCause::Other => "other",
        }
    }

    /// What happened, in words.
    pub const fn words(self) -> &'static str {
        match self {
            ErrorCause::Refused => "connection refused",
            ErrorCause::Unreachable => "server unreachable",
            ErrorCause::ConnectTimeout => "no connection within the timeout",
            ErrorCause::NoLocalPort => "no local port left",
            ErrorCause::NoFile => "no file descriptor left",
            ErrorCause::Tls => "TLS failed",
            ErrorCause::NotHttp1 => "not HTTP/1",
            ErrorCause::NotHttp2 => "not HTTP/2",
            ErrorCause::Unsolicited => "response without a request",
            ErrorCause::Reset => "connection reset",
            ErrorCause::ClosedEarly => "closed before the answer was complete",
            ErrorCause::Http2Ended => "ended by HTTP/2",
            ErrorCause::Limit => "response too large",
            ErrorCause::Other => "other error",
        }
    }

    /// It can only keep a connection from being made.
    pub const fn is_of_connect(self) -> bool {
        matches!(
            self,
            ErrorCause::Refused
                | ErrorCause::Unreachable
                | ErrorCause::ConnectTimeout
                | ErrorCause::NoLocalPort
                | ErrorCause::NoFile
                | ErrorCause::Tls
        )
    }

    /// The generator, its settings, or a mismatch of protocols is the cause. Otherwise the server or the network is.
    pub const fn is_of_generator(self) -> bool {
        match self {
            ErrorCause::NoLocalPort
            | ErrorCause::NoFile
            | ErrorCause::NotHttp1
            | ErrorCause::NotHttp2
            | ErrorCause::Limit => true,
            ErrorCause::Tls
            | ErrorCause::Unsolicited
            | ErrorCause::Refused
            | ErrorCause::Unreachable
            | ErrorCause::ConnectTimeout
            | ErrorCause::Reset
            | ErrorCause::ClosedEarly
            | ErrorCause::Http2Ended
            | ErrorCause::Other => false,
        }
    }
}

/// How often a cause occurred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseCount {
    /// What went wrong.
    pub cause: ErrorCause,
    /// Connections and attempts.
    pub count: u64,
    /// The error of the first one, in words.
    pub example: String,
}

/// The causes of all errors of a run, with their counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<CauseCount>", into = "Vec<CauseCount>")]
pub struct ErrorCauses(BTreeMap<ErrorCause, (u64, String)>);

/// The longest example, in characters. A server may choose the text.
const MAX_EXAMPLE: usize = 200;

impl ErrorCauses {
    /// Counts an error. The first one of each cause is the example.
    pub fn count(&mut self, cause: ErrorCause, error: &dyn fmt::Display) {
        self.0.entry(cause).or_insert_with(|| (0, shown(&error.to_string()))).0 += 1;
    }

    /// The most frequent cause among those that `is_wanted` accepts.
    pub fn main(&self, is_wanted: impl Fn(ErrorCause) -> bool) -> Option<CauseCount> {
        self.sorted().into_iter().find(|one| is_wanted(one.cause))
    }

    /// Adds the counts of another thread or generator.
    pub fn merge(&mut self, other: &ErrorCauses) {
        for (&cause, (count, example)) in &other.0 {
            self.0.entry(cause).or_insert_with(|| (0, example.clone())).0 += count;
        }
    }

    /// There was no error.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How often `cause` occurred.
    pub fn of(&self, cause: ErrorCause) -> u64 {
        self.0.get(&cause).map_or(0, |(count, _)| *count)
    }

    /// The number of all errors.
    pub fn total(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    /// The causes that occurred, the most frequent first.
    pub fn sorted(&self) -> Vec<CauseCount> {
        let count = |(&cause, (count, example)): (&ErrorCause, &(u64, String))| CauseCount {
            cause,
            count: *count,
            example: example.clone(),
        };
        let mut all: Vec<CauseCount> = self.0.iter().map(count).collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.count));
        all
    }
}

impl From<Vec<CauseCount>> for ErrorCauses {
    fn from(counts: Vec<CauseCount>) -> ErrorCauses {
        ErrorCauses(counts.into_iter().map(|one| (one.cause, (one.count, one.example))).collect())
    }
}

impl From<ErrorCauses> for Vec<CauseCount> {
    fn from(causes: ErrorCauses) -> Vec<CauseCount> {
        causes.sorted()
    }
}

impl fmt::Display for CauseCount {
    /// For example `12 connection reset (Connection reset by peer)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.count, self.cause.words(), self.example)
    }
}

/// A text of bounded length without control characters.
fn shown(text: &str) -> String {
    // The system's text ends in its number.
    let text = text.split(" (os error").next().unwrap_or(text);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_EXAMPLE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_of_a_cause_is_its_example() {
        let mut causes = ErrorCauses::default();
        causes.count(ErrorCause::Reset, &"first");
        causes.count(ErrorCause::Refused, &"Connection refused (os error 111)");
        causes.count(ErrorCause::Reset, &"second");
        let mut other = ErrorCauses::default();
        other.count(ErrorCause::Reset, &"third");
        other.count(ErrorCause::Tls, &"alert");
        causes.merge(&other);
        let texts: Vec<String> = causes.sorted().iter().map(CauseCount::to_string).collect();
        assert_eq!(
            texts,
            ["3 connection reset (first)", "1 connection refused (Connection refused)", "1 TLS failed (alert)"]
        );
        assert_eq!((causes.total(), causes.of(ErrorCause::Reset), causes.of(ErrorCause::Limit)), (5, 3, 0));
    }

    #[test]
    fn an_example_is_short_and_harmless() {
        let mut causes = ErrorCauses::default();
        causes.count(ErrorCause::NotHttp1, &format!("\x1b[31m{}", "x".repeat(5000)));
        let example = &causes.sorted()[0].example;
        assert_eq!((example.chars().count(), example.chars().any(char::is_control)), (MAX_EXAMPLE, false));
    }

    #[test]
    fn the_counts_of_a_file_are_read_back_under_their_names() {
        let mut causes = ErrorCauses::default();
        ErrorCause::ALL.iter().for_each(|&cause| causes.count(cause, &cause.words()));
        let json = serde_json::to_string(&causes).unwrap();
        for cause in ErrorCause::ALL {
            assert!(json.contains(&format!("{{\"cause\":\"{}\",\"count\":1,", cause.name())), "{cause:?}: {json}");
        }
        assert_eq!(serde_json::from_str::<ErrorCauses>(&json).unwrap(), causes);
    }
}
