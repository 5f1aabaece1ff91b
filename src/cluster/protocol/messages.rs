use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::cluster::clock::ClockMeasurement;
use crate::cluster::meeting::{Answer, Message};

/// What a part sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum FromPart {
    /// A message of the meeting. Each gets a [`ToPart::Answer`].
    Meeting(Message),
    /// Its scripts are loaded and wait for `setup`. The address of the target of each load.
    Loaded { addresses: Vec<SocketAddr> },
    /// Its loads can start.
    Prepared,
    /// The answer to [`ToPart::Call`] with this number. The body is the value, or the message of the error.
    Called { number: u64, is_ok: bool },
    /// The body is request records.
    Rows,
    /// The body is the result of a worker of this load, as JSON.
    Result { load: usize },
    /// All records and results were sent. The clock after the load.
    Delivered { clock: Option<ClockMeasurement> },
}

/// What the coordinator sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum ToPart {
    Answer(Answer),
    /// The body is the plans of the whole loads, as JSON. So many files follow.
    Plan {
        records: Option<RecordsWanted>,
        files: usize,
    },
    /// A data file of the scripts. The body is its content.
    File {
        path: String,
    },
    /// `setup` has run for all threads.
    Proceed,
    /// All parts are prepared: measure the clock, and be ready.
    Begin,
    /// A call to the script of a thread. The body is the value to set.
    Call {
        number: u64,
        load: usize,
        thread: usize,
        call: Call,
    },
    /// Send no further requests. Those in flight may finish.
    EndArrivals,
    /// End at once, without steps that take long.
    Hurry,
    /// Nothing more is wanted.
    Leave,
}

/// Which records the coordinator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordsWanted {
    /// One for each request that was never sent, too.
    pub unsent: bool,
}

/// What the main script does with a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Call {
    Get { name: String },
    Set { name: String },
    Address { address: SocketAddr },
    Stop,
}
