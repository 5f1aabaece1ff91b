//! What happens to a complete response.

use httparse::Header;

use crate::http1::ResponseSink;
use crate::load::thread::state::WorkerState;
use crate::record::Outcome;
use crate::units::Instant;

/// A response for the script, if it has a `response` function.
#[derive(Default)]
pub struct CapturedResponse {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// The longest body that is captured over HTTP/1.1, in bytes. A longer one is a read error: it may be endless.
const MAX_BODY: usize = 256 << 20;

impl CapturedResponse {
    /// The body is longer than a script can get it.
    pub fn is_too_long(&self) -> bool {
        self.body.len() > MAX_BODY
    }
}

impl ResponseSink for CapturedResponse {
    const NEEDS_HEADS: bool = true;

    fn head(&mut self, status: u16, headers: &[Header<'_>]) {
        self.status = status;
        self.headers = headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect();
    }

    fn body(&mut self, data: &[u8]) {
        // One byte more than allowed shows that the body is too long.
        let space = (MAX_BODY + 1).saturating_sub(self.body.len());
        self.body.extend_from_slice(&data[..data.len().min(space)]);
    }
}

/// Ends the first attempt of a connection with its response, which was complete at `now`. The script gets the response
/// first, if it was captured.
pub fn complete(state: &WorkerState, id: usize, status: u16, captured: Option<CapturedResponse>, now: Instant) {
    state.update_record(id, |record| record.status = status);
    if let Some(response) = captured {
        state.call_response(id, &response, now);
    }
    state.conclude(id, Outcome::Answered, now);
}
