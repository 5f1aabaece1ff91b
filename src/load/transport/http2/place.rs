//! One place of a thread's HTTP/2 connections: a request, its answer, again.

use std::future::poll_fn;
use std::rc::Rc;

use h2::RecvStream;
use h2::client::SendRequest;
use http::HeaderMap;
use hyper::body::Bytes;

use super::link::Link;
use super::translate::Translated;
use super::{Pool, untranslatable};
use crate::load::thread::state::WorkerState;
use crate::record::Outcome;
use crate::units::Instant;

/// The place with slot `id`, there as long as connection `home` is up. Lives as long as the thread.
pub async fn run(pool: Rc<Pool>, home: usize, id: usize) {
    let (core, home) = (&pool.core, &pool.links[home]);
    loop {
        poll_fn(|cx| core.poll_assigned(id, cx)).await;
        let Some(piece) = core.piece(id) else { continue };
        let translated = match pool.translator.translate(&piece) {
            Ok(translated) => translated,
            Err(why) => {
                let error = untranslatable(&core.requests.borrow(), &why);
                return core.fail(error);
            }
        };
        drop(piece);
        // Who gives up on a request drops its stream, which resets it: the others go on.
        let (outcome, at) = tokio::select! {
            biased;
            end = exchange(&pool, id, &translated) => match end {
                Ok(at) => (Outcome::Answered, at),
                Err(outcome) => (outcome, core.now()),
            },
            () = poll_fn(|cx| core.poll_abandoned(id, cx)) => (Outcome::Abandoned, core.now()),
        };
        core.conclude(id, outcome, at);
        if home.is_up() {
            core.offer(id, core.now());
        }
    }
}

/// Sends a request and reads its answer; says when the last of it was there.
async fn exchange(pool: &Pool, id: usize, request: &Translated) -> Result<Instant, Outcome> {
    let core = &pool.core;
    let (carried, mut sender) = pool.carrier(id).await;
    core.note(id, |record| record.sent = core.now());
    let end_of_stream = request.body.is_empty();
    let sent = sender.send_request(request.head.clone(), end_of_stream);
    let (response, mut body) = sent.map_err(|_| Outcome::WriteError)?;
    if !end_of_stream {
        // A server may answer, or refuse, without it: then that is what counts.
        let _ = body.send_data(request.body.clone(), true);
    }
    if core.requests.borrow().are_built_ahead() {
        // Not before the connection's task has written this one.
        tokio::task::yield_now().await;
        core.prepare();
    }

    let (head, mut body) = response.await.map_err(|_| Outcome::ReadError)?.into_parts();
    let (now, status) = (core.now(), head.status.as_u16());
    core.note(id, |record| {
        record.first_byte = now;
        record.status = status;
        record.bytes += size(&head.headers);
    });
    carried.0.served.set(true);
    if core.requests.borrow().vm().wants_responses() {
        let mut whole = Vec::new();
        let end = read(core, id, &mut body, |data| whole.extend_from_slice(data)).await?;
        let headers: Vec<(String, Vec<u8>)> =
            head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        let told = core.requests.borrow().vm().response(status, &headers, &whole);
        told.unwrap_or_else(|error| core.fail(error));
        core.heed_stop(end);
        Ok(end)
    } else {
        read(core, id, &mut body, |_| {}).await
    }
}

/// Reads a body to its end; says when that was.
async fn read(
    core: &WorkerState,
    id: usize,
    body: &mut RecvStream,
    mut data: impl FnMut(&[u8]),
) -> Result<Instant, Outcome> {
    while let Some(read) = body.data().await {
        let read = read.map_err(|_| Outcome::ReadError)?;
        core.note(id, |record| record.bytes += read.len() as u64);
        data(&read);
        // It is read: the server may send as much again.
        let _ = body.flow_control().release_capacity(read.len());
    }
    let trailers = body.trailers().await.map_err(|_| Outcome::ReadError)?;
    core.note(id, |record| record.bytes += trailers.as_ref().map_or(0, size));
    Ok(core.now())
}

/// Of headers, decoded: their names and values.
fn size(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| name.as_str().len() as u64 + value.len() as u64).sum()
}

impl Pool {
    /// The connection that carries the request of slot `id`, and what sends it there. Where none is up any more, it waits
    /// for the next.
    async fn carrier(&self, id: usize) -> (Carried<'_>, SendRequest<Bytes>) {
        let mut waited = false;
        loop {
            let Some(number) = self.least_busy() else {
                waited = true;
                self.up.notified().await;
                continue;
            };
            let link = &self.links[number];
            let taken = link.sender.borrow().clone();
            let Some(mut sender) = taken else { continue };
            if poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
                // Its last stream was one too many for it, and it does not know it yet.
                link.sender.take();
                link.used_up.notify_waiters();
                continue;
            }
            // The connecting was the system's time, not the generator's.
            let since = if waited { link.since.get() } else { Instant::START };
            self.core.note(id, |record| {
                record.connection = number as u32;
                record.ready = record.ready.max(since);
            });
            return (Carried::by(link), sender);
        }
    }
}

/// A request that a connection carries, however it ends.
struct Carried<'a>(&'a Link);

impl Carried<'_> {
    fn by(link: &Link) -> Carried<'_> {
        link.carried.set(link.carried.get() + 1);
        Carried(link)
    }
}

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        self.0.carried.set(self.0.carried.get() - 1);
    }
}
