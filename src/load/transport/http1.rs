//! One connection: connect, write what it is given, find the ends of the answers, again.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use httparse::Header;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Stream;
use super::backoff::Backoff;
use crate::http1::{FrameProgress, Framer, NullSink, Response, ResponseSink};
use crate::load::plan::WhenBusy;
use crate::load::thread::slot::Outgoing;
use crate::load::thread::state::WorkerState;
use crate::record::Outcome;
use crate::units::Instant;

/// Lives as long as its place among the thread's connections: with `wait` to the end of the run, with `open` until
/// the connection closes.
pub async fn run(core: Rc<WorkerState>, id: usize) {
    let keeps_place = core.plan.when_busy != WhenBusy::Open;
    let mut backoff = Backoff::default();
    loop {
        let served = match connect(&core, id).await {
            Ok(stream) => serve(&core, id, stream).await,
            Err(outcome) => {
                core.conclude_all(id, outcome, core.now());
                false
            }
        };
        if !keeps_place {
            return core.retire(id);
        }
        if served {
            backoff = Backoff::default();
        } else {
            tokio::time::sleep(backoff.next()).await;
        }
    }
}

async fn connect(core: &WorkerState, id: usize) -> Result<Stream, Outcome> {
    core.opened.set(core.opened.get() + 1);
    let began = core.now();
    let result = tokio::select! {
        biased;
        result = core.connect() => result.map_err(|_| Outcome::ConnectError),
        () = poll_fn(|cx| core.poll_abandoned(id, cx)) => Err(Outcome::Abandoned),
    };
    match &result {
        // An attempt that waited for this: the connecting was the system's time, what came before it was ours.
        Ok(_) => core.note(id, |record| record.ready = record.ready.plus(core.now().since(began))),
        Err(Outcome::ConnectError) => core.connect_errors.set(core.connect_errors.get() + 1),
        Err(_) => {}
    }
    result
}

/// Serves until the connection closes; says whether the next may be made at once: this one carried an answer, or closed
/// because the client gave up, which took its time.
async fn serve(core: &WorkerState, id: usize, stream: Stream) -> bool {
    let taken = core.requests.borrow().vm().wants_responses().then(CapturedResponse::default);
    let mut wire = Http1Connection {
        core,
        id,
        stream,
        framer: Framer::default(),
        framing: false,
        outgoing: None,
        unflushed: false,
        served: false,
        parted: false,
        taken,
    };
    // A new connection of an open system was made for an attempt that it has already.
    if core.has_work(id) {
        core.dispatcher.borrow_mut().came_up();
    } else {
        core.connected(id, core.now());
    }
    poll_fn(|cx| wire.poll(cx)).await
}

/// An HTTP/1.1 connection that is there: writes what it is given, and frames what comes back.
struct Http1Connection<'a> {
    core: &'a WorkerState,
    id: usize,
    stream: Stream,
    framer: Framer,
    /// The framer is set for the answer to the first attempt.
    framing: bool,
    /// What is being written.
    outgoing: Option<Outgoing>,
    unflushed: bool,
    served: bool,
    /// It ended with an answer, and was offered no further work.
    parted: bool,
    /// Where the script wants responses.
    taken: Option<CapturedResponse>,
}

