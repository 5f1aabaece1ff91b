//! An HTTP/1.1 connection: connects, writes requests, finds the ends of the responses, and connects again.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Stream;
use super::backoff::Backoff;
use super::connect;
use super::response::{self, CapturedResponse};
use crate::http1::{FrameProgress, Framer, NullSink, Response};
use crate::load::plan::WhenBusy;
use crate::load::thread::slot::Outgoing;
use crate::load::thread::state::WorkerState;
use crate::record::Outcome;
use crate::units::Instant;

/// Runs the connection with slot `id`. With `wait` and `pipeline` it is opened again until the end of the run; with
/// `open` it ends when it is closed.
pub async fn run(state: Rc<WorkerState>, id: usize) {
    let reconnects = state.plan.when_busy != WhenBusy::Open;
    let mut backoff = Backoff::default();
    loop {
        let was_useful = match establish(&state, id).await {
            Ok(stream) => serve(&state, id, stream).await,
            Err(outcome) => {
                state.conclude_all(id, outcome, state.now());
                false
            }
        };
        if !reconnects {
            return state.retire_slot(id);
        }
        if was_useful {
            backoff = Backoff::default();
        } else {
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }
}

async fn establish(state: &WorkerState, id: usize) -> Result<Stream, Outcome> {
    let began = state.now();
    let abandoned = poll_fn(|cx| state.poll_abandoned(id, cx));
    let stream = connect::open(state, state.connect(), abandoned).await?;
    // The system causes the time to connect, not the generator. So it is not send lag of an attempt that waits for it.
    state.update_record(id, |record| record.ready = record.ready.plus(state.now().since(began)));
    Ok(stream)
}

/// Serves until the connection is closed. Returns whether the next one may be opened at once: if this one carried a
/// response, or was closed because of a timeout, which took its time.
async fn serve(state: &WorkerState, id: usize, stream: Stream) -> bool {
    let captured = state.requests.borrow().vm().has_response().then(CapturedResponse::default);
    let mut connection = Http1Connection {
        state,
        id,
        stream,
        framer: Framer::default(),
        is_framing: false,
        outgoing: None,
        is_unflushed: false,
        has_responded: false,
        is_finished: false,
        captured,
    };
    // In an open system a new connection has an attempt already.
    if state.has_attempts(id) {
        state.dispatcher.borrow_mut().add_busy_connection();
    } else {
        state.add_connection(id, state.now());
    }
    poll_fn(|cx| connection.poll(cx)).await
}

/// An established HTTP/1.1 connection.
struct Http1Connection<'a> {
    state: &'a WorkerState,
    id: usize,
    stream: Stream,
    framer: Framer,
    /// The framer is set up for the response to the first attempt.
    is_framing: bool,
    /// What is being written.
    outgoing: Option<Outgoing>,
    is_unflushed: bool,
    has_responded: bool,
    /// Its last response ends it, and it is not offered for further requests.
    is_finished: bool,
    /// The response so far, if the script wants responses.
    captured: Option<CapturedResponse>,
}

