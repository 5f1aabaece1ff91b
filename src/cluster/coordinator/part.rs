//! What the coordinator knows of one part besides its membership.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

use tokio::sync::mpsc::Sender;

use crate::cluster::meeting::BeatCounts;
use crate::cluster::protocol::{Frame, ToPart};
use crate::load::{LiveCounters, WorkerResult};
use crate::script::{PlainValue, ScriptError};
use crate::units::Time;

/// The answer to a call of the main script.
pub type CallResult = Result<PlainValue, ScriptError>;

/// The state of one part. Empty until it joins.
#[derive(Default)]
pub struct Part {
    /// What is sent to it.
    pub outgoing: Option<Sender<Frame>>,
    /// The target of each load, once its scripts are loaded.
    pub addresses: Option<Vec<SocketAddr>>,
    pub is_prepared: bool,
    /// The loads and results of its workers.
    pub results: Vec<(usize, WorkerResult)>,
    pub live: Arc<LiveCounters>,
    /// The worst send lag since it was last taken.
    pub send_lag: Time,
    /// Calls of the main script that wait for an answer.
    pub calls: HashMap<u64, mpsc::Sender<CallResult>>,
}

impl Part {
    /// Sends a message without waiting. A part that does not read its messages is soon lost, because it does not learn the
    /// start or the end.
    pub fn push(&self, message: &ToPart) {
        self.push_frame(Frame::new(message));
    }

    pub fn push_frame(&self, frame: Frame) {
        if let Some(outgoing) = &self.outgoing {
            let _ = outgoing.try_send(frame);
        }
    }

    pub fn note_beat(&mut self, counts: &BeatCounts) {
        self.live.show(counts.sent, counts.answered.saturating_add(counts.failed));
        self.send_lag = self.send_lag.max(counts.send_lag);
    }

    /// It is gone: nobody waits for it any more.
    pub fn leave(&mut self) {
        self.outgoing = None;
        self.calls.clear();
    }
}
