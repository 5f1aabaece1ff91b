//! What the rest of the program sends to a worker.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

use tokio::sync::watch;

use super::custody::Custody;
use super::metrics::LiveCounters;
use crate::load::LoadError;
use crate::load::plan::LoadPlan;
use crate::load::transport::Transport;
use crate::record::Clock;
use crate::record::sink::RecordSender;
use crate::script::{PlainValue, ScriptError};
use crate::units::Instant;

/// The current command for all workers of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadCommand {
    /// Connect, and wait for the start.
    Prepare,
    /// Load starts at the zero of this clock.
    Run(Clock),
    /// No further arrivals. Requests in flight may finish. The instant is that of the command.
    EndArrivals(Instant),
    /// The load ends now. Requests in flight are recorded as unanswered. The instant is that of the command.
    Stop(Instant),
}

/// A call from the main script to the script of a worker, before or after the run.
pub enum ScriptCall {
    /// Reads a global variable.
    Get(String, mpsc::Sender<Result<PlainValue, ScriptError>>),
    /// Sets a global variable.
    Set(String, PlainValue, mpsc::Sender<Result<(), ScriptError>>),
    /// Sets the address to connect to.
    Address(SocketAddr),
    /// The worker sends no requests.
    Stop,
    /// No further calls follow before the run.
    Proceed,
}

/// What a worker starts with.
pub struct WorkerSetup {
    pub plan: LoadPlan,
    /// The number of the worker's thread, from 0.
    pub thread: usize,
    pub transport: Transport,
    pub address: SocketAddr,
    /// Takes the records, if anything consumes them.
    pub sender: Option<RecordSender>,
    pub live: Arc<LiveCounters>,
    pub custody: Arc<Custody>,
    pub commands: watch::Receiver<LoadCommand>,
    pub calls: mpsc::Receiver<ScriptCall>,
    /// The worker sends one message when its script is loaded and one when it is ready for the start, or an error.
    pub ready: mpsc::Sender<Result<(), LoadError>>,
}
