use super::{MAX_NODE_NAME, shorten};

/// Why the coordinator refuses a message. It then changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the token is wrong. Start the part with the token that the coordinator has printed")]
    Token,
    #[error("the coordinator has version {own} and this part has {}. Use the same version everywhere", shorten(.other))]
    Version { own: String, other: String },
    #[error(
        "the plan of this part is not the plan of the coordinator. Give both the same arguments and the same files"
    )]
    Plan,
    #[error(
        "the name of the machine is empty, longer than {MAX_NODE_NAME} bytes, or has control characters. Give it another name"
    )]
    NodeName,
    #[error("this part is one of {theirs}, but the coordinator waits for {ours}. Use the same number for both")]
    Count { ours: u16, theirs: u16 },
    #[error("there is no part {index} of {of}: parts are numbered from 0. Use a number below {of}")]
    Range { index: u16, of: u16 },
    #[error(
        "part {index} has joined already, from {node}. A part that is started twice sends nothing. Start each part once"
    )]
    Taken { index: u16, node: String },
    #[error("all {of} parts have joined already. Start no more than {of}")]
    Full { of: u16 },
    #[error("this connection is part {index} already. Join once")]
    JoinedTwice { index: u16 },
    #[error(
        "the start of the load is settled. A part that is late or was started again sends nothing. Start the whole load again"
    )]
    Late,
    #[error("the load was stopped: {because}. Start the whole load again")]
    Stopped { because: String },
    #[error("this connection has not joined as a part. Join first")]
    Stranger,
}
