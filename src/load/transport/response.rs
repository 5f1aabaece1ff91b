//! What happens to a complete response.

use httparse::Header;

use super::kept_body::KeptBody;
use crate::http1::{ResponseSink, unfold};
use crate::load::thread::state::WorkerState;
use crate::load::thread::timestamp_mapper::ReadTime;

/// A response for the script, if it has a `response` function.
#[derive(Default)]
pub struct CapturedResponse {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: KeptBody,
}

impl ResponseSink for CapturedResponse {
    const NEEDS_HEADS: bool = true;

    fn head(&mut self, status: u16, headers: &[Header<'_>]) {
        self.status = status;
        self.headers.clear();
        self.trailers(headers);
    }

    fn body(&mut self, data: &[u8]) {
        self.body.extend(data);
    }

    fn trailers(&mut self, headers: &[Header<'_>]) {
        self.headers.extend(headers.iter().map(|header| (header.name.to_owned(), unfold(header.value).into_owned())));
    }
}

/// Ends the first attempt of a connection with its response, whose end was read at `time`. The script gets the response
/// first, if it was captured.
pub fn complete(state: &WorkerState, id: usize, status: u16, captured: Option<CapturedResponse>, time: ReadTime) {
    state.update_record(id, |record| record.status = status);
    if let Some(response) = captured {
        state.call_response(id, response, time);
    }
    state.conclude_answered(id, time);
}
