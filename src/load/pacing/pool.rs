//! A thread's connections, and which of them carries the next request. Pure: instants come in as arguments.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::load::plan::{LoadPlan, WhenBusy};
use crate::units::Instant;

/// Where a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    On(usize),
    /// On a connection that is to be made.
    New,
}

/// The connections of one thread.
pub struct Pool {
    mode: WhenBusy,
    /// Connections without work and since when; the one that is free longest goes first.
    free: VecDeque<(usize, Instant)>,
    /// In a pipeline: connections with work, those that carry the least first; and what each carries.
    busy: BTreeSet<(usize, usize)>,
    carried: HashMap<usize, usize>,
    /// Connections there are, and may be; and since when there may be one more.
    open: usize,
    bound: usize,
    room_since: Instant,
    /// Connections that are made.
    up: usize,
}

impl Pool {
    pub fn new(plan: &LoadPlan, thread: usize) -> Pool {
        let open = plan.places(thread);
        let bound = match plan.when_busy {
            WhenBusy::Wait | WhenBusy::Pipeline => open,
            WhenBusy::Open => plan.share(plan.max_connections, thread),
        };
        Pool {
            mode: plan.when_busy,
            free: VecDeque::new(),
            busy: BTreeSet::new(),
            carried: HashMap::new(),
            open,
            bound,
            room_since: if open < bound { Instant::START } else { Instant::NEVER },
            up: 0,
        }
    }

    /// The clock is at its zero: connections are free from now on, not from when they were made.
    pub fn begin(&mut self) {
        self.free.iter_mut().for_each(|(_, since)| *since = Instant::START);
    }

    /// Every connection is there and free.
    pub fn all_free(&self) -> bool {
        self.free.len() >= self.open
    }

    /// It is the bound on connections that leaves no room, not that none can be made.
    pub fn is_bounded(&self) -> bool {
        self.up > 0 && self.mode != WhenBusy::Pipeline
    }

    /// A request might have gone at `at`: there was room for it.
    pub fn had_room(&self, at: Instant) -> bool {
        self.free.front().is_some_and(|(_, since)| *since < at) || !self.busy.is_empty() || self.room_since < at
    }

    /// Takes room for a request at `now`; says where, and since when that room was there.
    pub fn take(&mut self, now: Instant) -> Option<(Placement, Instant)> {
        if let Some((connection, since)) = self.free.pop_front() {
            self.carries(connection);
            return Some((Placement::On(connection), since));
        }
        if let Some(&(_, connection)) = self.busy.first() {
            self.carries(connection);
            // There is always room behind another.
            return Some((Placement::On(connection), Instant::START));
        }
        if self.room_since > now {
            return None;
        }
        let since = self.room_since;
        self.open += 1;
        if self.open >= self.bound {
            self.room_since = Instant::NEVER;
        }
        Some((Placement::New, since))
    }

    /// Since when there was room, had `connection` not become free at `now`.
    pub fn free_since(&self, now: Instant) -> Instant {
        self.free.front().map_or(now, |(_, since)| *since)
    }

    /// The connection carries one request more.
    pub fn carries(&mut self, connection: usize) {
        if self.mode == WhenBusy::Pipeline {
            let carried = self.carried.entry(connection).or_default();
            self.busy.remove(&(*carried, connection));
            *carried += 1;
            self.busy.insert((*carried, connection));
        }
    }

    /// The connection carries one request less.
    pub fn done(&mut self, connection: usize) {
        if let Some(carried) = self.carried.get_mut(&connection) {
            self.busy.remove(&(*carried, connection));
            *carried -= 1;
            if *carried > 0 {
                self.busy.insert((*carried, connection));
            } else {
                self.carried.remove(&connection);
            }
        }
    }

    /// The connection is without work from `now` on.
    pub fn give(&mut self, connection: usize, now: Instant) {
        self.free.push_back((connection, now));
    }

    /// A connection was made.
    pub fn came_up(&mut self) {
        self.up += 1;
    }

    /// A connection that was made is no more. Whether it was free or had work, it takes none.
    pub fn went_down(&mut self, connection: usize, was_free: bool) {
        self.up = self.up.saturating_sub(1);
        if was_free {
            self.free.retain(|(free, _)| *free != connection);
        }
        if let Some(carried) = self.carried.remove(&connection) {
            self.busy.remove(&(carried, connection));
        }
    }

    /// Many connections went at once, some of them free.
    pub fn went_down_all(&mut self, gone: impl Fn(usize) -> bool, how_many: usize) {
        self.up = self.up.saturating_sub(how_many);
        self.free.retain(|(free, _)| !gone(*free));
    }

    /// A connection is gone for good at `now`: in open mode another may take its place.
    pub fn closed(&mut self, now: Instant) {
        self.open = self.open.saturating_sub(1);
        if self.mode == WhenBusy::Open {
            self.room_since = self.room_since.min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LoadSettings;

    /// One thread with two connections.
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
    fn the_one_that_is_free_longest_goes_first() {
        let mut pool = pool(WhenBusy::Wait);
        assert_eq!(pool.take(Instant(1)), None);
        assert!(!pool.is_bounded(), "none is there yet, which no bound is to blame for");
        (0..2).for_each(|_| pool.came_up());
        pool.give(1, Instant(2));
        pool.give(0, Instant(3));
        assert_eq!(
            (pool.take(Instant(5)), pool.take(Instant(5)), pool.take(Instant(5))),
            (Some((Placement::On(1), Instant(2))), Some((Placement::On(0), Instant(3))), None)
        );
        assert!(pool.is_bounded());
        assert!(!pool.had_room(Instant(9)));
    }

    #[test]
    fn in_a_pipeline_a_free_one_goes_first_and_then_the_one_that_carries_least() {
        let mut pool = pool(WhenBusy::Pipeline);
        pool.give(0, Instant(0));
        pool.give(1, Instant(0));
        let on = |pool: &mut Pool| match pool.take(Instant(1)) {
            Some((Placement::On(connection), _)) => connection,
            other => panic!("{other:?}"),
        };
        assert_eq!((on(&mut pool), on(&mut pool), on(&mut pool), on(&mut pool)), (0, 1, 0, 1));
        pool.done(1);
        assert_eq!((on(&mut pool), on(&mut pool)), (1, 0));
        (0..3).for_each(|_| pool.done(0));
        pool.give(0, Instant(7));
        assert_eq!((on(&mut pool), pool.had_room(Instant(1))), (0, true));
        pool.went_down(0, false);
        pool.went_down(1, false);
        assert_eq!(pool.take(Instant(9)), None);
    }

    #[test]
    fn an_open_system_has_room_up_to_its_bound_and_again_when_one_is_gone() {
        let mut pool = pool(WhenBusy::Open);
        assert_eq!((pool.take(Instant(5)), pool.take(Instant(5))), (Some((Placement::New, Instant(0))), None));
        pool.closed(Instant(9));
        assert!(pool.had_room(Instant(10)) && !pool.had_room(Instant(9)));
        assert_eq!(pool.take(Instant(12)), Some((Placement::New, Instant(9))));
    }
}
