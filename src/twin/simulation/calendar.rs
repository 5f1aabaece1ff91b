use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::units::{Instant, Time};

/// What happens to an attempt or a request. Attempts and requests are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimulatedEvent {
    /// A server has served the attempt, well or not, and `servers` are free again.
    Served { attempt: u32, well: bool, servers: u32 },
    /// The attempt has held servers on the costly path for long enough.
    HoldOver { attempt: u32 },
    /// The request is sent again.
    RetryDue { request: u32 },
    /// The attempt has lasted for the timeout of the client.
    TimedOut { attempt: u32 },
    /// The attempt has waited for as long as the system lets it wait.
    WaitedTooLong { attempt: u32 },
}

/// Events to come, in order of time. Events of one instant come in the order in which they were added.
#[derive(Default)]
pub struct Calendar {
    added: u64,
    events: BinaryHeap<Reverse<(Instant, u64, SimulatedEvent)>>,
    /// Timeouts come in the order in which they were added, because all of them take the same time. There are many more of
    /// them than other events, so this is what makes a simulation fast.
    timeouts: VecDeque<(Instant, u32)>,
    ends_of_waiting: VecDeque<(Instant, u32)>,
}

impl Calendar {
    pub fn add(&mut self, at: Instant, event: SimulatedEvent) {
        self.added += 1;
        self.events.push(Reverse((at, self.added, event)));
    }

    /// Every call must have the same `timeout`, and a later `now`.
    pub fn add_timeout(&mut self, now: Instant, timeout: Time, attempt: u32) {
        self.timeouts.push_back((now.plus(timeout), attempt));
    }

    /// Every call must have the same `give_up`, and a later `now`.
    pub fn add_end_of_waiting(&mut self, now: Instant, give_up: Time, attempt: u32) {
        self.ends_of_waiting.push_back((now.plus(give_up), attempt));
    }

    /// The next event, if it comes at `until` or before.
    pub fn pop_until(&mut self, until: Instant) -> Option<(Instant, SimulatedEvent)> {
        let event = self.events.peek().map_or(Instant::NEVER, |Reverse((at, ..))| *at);
        let timeout = self.timeouts.front().map_or(Instant::NEVER, |(at, _)| *at);
        let end_of_waiting = self.ends_of_waiting.front().map_or(Instant::NEVER, |(at, _)| *at);
        let next = event.min(timeout).min(end_of_waiting);
        if next > until || next == Instant::NEVER {
            None
        } else if event == next {
            self.events.pop().map(|Reverse((at, _, event))| (at, event))
        } else if timeout == next {
            self.timeouts.pop_front().map(|(at, attempt)| (at, SimulatedEvent::TimedOut { attempt }))
        } else {
            self.ends_of_waiting.pop_front().map(|(at, attempt)| (at, SimulatedEvent::WaitedTooLong { attempt }))
        }
    }
}
