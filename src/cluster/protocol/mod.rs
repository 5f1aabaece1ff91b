//! How a coordinator and its parts talk: frames over one TCP connection for each part.

mod frame;
mod messages;

pub use frame::{Frame, FrameLimit, read_frame, write_frame};
pub use messages::{Call, FromPart, RecordsWanted, ToPart};

/// The version that both sides must have. Rows travel in their memory layout, so even a small difference counts.
pub fn version() -> String {
    let order = if cfg!(target_endian = "little") { "" } else { ", big-endian" };
    format!("{} (protocol {PROTOCOL}{order})", env!("CARGO_PKG_VERSION"))
}

/// A change of the frames or of a message needs a new number.
const PROTOCOL: u32 = 1;

/// The most that a connection may send before it has proved that it knows the token.
pub const STRANGER: FrameLimit = FrameLimit { header: 4 << 10, body: 0 };
/// The most that a part may send in one frame: the results of a thread, for example.
pub const PART: FrameLimit = FrameLimit { header: 64 << 10, body: 64 << 20 };
/// The most that a coordinator may send in one frame: a plan with its script, or a data file.
pub const COORDINATOR: FrameLimit = FrameLimit { header: 64 << 10, body: 1 << 30 };
