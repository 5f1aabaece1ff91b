use super::{BeatCounts, ConnectionId};
use crate::cluster::clock::{ClockMapping, CoordinatorInstant};

/// A part that has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub(super) connection: ConnectionId,
    /// The name of its machine.
    pub node: String,
    /// When its last message came.
    pub(super) heard: CoordinatorInstant,
    /// Its clock, once it is ready.
    pub clock: Option<ClockMapping>,
    /// Its last beat.
    pub counts: BeatCounts,
    pub stage: Stage,
}

/// How far a part has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It measures its clock and prepares its load.
    Joined,
    /// It can start, or has started.
    Ready,
    /// The coordinator has its whole digest.
    Delivered,
    /// It will not deliver any more.
    Lost { at: CoordinatorInstant, why: String },
}

impl Member {
    /// Neither delivered nor lost.
    pub fn is_active(&self) -> bool {
        matches!(self.stage, Stage::Joined | Stage::Ready)
    }

    pub fn is_lost(&self) -> bool {
        matches!(self.stage, Stage::Lost { .. })
    }
}
