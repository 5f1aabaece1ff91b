//! An HTTP/1.1 connection: connects, writes requests, finds the ends of the responses, and connects again.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Stream;
use super::backoff::Backoff;
use super::connect;
use super::failure::{Again, Failure, IDLE_CLOSE, Why};
use super::kept_body::OVER_BUDGET;
use super::response::{self, CapturedResponse};
use crate::http1::{FrameProgress, Framer, NullSink, ProtocolError, Response};
use crate::load::plan::WhenBusy;
use crate::load::thread::slot::Outgoing;
use crate::load::thread::state::WorkerState;
use crate::load::thread::timestamp_mapper::ReadTime;
use crate::load::thread::watch::Watch;
use crate::record::ErrorCause;
use crate::units::Instant;

/// Runs the connection with slot `id`. With `wait` and `pipeline` it is opened again until the end of the run; with
/// `open` it ends when it is closed.
pub async fn run(state: Rc<WorkerState>, id: usize) {
    let reconnects = state.plan.when_busy != WhenBusy::Open;
    let mut backoff = Backoff::default();
    let mut was_up = false;
    loop {
        let closed = match establish(&state, id, &mut was_up).await {
            Ok((stream, address)) => serve(&state, id, stream, address).await,
            Err(failure) => {
                // With `wait` and `pipeline` what the connection before was to send waits for another one.
                let waits = reconnects && matches!(failure, Failure::Connect);
                let again = if waits { Again::ClosedIdle } else { Again::Never };
                state.conclude_all(id, &failure, again, state.now());
                Closed::Useless
            }
        };
        if !reconnects && !state.has_attempts(id) {
            return state.retire_slot(id);
        }
        match closed {
            Closed::Useful | Closed::ForOtherAddress => backoff = Backoff::default(),
            Closed::Useless => tokio::time::sleep(backoff.next_wait()).await,
        }
    }
}

/// How a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    /// It carried a response, or was closed because of a timeout, which took its time: the next one may be opened at once.
    Useful,
    Useless,
    /// Its next request goes to another address, and no other is in flight.
    ForOtherAddress,
}

async fn establish(state: &WorkerState, id: usize, was_up: &mut bool) -> Result<(Stream, SocketAddr), Failure> {
    let _watch = state.watched.begin();
    let began = state.now();
    let abandoned = poll_fn(|cx| state.poll_abandoned(id, cx));
    let address = state.address_for(id);
    let stream = connect::open(state, was_up, state.connect(address), abandoned).await?;
    // The system causes the time to connect, not the generator. So it is not send lag of an attempt that waits for it.
    state.update_record(id, |record| record.ready = record.ready.plus(state.now().since(began)));
    Ok((stream, address))
}

