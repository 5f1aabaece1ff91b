use serde::{Deserialize, Serialize};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Outcome {
    /// A complete response arrived, with any status.
    Answered = 0,
    /// No connection could be made.
    ConnectError = 1,
    /// The connection failed, or broke the HTTP protocol, before the response was complete.
    ReadError = 2,
    /// The request could not be written.
    WriteError = 3,
    /// The client closed the connection at its timeout.
    Abandoned = 4,
    /// Sent, but not answered when the run ended.
    Unanswered = 5,
    /// Due, but not sent when the run ended.
    Unsent = 6,
}

impl Outcome {
    /// All outcomes, by their numbers in files.
    pub const ALL: [Outcome; 7] = [
        Outcome::Answered,
        Outcome::ConnectError,
        Outcome::ReadError,
        Outcome::WriteError,
        Outcome::Abandoned,
        Outcome::Unanswered,
        Outcome::Unsent,
    ];

    /// The name of the outcome in files: `answered`, `connect-error`, ...
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::ConnectError => "connect-error",
            Outcome::ReadError => "read-error",
            Outcome::WriteError => "write-error",
            Outcome::Abandoned => "abandoned",
            Outcome::Unanswered => "unanswered",
            Outcome::Unsent => "unsent",
        }
    }

    /// The attempt ended without an answer before the end of the run.
    pub const fn is_failure(self) -> bool {
        matches!(self, Outcome::ConnectError | Outcome::ReadError | Outcome::WriteError | Outcome::Abandoned)
    }
}
