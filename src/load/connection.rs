//! One connection: connect, send what it is given, find the end of the answer, again.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use httparse::Header;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use super::backoff::Backoff;
use super::core::Core;
use super::plan::WhenBusy;
use super::transport::Stream;
use crate::http1::{Fed, Framer, Ignore, Response, Sink};
use crate::record::{NEVER, Outcome};

/// How an exchange ended.
enum End {
    /// A whole response, and when its last byte was read; the connection may carry more.
    Answered(Response, u64),
    /// The connection is of no further use.
    Broken(Outcome),
}

/// Lives as long as its place among the thread's connections: with `wait` to the end of the run, with `open` until
/// the connection closes.
pub async fn run(core: Rc<Core>, id: usize) {
    let keeps_place = core.plan.when_busy != WhenBusy::Open;
    let mut backoff = Backoff::default();
    loop {
        let served = match connect(&core, id).await {
            Ok(stream) => serve(&core, id, stream).await,
            Err(outcome) => {
                core.conclude(id, outcome, core.now());
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

async fn connect(core: &Core, id: usize) -> Result<Stream, Outcome> {
    core.opened.set(core.opened.get() + 1);
    let began = core.now();
    let result = tokio::select! {
        biased;
        result = core.transport.connect() => result.map_err(|_| Outcome::ConnectError),
        () = poll_fn(|cx| core.poll_abandoned(id, cx)) => Err(Outcome::Abandoned),
    };
    match &result {
        // An attempt that waited for this: the connecting was the system's time, what came before it was ours.
        Ok(_) => core.note(id, |record| record.ready += core.now() - began),
        Err(Outcome::ConnectError) => core.connect_errors.set(core.connect_errors.get() + 1),
        Err(_) => {}
    }
    result
}

/// Serves until the connection closes; says whether the next may be made at once: this one carried an answer, or closed
/// because the client gave up, which took its time.
async fn serve(core: &Core, id: usize, mut stream: Stream) -> bool {
    let mut framer = Framer::default();
    let mut served = false;
    if core.payload(id).is_none() {
        core.offer(id, core.now());
    }
    loop {
        let Some(payload) = assigned(core, id, &mut stream).await else {
            return served;
        };
        framer.expect(payload.head);
        let end = tokio::select! {
            biased;
            end = exchange(core, id, &mut stream, &mut framer, &payload.bytes) => end,
            () = poll_fn(|cx| core.poll_abandoned(id, cx)) => End::Broken(Outcome::Abandoned),
        };
        drop(payload);
        match end {
            End::Answered(response, now) => {
                served = true;
                core.conclude(id, Outcome::Answered, now);
                if !response.keep_alive {
                    return served;
                }
                core.offer(id, now);
            }
            End::Broken(outcome) => {
                core.conclude(id, outcome, core.now());
                return served || outcome == Outcome::Abandoned;
            }
        }
    }
}

/// Waits for an attempt; `None` if the peer closed the connection (or spoke out of turn) before.
async fn assigned(core: &Core, id: usize, stream: &mut Stream) -> Option<Rc<super::requests::Payload>> {
    let closed = poll_fn(|cx| {
        if core.poll_assigned(id, cx).is_ready() {
            return Poll::Ready(false);
        }
        let mut scratch = core.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(_) => {
                core.unasked.set(core.unasked.get() + u64::from(!buffer.filled().is_empty()));
                Poll::Ready(true)
            }
        }
    })
    .await;
    if closed {
        core.dispatcher.borrow_mut().withdraw(id);
        return None;
    }
    core.payload(id)
}

async fn exchange(core: &Core, id: usize, stream: &mut Stream, framer: &mut Framer, bytes: &[u8]) -> End {
    core.note(id, |record| record.sent = core.now());
    if stream.write_all(bytes).await.is_err() || stream.flush().await.is_err() {
        return End::Broken(Outcome::WriteError);
    }
    core.prepare();
    let answered = if core.requests.borrow().vm().wants_responses() {
        let mut taken = Taken::default();
        let answered = poll_fn(|cx| poll_response(core, id, stream, framer, &mut taken, cx)).await;
        if answered.is_ok() {
            let told = core.requests.borrow().vm().response(taken.status, &taken.headers, &taken.body);
            if let Err(error) = told {
                core.fail(error);
            }
        }
        answered
    } else {
        poll_fn(|cx| poll_response(core, id, stream, framer, &mut Ignore, cx)).await
    };
    match answered {
        Ok((response, at)) => End::Answered(response, at),
        Err(()) => End::Broken(Outcome::ReadError),
    }
}

/// Reads until the response is whole.
fn poll_response(
    core: &Core,
    id: usize,
    stream: &mut Stream,
    framer: &mut Framer,
    sink: &mut impl Sink,
    cx: &mut Context<'_>,
) -> Poll<Result<(Response, u64), ()>> {
    let mut scratch = core.scratch.borrow_mut();
    loop {
        let mut buffer = ReadBuf::new(&mut scratch);
        let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer));
        let bytes = buffer.filled();
        let fed = match read {
            Err(_) => return Poll::Ready(Err(())),
            Ok(()) if bytes.is_empty() => framer.close().map(|response| Fed::Complete { used: 0, response }),
            Ok(()) => framer.feed(bytes, sink),
        };
        let now = core.now();
        core.note(id, |record| {
            record.bytes += bytes.len() as u64;
            if record.first_byte == NEVER && !bytes.is_empty() {
                record.first_byte = now;
            }
            if let Ok(Fed::Complete { response, .. }) = fed {
                record.status = response.status;
            }
        });
        match fed {
            Ok(Fed::More) => {}
            Ok(Fed::Complete { used, mut response }) => {
                if used < bytes.len() {
                    // A second answer to one question: this connection's bytes can't be trusted any more.
                    core.unasked.set(core.unasked.get() + 1);
                    response.keep_alive = false;
                }
                return Poll::Ready(Ok((response, now)));
            }
            Err(_) => return Poll::Ready(Err(())),
        }
    }
}

/// A response in full, for a script that wants it.
#[derive(Default)]
struct Taken {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Sink for Taken {
    fn head(&mut self, status: u16, headers: &[Header<'_>]) {
        self.status = status;
        self.headers = headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect();
    }

    fn body(&mut self, data: &[u8]) {
        self.body.extend_from_slice(data);
    }
}
