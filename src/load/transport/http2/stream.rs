//! A stream slot of an HTTP/2 connection: carries one request and its response at a time.

use std::future::poll_fn;
use std::rc::Rc;

use h2::RecvStream;
use h2::client::SendRequest;
use http::HeaderMap;
use hyper::body::Bytes;

use super::connection::Http2Connection;
use super::translate::{Http2Request, TranslationError};
use super::{Http2Client, untranslatable};
use crate::load::thread::state::WorkerState;
use crate::load::thread::timestamp_mapper::ReadTime;
use crate::load::transport::LastTimestamp;
use crate::load::transport::failure::{Again, Failure, IDLE_CLOSE, Why, is_unprocessed};
use crate::load::transport::kept_body::OVER_BUDGET;
use crate::load::transport::response::{self, CapturedResponse};
use crate::record::ErrorCause;
use crate::units::Instant;

/// Runs the stream slot `id`. It is offered for requests as long as connection `number` is open. Ends with the worker.
pub async fn run(client: Rc<Http2Client>, number: usize, id: usize) {
    let (state, connection) = (&client.state, &client.connections[number]);
    loop {
        poll_fn(|cx| state.poll_assigned(id, cx)).await;
        let Some(part) = state.first_request(id) else { continue };
        let request = match client.translator.translate(&part) {
            Ok(request) => request,
            Err(why) => {
                let error = untranslatable(&state.requests.borrow(), &part, &why);
                return state.fail(error);
            }
        };
        if state.requests.borrow().addresses_vary() {
            let error = untranslatable(&state.requests.borrow(), &part, &TranslationError::Address);
            return state.fail(error);
        }
        drop(part);
        // An abandoned exchange drops its stream, which resets it. The other streams go on.
        let exchanged = tokio::select! {
            biased;
            exchanged = exchange(&client, id, &request) => exchanged,
            () = poll_fn(|cx| state.poll_abandoned(id, cx)) => Err((Failure::Abandoned, Again::Never)),
        };
        // The next request may be assigned at once, and is sent without another wake-up.
        state.mark_running(id);
        match exchanged {
            Ok(exchange) => response::complete(state, id, exchange.status, exchange.captured, exchange.end),
            Err((failure, again)) => state.conclude_failed(id, &failure, again, state.now()),
        }
        if connection.is_open() {
            state.offer_connection(id, ReadTime::seen(state.now()));
        }
    }
}

/// A complete response.
struct Exchange {
    status: u16,
    /// Its content, if the script wants responses.
    captured: Option<CapturedResponse>,
    /// When its end was read.
    end: ReadTime,
}

/// Sends a request and reads its response.
async fn exchange(client: &Http2Client, id: usize, request: &Http2Request) -> Result<Exchange, (Failure, Again)> {
    let state = &client.state;
    let (stream, mut sender) = client.open_stream(id).await;
    state.update_record(id, |record| record.sent = state.now());
    let end_of_stream = request.body.is_empty();
    let sent = sender.send_request(request.head.clone(), end_of_stream);
    let (response, mut body) = sent.map_err(|error| {
        // Nothing was written: the connection ended, and its task does not know it yet.
        let again = if is_unprocessed(&error) || error.is_io() { Again::Unprocessed } else { Again::Never };
        (Failure::Write(Why::Http2(error)), again)
    })?;
    if !end_of_stream {
        // A server may respond before it has read the body, and refuse the rest of it: its response counts.
        let _ = body.send_data(request.body.clone(), true);
    }
    if state.requests.borrow().are_built_ahead() {
        // The task of the connection writes this request first.
        tokio::task::yield_now().await;
        state.prepare_request();
    }

    let (head, mut body) = response
        .await
        .map_err(|error| {
            let is_closed_idle =
                || stream.was_idle && error.is_io() && state.now().since(state.first_sent(id)) <= IDLE_CLOSE;
            let again = match is_unprocessed(&error) {
                true => Again::Unprocessed,
                false if is_closed_idle() => Again::ClosedIdle,
                false => Again::Never,
            };
            (Failure::Read(Why::Http2(error)), again)
        })?
        .into_parts();
    let (time, status) = (state.read_time(stream.timestamp.as_ref()), head.status.as_u16());
    state.update_record(id, |record| {
        record.first_byte = time.arrived.max(record.sent);
        record.status = status;
        record.bytes += header_bytes(&head.headers);
    });
    stream.connection.has_responded.set(true);
    let mut captured = state.requests.borrow().vm().has_response().then(CapturedResponse::default);
    let end = match &mut captured {
        Some(captured) => {
            captured.status = status;
            captured.headers = owned_headers(&head.headers).collect();
            let read = read_body((state, id), &stream, &mut body, |data| {
                captured.body.extend(data);
                !captured.body.is_over_budget()
            });
            read.await.map(|(end, trailers)| {
                captured.headers.extend(trailers.iter().flat_map(owned_headers));
                end
            })
        }
        None => read_body((state, id), &stream, &mut body, |_| true).await.map(|(end, _)| end),
    };
    let end = end.map_err(|failure| (failure, Again::Never))?;
    Ok(Exchange { status, captured, end })
}

