//! The connections of a worker, and which of them carries the next request. Pure: instants are arguments.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::load::plan::{LoadPlan, WhenBusy};
use crate::units::Instant;

/// The connection that a request is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// This one.
    On(usize),
    /// A new one, which is opened for the request.
    New,
}

/// The connections of one worker. With HTTP/2 each stream counts as a connection.
pub struct Pool {
    when_busy: WhenBusy,
    /// Connections without a request, and since when they would be free if the generator had never been late; in that
    /// order, so the one that is free longest goes first.
    free: VecDeque<(usize, Instant)>,
    /// In a pipeline: connections with requests, those with the fewest first.
    busy: BTreeSet<(usize, usize)>,
    /// In a pipeline: the number of requests on each busy connection.
    in_flight: HashMap<usize, usize>,
    /// Connections that exist, established or not.
    open: usize,
    /// The most connections that may exist.
    limit: usize,
    /// One more connection may be opened since this instant.
    may_open_since: Instant,
    /// Connections that are established.
    established: usize,
}

impl Pool {
    pub fn new(plan: &LoadPlan, thread: usize) -> Pool {
        let open = plan.max_in_flight(thread);
        let limit = match plan.when_busy {
            WhenBusy::Wait | WhenBusy::Pipeline => open,
            WhenBusy::Open => plan.share(plan.max_connections, thread),
        };
        Pool {
            when_busy: plan.when_busy,
            free: VecDeque::new(),
            busy: BTreeSet::new(),
            in_flight: HashMap::new(),
            open,
            limit,
            may_open_since: if open < limit { Instant::START } else { Instant::NEVER },
            established: 0,
        }
    }

    /// The load starts. Connections count as free from now on, not from when they were established.
    pub fn start(&mut self) {
        self.free.iter_mut().for_each(|(_, since)| *since = Instant::START);
    }

    /// All connections are established and free.
    pub fn all_free(&self) -> bool {
        self.free.len() >= self.open
    }

    /// A request waits because of the limit on connections, and not because none could be established.
    pub fn is_at_limit(&self) -> bool {
        self.established > 0 && self.when_busy != WhenBusy::Pipeline
    }

    /// A connection was available before `at`.
    pub fn was_available_before(&self, at: Instant) -> bool {
        self.free.front().is_some_and(|(_, since)| *since < at) || !self.busy.is_empty() || self.may_open_since < at
    }

    /// Takes a connection for a request at `now`. Returns where to send it, and since when that was possible.
    pub fn take(&mut self, now: Instant) -> Option<(Placement, Instant)> {
        if let Some((connection, since)) = self.free.pop_front() {
            self.add_request(connection);
            return Some((Placement::On(connection), since));
        }
        if let Some(&(_, connection)) = self.busy.first() {
            self.add_request(connection);
            // A pipeline is never full.
            return Some((Placement::On(connection), Instant::START));
        }
        if self.may_open_since > now {
            return None;
        }
        let since = self.may_open_since;
        self.open += 1;
        if self.open >= self.limit {
            self.may_open_since = Instant::NEVER;
        }
        Some((Placement::New, since))
    }

    /// The instant since when a connection is free, if one that just ended its request is free since `now`.
    pub fn free_since(&self, now: Instant) -> Instant {
        self.free.front().map_or(now, |(_, since)| now.min(*since))
    }

    /// Counts one more request on the connection.
    pub fn add_request(&mut self, connection: usize) {
        if self.when_busy == WhenBusy::Pipeline {
            let in_flight = self.in_flight.entry(connection).or_default();
            self.busy.remove(&(*in_flight, connection));
            *in_flight += 1;
            self.busy.insert((*in_flight, connection));
        }
    }

    /// Counts one request less on the connection.
    pub fn remove_request(&mut self, connection: usize) {
        if let Some(in_flight) = self.in_flight.get_mut(&connection) {
            self.busy.remove(&(*in_flight, connection));
            *in_flight -= 1;
            if *in_flight > 0 {
                self.busy.insert((*in_flight, connection));
            } else {
                self.in_flight.remove(&connection);
            }
        }
    }

