//! What the task of a connection asks of its slot.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use super::WorkerState;
use crate::load::thread::requests::PayloadPart;
use crate::load::thread::slot::Outgoing;
use crate::record::RequestRecord;
use crate::units::Instant;

impl WorkerState {
    /// The task of the connection runs and sees all changes of its slot: it needs no wake-up.
    pub fn mark_running(&self, id: usize) {
        self.slots.borrow_mut()[id].mark_running();
    }

    /// The task of the connection waits until its slot changes.
    pub fn mark_waiting(&self, id: usize, cx: &mut Context<'_>) {
        self.slots.borrow_mut()[id].mark_waiting(cx);
    }

    /// The connection has attempts that are not over.
    pub fn has_attempts(&self, id: usize) -> bool {
        self.slots.borrow()[id].has_attempts()
    }

    /// Ready once the connection has an attempt.
    pub fn poll_assigned(&self, id: usize, cx: &mut Context<'_>) -> Poll<()> {
        let slot = &mut self.slots.borrow_mut()[id];
        slot.poll(slot.has_attempts(), cx)
    }

    /// The attempts of the connection are abandoned.
    pub fn is_abandoned(&self, id: usize) -> bool {
        self.slots.borrow()[id].is_abandoned()
    }

    /// Ready once the attempts of the connection are abandoned.
    pub fn poll_abandoned(&self, id: usize, cx: &mut Context<'_>) -> Poll<()> {
        let slot = &mut self.slots.borrow_mut()[id];
        slot.poll(slot.is_abandoned(), cx)
    }

    /// Takes the bytes that the connection writes next. Their requests count as sent from now on.
    pub fn next_outgoing(&self, id: usize) -> Option<Outgoing> {
        let slot = &mut self.slots.borrow_mut()[id];
        // The clock is read only if there is something to write.
        if slot.has_unwritten() { slot.next_outgoing(self.now()) } else { None }
    }

    /// The next request to write does not go to `address`.
    #[inline]
    pub fn next_goes_elsewhere(&self, id: usize, address: SocketAddr) -> bool {
        self.requests.borrow().addresses_vary()
            && self.slots.borrow()[id]
                .first_unwritten()
                .and_then(|attempt| attempt.part.payload.address)
                .is_some_and(|wanted| wanted != address)
    }

    /// The address to connect to: that of the connection's first attempt, or the one that the script set last.
    pub fn address_for(&self, id: usize) -> SocketAddr {
        let slots = self.slots.borrow();
        let wanted = slots.get(id).and_then(|slot| slot.first()?.part.payload.address);
        wanted.unwrap_or_else(|| self.requests.borrow().vm().address())
    }

    /// The connection has begun to write an attempt that is not over, and so expects a response.
    pub fn awaits_response(&self, id: usize) -> bool {
        self.slots.borrow()[id].awaits_response()
    }

    /// When the connection's first attempt was sent; never if it was not.
    pub fn first_sent(&self, id: usize) -> Instant {
        self.slots.borrow()[id].first().map_or(Instant::NEVER, |attempt| attempt.record.sent)
    }

    /// The attempts of the connection can be sent from `now` on, if they could not before.
    pub fn mark_ready(&self, id: usize, now: Instant) {
        self.slots.borrow_mut()[id].mark_ready(now);
    }

    /// The connection has attempts, and has written none of them.
    pub fn has_unwritten_only(&self, id: usize) -> bool {
        self.slots.borrow()[id].has_unwritten_only()
    }

    /// The request of the connection's first attempt.
    pub fn first_request(&self, id: usize) -> Option<PayloadPart> {
        self.slots.borrow()[id].first().map(|attempt| attempt.part.clone())
    }

    /// Whether the connection's first attempt, the one that the next response belongs to, is a HEAD request.
    pub fn is_head(&self, id: usize) -> bool {
        self.slots.borrow()[id].first().is_some_and(|attempt| attempt.part.is_head())
    }

    /// Changes the record of the connection's first attempt.
    #[inline]
    pub fn update_record(&self, id: usize, change: impl FnOnce(&mut RequestRecord)) {
        if let Some(attempt) = self.slots.borrow_mut()[id].first_mut() {
            change(&mut attempt.record);
        }
    }
}