fn owned_headers(headers: &HeaderMap) -> impl Iterator<Item = (String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
}

/// Reads a body to its end, as long as `handle` wants more. Returns when its end was read, and its trailers.
async fn read_body(
    (state, id): (&WorkerState, usize),
    stream: &ActiveStream<'_>,
    body: &mut RecvStream,
    mut handle: impl FnMut(&[u8]) -> bool,
) -> Result<(ReadTime, Option<HeaderMap>), Failure> {
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| Failure::Read(Why::Http2(error)))?;
        state.update_record(id, |record| record.bytes += data.len() as u64);
        if !handle(&data) {
            return Err(Failure::Read(Why::Text(ErrorCause::Limit, OVER_BUDGET)));
        }
        if body.is_end_stream() {
            // There are no trailers. The connection's window is released with the stream.
            return Ok((state.read_time(stream.timestamp.as_ref()), None));
        }
        // The server may send as many bytes again.
        let _ = body.flow_control().release_capacity(data.len());
    }
    let trailers = body.trailers().await.map_err(|error| Failure::Read(Why::Http2(error)))?;
    state.update_record(id, |record| record.bytes += trailers.as_ref().map_or(0, header_bytes));
    Ok((state.read_time(stream.timestamp.as_ref()), trailers))
}

/// The length of the decoded names and values.
fn header_bytes(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| name.as_str().len() as u64 + value.len() as u64).sum()
}

impl Http2Client {
    /// Chooses the connection for the request of slot `id`. Waits for one if none is open.
    async fn open_stream(&self, id: usize) -> (ActiveStream<'_>, SendRequest<Bytes>) {
        let mut has_waited = false;
        loop {
            let Some(number) = self.least_busy() else {
                has_waited = true;
                self.established.notified().await;
                continue;
            };
            let connection = &self.connections[number];
            let sender = connection.sender.borrow().clone();
            let Some(mut sender) = sender else { continue };
            if poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
                // The connection has no stream identifiers left, and its task does not know it yet.
                connection.sender.take();
                connection.exhausted.notify_waiters();
                continue;
            }
            // The system causes the time to connect, not the generator. So it is not send lag.
            let since = if has_waited { connection.established_at.get() } else { Instant::START };
            self.state.update_record(id, |record| {
                record.connection = number as u32;
                record.ready = record.ready.max(since);
            });
            return (ActiveStream::new(connection), sender);
        }
    }
}

/// Counts a request in flight on its connection until it is dropped.
struct ActiveStream<'a> {
    connection: &'a Http2Connection,
    /// The connection had carried a response, and no other request was in flight on it.
    was_idle: bool,
    /// The kernel timestamp of the connection's last read. This stream may outlive the connection's place.
    timestamp: Option<LastTimestamp>,
}

impl ActiveStream<'_> {
    fn new(connection: &Http2Connection) -> ActiveStream<'_> {
        let in_flight = connection.in_flight.get();
        connection.in_flight.set(in_flight + 1);
        let was_idle = in_flight == 0 && connection.has_responded.get();
        ActiveStream { connection, was_idle, timestamp: connection.timestamp.borrow().clone() }
    }
}

impl Drop for ActiveStream<'_> {
    fn drop(&mut self) {
        self.connection.in_flight.set(self.connection.in_flight.get() - 1);
    }
}