    /// The connection is free since `since`. That may lie before the release of another connection.
    pub fn release(&mut self, connection: usize, since: Instant) {
        let later = self.free.iter().rev().take_while(|(_, other)| *other > since).count();
        self.free.insert(self.free.len() - later, (connection, since));
    }

    /// Counts a connection that was established.
    pub fn add_established(&mut self) {
        self.established += 1;
    }

    /// An established connection is closed. It takes no requests, whether it was free or busy.
    pub fn remove(&mut self, connection: usize, was_free: bool) {
        self.established = self.established.saturating_sub(1);
        if was_free {
            self.free.retain(|(free, _)| *free != connection);
        }
        if let Some(in_flight) = self.in_flight.remove(&connection) {
            self.busy.remove(&(in_flight, connection));
        }
    }

    /// `count` established connections are closed at once, some of them free.
    pub fn remove_all(&mut self, is_closed: impl Fn(usize) -> bool, count: usize) {
        self.established = self.established.saturating_sub(count);
        self.free.retain(|(free, _)| !is_closed(*free));
    }

    /// A connection is closed at `now` and not opened again. With `open`, a new one may take its place.
    pub fn retire(&mut self, now: Instant) {
        self.open = self.open.saturating_sub(1);
        if self.when_busy == WhenBusy::Open {
            self.may_open_since = self.may_open_since.min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LoadSettings;

    /// One worker with two connections.
    fn pool(when_busy: WhenBusy) -> Pool {
        let settings = LoadSettings {
            threads: 1,
            connections: 2,
            max_connections: 3,
            when_busy,
            ..LoadSettings::new("http://h/", 1.0)
        };
        Pool::new(&LoadPlan::new(settings).unwrap(), 0)
    }

    #[test]
    fn the_connection_that_is_free_longest_goes_first() {
        let mut pool = pool(WhenBusy::Wait);
        assert_eq!(pool.take(Instant(1)), None);
        assert!(!pool.is_at_limit(), "none is established yet: the limit is not the reason");
        (0..2).for_each(|_| pool.add_established());
        pool.release(0, Instant(3));
        pool.release(1, Instant(2));
        assert_eq!(
            (pool.take(Instant(5)), pool.take(Instant(5)), pool.take(Instant(5))),
            (Some((Placement::On(1), Instant(2))), Some((Placement::On(0), Instant(3))), None)
        );
        assert!(pool.is_at_limit());
        assert!(!pool.was_available_before(Instant(9)));
    }

    #[test]
    fn in_a_pipeline_a_free_connection_goes_first_then_the_one_with_the_fewest_requests() {
        let mut pool = pool(WhenBusy::Pipeline);
        pool.release(0, Instant(0));
        pool.release(1, Instant(0));
        let on = |pool: &mut Pool| match pool.take(Instant(1)) {
            Some((Placement::On(connection), _)) => connection,
            other => panic!("{other:?}"),
        };
        assert_eq!((on(&mut pool), on(&mut pool), on(&mut pool), on(&mut pool)), (0, 1, 0, 1));
        pool.remove_request(1);
        assert_eq!((on(&mut pool), on(&mut pool)), (1, 0));
        (0..3).for_each(|_| pool.remove_request(0));
        pool.release(0, Instant(7));
        assert_eq!((on(&mut pool), pool.was_available_before(Instant(1))), (0, true));
        pool.remove(0, false);
        pool.remove(1, false);
        assert_eq!(pool.take(Instant(9)), None);
    }

    #[test]
    fn an_open_system_opens_connections_up_to_its_limit() {
        let mut pool = pool(WhenBusy::Open);
        assert_eq!((pool.take(Instant(5)), pool.take(Instant(5))), (Some((Placement::New, Instant(0))), None));
        pool.retire(Instant(9));
        assert!(pool.was_available_before(Instant(10)) && !pool.was_available_before(Instant(9)));
        assert_eq!(pool.take(Instant(12)), Some((Placement::New, Instant(9))));
    }
}
