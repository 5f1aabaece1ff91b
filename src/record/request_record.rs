use bytemuck::{Pod, Zeroable};

use super::Outcome;
use crate::units::{Instant, Time};

/// One attempt of one request, as a row of fixed size that the recorder appends to disk unchanged.
///
/// An instant that never came is [`Instant::NEVER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RequestRecord {
    /// The number of the request in the schedule, unique in the run. All attempts of a request share it.
    pub request: u64,
    /// The due time of the request, the same for all its attempts.
    pub due: Instant,
    /// The earliest instant at which the generator could have sent the attempt: it was due, a connection was free, and
    /// the limits on catching up allowed it.
    pub ready: Instant,
    /// When the first byte of the request was passed to the kernel.
    pub sent: Instant,
    /// When the first byte of the response arrived.
    pub first_byte: Instant,
    /// When the response was complete, the attempt failed, or the run ended. A response is complete when the kernel
    /// received its last byte, if there is a kernel timestamp, and otherwise when it was read.
    pub end: Instant,
    /// When the generator read the end of the response. Only answered attempts have it.
    pub seen: Instant,
    /// Response bytes read, including heads.
    pub bytes: u64,
    /// The number of the connection within its thread; `u32::MAX` if there was none.
    pub connection: u32,
    /// The status of the response; 0 if there was none.
    pub status: u16,
    /// The number of the generator's thread, from 0.
    pub thread: u16,
    /// 0 for the first attempt, 1 for the first retry, and so on.
    pub attempt: u16,
    pub(super) outcome: u8,
    pub(super) flags: u8,
    /// How often the attempt was sent again because the server did not process it. Only the last sending is recorded.
    pub resends: u8,
    pub(super) unused: [u8; 3],
}

const LAST: u8 = 1;
const TIMED_OUT: u8 = 2;
const WARMUP: u8 = 4;

impl RequestRecord {
    /// The record of a request that is not sent yet.
    pub fn planned(request: u64, due: Instant, thread: u16) -> RequestRecord {
        RequestRecord {
            request,
            due,
            ready: Instant::NEVER,
            sent: Instant::NEVER,
            first_byte: Instant::NEVER,
            end: Instant::NEVER,
            seen: Instant::NEVER,
            bytes: 0,
            connection: u32::MAX,
            status: 0,
            thread,
            attempt: 0,
            outcome: Outcome::Unsent as u8,
            flags: 0,
            resends: 0,
            unused: [0; 3],
        }
    }

    /// The record of the same attempt that is sent once more, because the server did not process it.
    pub fn sent_again(&self) -> RequestRecord {
        let mut again = RequestRecord::planned(self.request, self.due, self.thread);
        again.attempt = self.attempt;
        again.resends = self.resends.saturating_add(u8::from(self.sent != Instant::NEVER));
        again.set_warmup(self.is_warmup());
        again
    }

    /// How the attempt ended. `None` for a row of a damaged file.
    pub fn outcome(&self) -> Option<Outcome> {
        Outcome::ALL.get(usize::from(self.outcome)).copied()
    }

    /// Sets how the attempt ended.
    pub fn set_outcome(&mut self, outcome: Outcome) {
        self.outcome = outcome as u8;
    }

    /// No further attempt follows: this attempt decides the outcome of the request.
    pub fn is_last(&self) -> bool {
        self.flags & LAST != 0
    }

    /// The attempt lasted longer than the client's timeout. It was abandoned, or the client kept waiting.
    pub fn timed_out(&self) -> bool {
        self.flags & TIMED_OUT != 0
    }

    /// The attempt belongs to the warm-up, and is in no histogram: in a load it ended in the warm-up, in an experiment its
    /// request was due in it.
    pub fn is_warmup(&self) -> bool {
        self.flags & WARMUP != 0
    }

    /// Sets whether [`Self::is_last`].
    pub fn set_last(&mut self, on: bool) {
        self.set_flag(LAST, on);
    }

    /// Sets whether it [`Self::timed_out`].
    pub fn set_timed_out(&mut self, on: bool) {
        self.set_flag(TIMED_OUT, on);
    }

    /// Sets whether [`Self::is_warmup`].
    pub fn set_warmup(&mut self, on: bool) {
        self.set_flag(WARMUP, on);
    }

    fn set_flag(&mut self, flag: u8, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }

    /// The response time, end - due. It is corrected for coordinated omission.
    pub fn response_time(&self) -> Option<Time> {
        Some(self.end.known()?.since(self.due))
    }

    /// The service time, end - sent.
    pub fn service_time(&self) -> Option<Time> {
        Some(self.end.known()?.since(self.sent.known()?))
    }

    /// The send lag, sent - ready: the delay that the generator itself caused.
    pub fn send_lag(&self) -> Option<Time> {
        Some(self.sent.known()?.since(self.ready.known()?))
    }

    /// The wake-up latency, seen - end: how long the response waited for the generator to read it. Only a response with a
    /// kernel timestamp has it; without one, `end` is `seen`.
    #[inline]
    pub fn wakeup_latency(&self) -> Option<Time> {
        self.seen.known().filter(|seen| *seen > self.end).map(|seen| seen.since(self.end))
    }

    /// The sample that this attempt adds to the response-time distribution: the response time of a last attempt that
    /// was answered, or the lower bound of one whose wait was cut short. Attempts that failed for another reason, and
    /// attempts that a retry follows, add none.
    #[inline]
    pub fn response_sample(&self) -> Option<Time> {
        let counts = self.is_last() && (self.outcome() == Some(Outcome::Answered) || self.is_lower_bound());
        if counts { self.response_time() } else { None }
    }

    /// The response time of an answered request: [`Self::response_sample`] without the lower bounds.
    #[inline]
    pub fn answer_time(&self) -> Option<Time> {
        if self.is_lower_bound() { None } else { self.response_sample() }
    }

    /// The sample that this attempt adds to the service-time distribution: the service time of an answered attempt.
    #[inline]
    pub fn service_sample(&self) -> Option<Time> {
        if self.outcome() == Some(Outcome::Answered) { self.service_time() } else { None }
    }

    /// The response time is only a lower bound, because the client or the end of the run cut the wait short.
    pub fn is_lower_bound(&self) -> bool {
        matches!(self.outcome(), Some(Outcome::Abandoned | Outcome::Unanswered | Outcome::Unsent))
    }

    /// When the outcome was decided: the end; [`Instant::NEVER`] for a request that was in flight, or not sent, at the end
    /// of the run.
    #[inline]
    pub fn decided_at(&self) -> Instant {
        let in_flight = self.outcome().is_none_or(|outcome| !outcome.is_failure()) && self.is_lower_bound();
        if in_flight { Instant::NEVER } else { self.end }
    }

    /// Not answered with a status below 400 within the client's timeout.
    pub fn has_error(&self) -> bool {
        !self.is_success() || self.timed_out()
    }

    /// Answered with a status below 400.
    pub fn is_success(&self) -> bool {
        self.outcome() == Some(Outcome::Answered) && self.status < 400
    }
}