impl Http1Connection<'_> {
    /// Ready when the connection is of no further use.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let (core, id) = (self.core, self.id);
        core.wakes(id);
        let outcome = if core.is_abandoned(id) {
            Outcome::Abandoned
        } else {
            match ready!(self.exchange(cx)) {
                Ok(never) => match never {},
                Err(outcome) => outcome,
            }
        };
        let was_free = !core.has_work(id) && !self.parted;
        core.dispatcher.borrow_mut().went_down(id, was_free);
        core.conclude_all(id, outcome, core.now());
        Poll::Ready(self.served || outcome == Outcome::Abandoned)
    }

    /// Writes and reads as long as anything moves. Ends with what becomes of the attempts that are left.
    fn exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<Infallible, Outcome>> {
        loop {
            // Whether all could be written or not: the answers to what was may come.
            let _ = self.write(cx)?;
            if self.read(cx)?.is_pending() {
                self.core.sleeps(self.id, cx);
                return Poll::Pending;
            }
        }
    }

    /// Ready when there is nothing to write.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        loop {
            if self.outgoing.is_none() {
                ready!(self.flush(cx))?;
                self.outgoing = self.core.next_outgoing(self.id);
            }
            let Some(outgoing) = &mut self.outgoing else { return Poll::Ready(Ok(())) };
            let bytes = &outgoing.payload.bytes[outgoing.bytes.clone()];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, bytes)) {
                Ok(n) if n > 0 => outgoing.bytes.start += n,
                _ => return Poll::Ready(Err(Outcome::WriteError)),
            }
            if outgoing.bytes.is_empty() {
                self.outgoing = None;
                self.unflushed = true;
            }
        }
    }

    /// Under TLS what was written is on its way only now. There is time to build what comes next.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx)).map_err(|_| Outcome::WriteError)?;
            self.unflushed = false;
            self.core.prepare();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once. Ready when something came.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        let core = self.core;
        let mut scratch = core.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
        let bytes = buffer.filled();
        let taken = match read {
            Ok(()) if bytes.is_empty() => self.close(),
            Ok(()) => self.take(bytes),
            Err(_) => Err(Outcome::ReadError),
        };
        Poll::Ready(taken)
    }

    /// Takes what was read.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Outcome> {
        let (core, id) = (self.core, self.id);
        let now = core.now();
        while !bytes.is_empty() {
            if !core.awaits_answer(id) {
                return Err(self.unasked());
            }
            if !self.framing {
                self.framer.expect(core.is_head(id));
                self.framing = true;
            }
            let fed = match &mut self.taken {
                Some(taken) => self.framer.feed(bytes, taken),
                None => self.framer.feed(bytes, &mut NullSink),
            };
            let (used, response) = match fed {
                Ok(FrameProgress::More) => (bytes.len(), None),
                Ok(FrameProgress::Complete { used, response }) => (used, Some(response)),
                Err(_) => (bytes.len(), None),
            };
            core.note(id, |record| {
                record.bytes += used as u64;
                if record.first_byte == Instant::NEVER {
                    record.first_byte = now;
                }
            });
            let endless = self.taken.as_ref().is_some_and(|taken| taken.body.len() > MOST_BODY);
            if fed.is_err() || endless {
                return Err(Outcome::ReadError);
            }
            bytes = &bytes[used..];
            if let Some(response) = response {
                self.answered(response, now, !bytes.is_empty())?;
            }
        }
        Ok(())
    }

    /// The peer closed the connection: the end of an answer that has no other end, or of all hope for one.
    fn close(&mut self) -> Result<(), Outcome> {
        if self.framing
            && let Ok(response) = self.framer.close()
        {
            self.answered(response, self.core.now(), false)?;
        }
        Err(Outcome::ReadError)
    }

    /// A whole response is there, and perhaps more behind it.
    fn answered(&mut self, response: Response, now: Instant, more: bool) -> Result<(), Outcome> {
        let (core, id) = (self.core, self.id);
        if let Some(taken) = &mut self.taken {
            let taken = std::mem::take(taken);
            let told = core.requests.borrow().vm().response(taken.status, &taken.headers, &taken.body);
            told.unwrap_or_else(|error| core.fail(error));
            core.heed_stop(now);
        }
        core.note(id, |record| record.status = response.status);
        core.conclude(id, Outcome::Answered, now);
        (self.served, self.framing) = (true, false);
        if !response.keep_alive {
            self.parted = true;
            return Err(Outcome::ReadError);
        }
        if more && !core.awaits_answer(id) {
            self.parted = true;
            return Err(self.unasked());
        }
        if !core.has_work(id) {
            core.offer(id, now);
        }
        Ok(())
    }

    /// Bytes that nobody asked for: nothing on this connection can be trusted any more.
    fn unasked(&self) -> Outcome {
        self.core.unasked.set(self.core.unasked.get() + 1);
        Outcome::ReadError
    }
}

/// A body of which a script would be told more than this breaks the protocol, in bytes: it may have no end.
const MOST_BODY: usize = 256 << 20;

/// A response in full, for a script that wants it.
#[derive(Default)]
struct CapturedResponse {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl ResponseSink for CapturedResponse {
    const WANTS_HEADS: bool = true;

    fn head(&mut self, status: u16, headers: &[Header<'_>]) {
        self.status = status;
        self.headers = headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect();
    }

    fn body(&mut self, data: &[u8]) {
        // One byte too many says that there were too many.
        let room = (MOST_BODY + 1).saturating_sub(self.body.len());
        self.body.extend_from_slice(&data[..data.len().min(room)]);
    }
}