/// Serves until the connection, which goes to `address`, is closed.
async fn serve(state: &WorkerState, id: usize, stream: Stream, address: SocketAddr) -> Closed {
    let captured = state.requests.borrow().vm().has_response().then(CapturedResponse::default);
    let mut connection = Http1Connection {
        state,
        id,
        stream,
        address,
        goes_elsewhere: false,
        framer: Framer::default(),
        is_framing: false,
        outgoing: None,
        is_unflushed: false,
        has_responded: false,
        is_reused: false,
        is_finished: false,
        captured,
        watch: None,
    };
    // In an open system a new connection has an attempt already, and so has one that took the place of another.
    if state.has_attempts(id) {
        state.mark_ready(id, state.now());
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
    address: SocketAddr,
    /// The next request goes to another address.
    goes_elsewhere: bool,
    framer: Framer,
    /// The framer is set up for the response to the first attempt.
    is_framing: bool,
    /// What is being written.
    outgoing: Option<Outgoing>,
    is_unflushed: bool,
    has_responded: bool,
    /// It was idle after a response, and no byte has arrived since.
    is_reused: bool,
    /// Its last response ends it, and it is not offered for further requests.
    is_finished: bool,
    /// The response so far, if the script wants responses.
    captured: Option<CapturedResponse>,
    /// Present while the connection waits in the middle of a request or of a response.
    watch: Option<Watch<'a>>,
}

impl Http1Connection<'_> {
    /// Ready when the connection is to be closed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        let (state, id) = (self.state, self.id);
        state.mark_running(id);
        let failure = if state.is_abandoned(id) {
            Failure::Abandoned
        } else {
            match ready!(self.transfer(cx)) {
                Ok(never) => match never {},
                Err(failure) => failure,
            }
        };
        if self.goes_elsewhere {
            state.dispatcher.borrow_mut().remove_connection(id, false);
            state.connections.borrow_mut().close(true, state.now());
            return Poll::Ready(Closed::ForOtherAddress);
        }
        let was_used = self.has_responded || matches!(failure, Failure::Abandoned);
        let was_free = !state.has_attempts(id) && !self.is_finished;
        state.dispatcher.borrow_mut().remove_connection(id, was_free);
        let now = state.now();
        state.connections.borrow_mut().close(was_used, now);
        match self.again(&failure, now) {
            Again::Never => state.conclude_all(id, &failure, Again::Never, now),
            again => state.conclude_but_keep(id, &failure, again, now),
        }
        Poll::Ready(if was_used { Closed::Useful } else { Closed::Useless })
    }

    /// Whether the server closed the connection while it was idle, and its attempts go again.
    fn again(&self, failure: &Failure, now: Instant) -> Again {
        let is_closed = || matches!(failure.cause(), Some((ErrorCause::Reset | ErrorCause::ClosedEarly, _)));
        if self.is_reused && is_closed() && now.since(self.state.first_sent(self.id)) <= IDLE_CLOSE {
            Again::ClosedIdle
        } else {
            Again::Never
        }
    }

    /// Writes and reads as long as there is progress. Ends with the failure of the remaining attempts.
    fn transfer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Infallible, Failure>> {
        if self.is_reused && self.state.has_unwritten_only(self.id) {
            // The server may have closed the connection while it was idle: then nothing is written to it.
            let _ = self.read(cx)?;
        }
        loop {
            // Responses may arrive before everything is written.
            let _ = self.write(cx)?;
            if self.read(cx)?.is_pending() {
                self.update_watch();
                self.state.mark_waiting(self.id, cx);
                return Poll::Pending;
            }
        }
    }

    /// Between a request and its response the socket need not be watched.
    #[inline]
    fn update_watch(&mut self) {
        let is_needed = self.outgoing.is_some() || self.is_unflushed || self.is_framing;
        if is_needed != self.watch.is_some() {
            self.watch = is_needed.then(|| self.state.watched.begin());
        }
    }

    /// Ready when there is nothing left to write.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            if self.outgoing.is_none() {
                ready!(self.flush(cx))?;
                if self.state.next_goes_elsewhere(self.id, self.address) {
                    if self.state.awaits_response(self.id) {
                        return Poll::Ready(Ok(()));
                    }
                    self.goes_elsewhere = true;
                    return Poll::Ready(Err(Failure::Abandoned));
                }
                self.outgoing = self.state.next_outgoing(self.id);
            }
            let Some(outgoing) = &mut self.outgoing else { return Poll::Ready(Ok(())) };
            let bytes = &outgoing.payload.bytes[outgoing.bytes.clone()];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, bytes)) {
                Ok(n) if n > 0 => outgoing.bytes.start += n,
                Ok(_) => return Poll::Ready(Err(Failure::Write(Why::Http1(ProtocolError::Closed)))),
                Err(error) => return Poll::Ready(Err(Failure::Write(Why::Io(error)))),
            }
            if outgoing.bytes.is_empty() {
                self.outgoing = None;
                self.is_unflushed = true;
            }
        }
    }

    /// Sends what TLS buffers. Afterwards there is time to build the next request.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.is_unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx)).map_err(|error| Failure::Write(Why::Io(error)))?;
            self.is_unflushed = false;
            self.state.prepare_request();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once. Ready when bytes or the end have arrived.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let state = self.state;
        let mut buffer = state.read_buffer.borrow_mut();
        let mut buffer = ReadBuf::new(&mut buffer);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
        let bytes = buffer.filled();
        let handled = match read {
            Ok(()) if bytes.is_empty() => self.handle_close(),
            Ok(()) => self.handle_bytes(bytes),
            Err(error) => Err(Failure::Read(Why::Io(error))),
        };
        Poll::Ready(handled)
    }

    /// Splits the bytes that were read into responses.
    fn handle_bytes(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let (state, id) = (self.state, self.id);
        let time = state.read_time(self.stream.timestamp());
        self.is_reused = false;
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
                Ok(FrameProgress::Complete { used, response }) => (used, Some(response)),
                Ok(FrameProgress::More) | Err(_) => (bytes.len(), None),
            };
            state.update_record(id, |record| {
                record.bytes += used as u64;
                if record.first_byte == Instant::NEVER {
                    record.first_byte = time.arrived.max(record.sent);
                }
            });
            fed.map_err(|error| Failure::Read(Why::Http1(error)))?;
            if self.captured.as_ref().is_some_and(|captured| captured.body.is_over_budget()) {
                return Err(Failure::Read(Why::Text(ErrorCause::Limit, OVER_BUDGET)));
            }
            bytes = &bytes[used..];
            if let Some(response) = response {
                self.handle_response(response, time, !bytes.is_empty())?;
            }
        }
        Ok(())
    }

    /// The server closed the connection. This may be the end of a response without a length.
    fn handle_close(&mut self) -> Result<(), Failure> {
        if self.is_framing
            && let Ok(response) = self.framer.close()
        {
            self.handle_response(response, ReadTime::seen(self.state.now()), false)?;
        }
        Err(Failure::Read(Why::Http1(ProtocolError::Closed)))
    }

    /// Handles a complete response, whose end was read at `time`. `has_more` if bytes follow it.
    fn handle_response(&mut self, response: Response, time: ReadTime, has_more: bool) -> Result<(), Failure> {
        let (state, id) = (self.state, self.id);
        let is_early = self.is_writing_first();
        response::complete(state, id, response.status, self.captured.as_mut().map(std::mem::take), time);
        (self.has_responded, self.is_framing) = (true, false);
        if !response.keep_alive || is_early {
            // After a response that came before its request was written, the server need not read the rest.
            self.is_finished = true;
            return Err(Failure::Closed);
        }
        if has_more && !state.awaits_response(id) {
            self.is_finished = true;
            return Err(self.reject_unsolicited());
        }
        if !state.has_attempts(id) {
            self.is_reused = true;
            state.offer_connection(id, time);
        }
        Ok(())
    }

    /// The request of the first attempt is not written to its end.
    fn is_writing_first(&self) -> bool {
        self.outgoing.as_ref().is_some_and(|outgoing| {
            let first = self.state.first_request(self.id);
            first.is_some_and(|part| {
                Rc::ptr_eq(&part.payload, &outgoing.payload) && part.range().end > outgoing.bytes.start
            })
        })
    }

    /// Counts a response without a request. It ends the connection.
    fn reject_unsolicited(&self) -> Failure {
        self.state.count_unsolicited();
        Failure::Closed
    }
}