impl Http1Connection<'_> {
    /// Ready when the connection is to be closed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let (state, id) = (self.state, self.id);
        state.mark_running(id);
        let outcome = if state.is_abandoned(id) {
            Outcome::Abandoned
        } else {
            match ready!(self.transfer(cx)) {
                Ok(never) => match never {},
                Err(outcome) => outcome,
            }
        };
        let was_free = !state.has_attempts(id) && !self.is_finished;
        state.dispatcher.borrow_mut().remove_connection(id, was_free);
        state.conclude_all(id, outcome, state.now());
        Poll::Ready(self.has_responded || outcome == Outcome::Abandoned)
    }

    /// Writes and reads as long as there is progress. Ends with the outcome of the remaining attempts.
    fn transfer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Infallible, Outcome>> {
        loop {
            // Responses may arrive before everything is written.
            let _ = self.write(cx)?;
            if self.read(cx)?.is_pending() {
                self.state.mark_waiting(self.id, cx);
                return Poll::Pending;
            }
        }
    }

    /// Ready when there is nothing left to write.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        loop {
            if self.outgoing.is_none() {
                ready!(self.flush(cx))?;
                self.outgoing = self.state.next_outgoing(self.id);
            }
            let Some(outgoing) = &mut self.outgoing else { return Poll::Ready(Ok(())) };
            let bytes = &outgoing.payload.bytes[outgoing.bytes.clone()];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, bytes)) {
                Ok(n) if n > 0 => outgoing.bytes.start += n,
                _ => return Poll::Ready(Err(Outcome::WriteError)),
            }
            if outgoing.bytes.is_empty() {
                self.outgoing = None;
                self.is_unflushed = true;
            }
        }
    }

    /// Sends what TLS buffers. Afterwards there is time to build the next request.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        if self.is_unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx)).map_err(|_| Outcome::WriteError)?;
            self.is_unflushed = false;
            self.state.prepare_request();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once. Ready when bytes or the end have arrived.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        let state = self.state;
        let mut buffer = state.read_buffer.borrow_mut();
        let mut buffer = ReadBuf::new(&mut buffer);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
        let bytes = buffer.filled();
        let handled = match read {
            Ok(()) if bytes.is_empty() => self.handle_close(),
            Ok(()) => self.handle_bytes(bytes),
            Err(_) => Err(Outcome::ReadError),
        };
        Poll::Ready(handled)
    }

    /// Splits the bytes that were read into responses.
    fn handle_bytes(&mut self, mut bytes: &[u8]) -> Result<(), Outcome> {
        let (state, id) = (self.state, self.id);
        let now = state.now();
        while !bytes.is_empty() {
            if !state.awaits_response(id) {
                return Err(self.reject_unsolicited());
            }
            if !self.is_framing {
                self.framer.expect(state.is_head(id));
                self.is_framing = true;
            }
            let fed = match &mut self.captured {
                Some(captured) => self.framer.feed(bytes, captured),
                None => self.framer.feed(bytes, &mut NullSink),
            };
            let (used, response) = match fed {
                Ok(FrameProgress::More) => (bytes.len(), None),
                Ok(FrameProgress::Complete { used, response }) => (used, Some(response)),
                Err(_) => (bytes.len(), None),
            };
            state.update_record(id, |record| {
                record.bytes += used as u64;
                if record.first_byte == Instant::NEVER {
                    record.first_byte = now;
                }
            });
            let is_too_long = self.captured.as_ref().is_some_and(CapturedResponse::is_too_long);
            if fed.is_err() || is_too_long {
                return Err(Outcome::ReadError);
            }
            bytes = &bytes[used..];
            if let Some(response) = response {
                self.handle_response(response, now, !bytes.is_empty())?;
            }
        }
        Ok(())
    }

    /// The server closed the connection. This may be the end of a response without a length.
    fn handle_close(&mut self) -> Result<(), Outcome> {
        if self.is_framing
            && let Ok(response) = self.framer.close()
        {
            self.handle_response(response, self.state.now(), false)?;
        }
        Err(Outcome::ReadError)
    }

    /// Handles a complete response. `has_more` if bytes follow it.
    fn handle_response(&mut self, response: Response, now: Instant, has_more: bool) -> Result<(), Outcome> {
        let (state, id) = (self.state, self.id);
        response::complete(state, id, response.status, self.captured.as_mut().map(std::mem::take), now);
        (self.has_responded, self.is_framing) = (true, false);
        if !response.keep_alive {
            self.is_finished = true;
            return Err(Outcome::ReadError);
        }
        if has_more && !state.awaits_response(id) {
            self.is_finished = true;
            return Err(self.reject_unsolicited());
        }
        if !state.has_attempts(id) {
            state.offer_connection(id, now);
        }
        Ok(())
    }

    /// Counts a response without a request. Whatever follows it on this connection cannot be matched to a request.
    fn reject_unsolicited(&self) -> Outcome {
        self.state.unsolicited.set(self.state.unsolicited.get() + 1);
        Outcome::ReadError
    }
}
