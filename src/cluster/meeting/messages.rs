use serde::{Deserialize, Serialize};

use crate::arrivals::GeneratorPart;
use crate::cluster::clock::{ClockMeasurement, CoordinatorInstant, PartInstant};
use crate::units::Time;

/// What a part sends to the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Message {
    /// It wants to be a part. The first message.
    Join(Join),
    /// A question of a clock exchange, and when it was sent.
    Clock { sent: PartInstant },
    /// It has measured its clock and prepared its load.
    Ready { clock: ClockMeasurement },
    /// It is alive. Parts send this several times in [`SILENCE`](super::SILENCE), from their join until
    /// they have delivered.
    Beat { counts: BeatCounts },
    /// It cannot go on.
    Failed { why: String },
}

/// The request to become a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Join {
    /// The secret of this meeting.
    pub token: String,
    /// The version of the part's program.
    pub version: String,
    /// The checksum of the plan that the part has.
    pub plan_hash: String,
    /// The part that it wants to be. `None`: any.
    pub wanted: Option<GeneratorPart>,
    /// The name of its machine.
    pub node: String,
}

/// What a part has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BeatCounts {
    /// Requests that were sent, each counted once.
    pub sent: u64,
    /// Of these, requests that were answered.
    pub answered: u64,
    /// Of these, requests that failed.
    pub failed: u64,
    /// The worst send lag since the last beat.
    pub send_lag: Time,
}

/// What the coordinator answers to each message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Answer {
    /// The sender is this part.
    Accepted { part: GeneratorPart },
    /// The message changed nothing. Its sender must not send load.
    Refused { because: String },
    /// The first three timestamps of a clock exchange. `answered` may be set once more right before the answer is written
    /// to the socket: that makes the measurement sharper.
    Clock { sent: PartInstant, arrived: CoordinatorInstant, answered: CoordinatorInstant },
    /// Nothing new.
    GoOn,
    /// The zero of the run is at this instant. It does not change any more.
    Start { at: CoordinatorInstant },
    /// Send no more load, and deliver the results so far.
    Stop { because: String },
}
