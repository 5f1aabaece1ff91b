//! The dispatcher with simulated connections on simulated time. For any behaviour of the connections, every request
//! ends exactly once, requests are sent in the order of their due times, catching up stays within its limit, and the
//! pacer does not sleep while a request can be sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter::Peekable;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::arrivals::{ArrivalProcess, Profile};
use crate::load::plan::Retries;
use crate::record::Outcome;

/// How an attempt ends.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    AnsweredAndClosed,
    Failed,
}

/// An event of the simulated world.
enum WorldEvent {
    Ended(usize, Fate),
    Connected(usize),
    IdleClosed(usize),
    EndOfArrivals,
}

/// The behaviour of the simulated world. Times are in ns.
#[derive(Clone, Debug)]
struct World {
    /// Service times and ends of consecutive attempts, repeated in a cycle.
    fates: Vec<(u64, Fate)>,
    reconnects_after: u64,
    idle_for: u64,
    wake_up_latency: u64,
    ends_at: Option<u64>,
    /// The script delays every request by this.
    delay: Option<u64>,
    /// The number of requests that the script returns in one string.
    batch: usize,
}

struct Simulation {
    dispatcher: Dispatcher,
    plan: LoadPlan,
    world: World,
    now: u64,
    events: BTreeMap<(u64, u64), WorldEvent>,
    number: u64,
    /// Free connections, and since when.
    idle: BTreeMap<usize, u64>,
    /// By connection: the send lag of its last attempt.
    lags: BTreeMap<usize, u64>,
    /// With `open`: since when a further connection may be opened.
    may_open_since: u64,
    /// Connections that exist, established or not.
    open: usize,
    connections: usize,
    /// Requests in flight by connection, in order.
    in_flight: BTreeMap<usize, VecDeque<RequestRecord>>,
    /// Retries and delayed requests that were not sent yet: instant, request.
    pending: BTreeSet<(u64, u64)>,
    schedule: Peekable<Arrivals>,
    /// The next request may not be sent before this.
    earliest_send: u64,
    pacer_wakes: u64,
    pacer_waits: bool,
    over: bool,
    begun: u64,
    records: Vec<RequestRecord>,
}

impl Simulation {
    fn new(settings: LoadSettings, world: World) -> Simulation {
        let plan = LoadPlan::new(settings).unwrap();
        Simulation {
            dispatcher: Dispatcher::new(&plan, 0),
            connections: plan.connections,
            schedule: plan.schedule(0).peekable(),
            open: plan.connections,
            plan,
            world,
            now: 0,
            events: BTreeMap::new(),
            number: 0,
            idle: BTreeMap::new(),
            lags: BTreeMap::new(),
            may_open_since: 0,
            in_flight: BTreeMap::new(),
            pending: BTreeSet::new(),
            earliest_send: 0,
            pacer_wakes: 0,
            pacer_waits: true,
            over: false,
            begun: 0,
            records: Vec::new(),
        }
    }

    /// Runs to the end. Returns the records; the last attempt of each request is marked.
    fn run(mut self) -> Vec<RequestRecord> {
        for connection in 0..self.connections {
            if connection % 2 == 0 {
                self.connected(connection);
            } else {
                self.later(self.world.reconnects_after, WorldEvent::Connected(connection));
            }
        }
        if let Some(at) = self.world.ends_at {
            self.later(at, WorldEvent::EndOfArrivals);
        }
        if self.world.delay.is_some() {
            self.dispatcher.enable_delay();
        }
        self.dispatcher.start();
        self.pace();
        while !self.over {
            self.the_pacer_does_not_sleep_while_a_request_can_be_sent();
            match self.events.first_key_value() {
                Some((&(at, _), _)) if at <= self.pacer_wakes => {
                    self.now = at;
                    let (_, event) = self.events.pop_first().unwrap();
                    if self.handle(event) {
                        self.pace();
                    }
                }
                _ => {
                    self.now = self.pacer_wakes;
                    self.pace();
                }
            }
        }
        self.record_unfinished()
    }

    fn later(&mut self, after: u64, event: WorldEvent) {
        self.number += 1;
        self.events.insert((self.now + after, self.number), event);
    }

    /// Returns whether the event wakes the pacer.
    fn handle(&mut self, event: WorldEvent) -> bool {
        match event {
            WorldEvent::EndOfArrivals => {
                self.dispatcher.end_arrivals(Instant(self.now));
                true
            }
            WorldEvent::Connected(connection) => self.connected(connection),
            WorldEvent::IdleClosed(connection) => {
                let busy = self.in_flight.contains_key(&connection);
                let idle = !busy && self.idle.remove(&connection).is_some();
                idle && self.closed(connection, true)
            }
            WorldEvent::Ended(connection, fate) => {
                let Some(record) = self.in_flight.get_mut(&connection).and_then(VecDeque::pop_front) else {
                    // It failed together with its connection.
                    return false;
                };
                let failed = matches!(fate, Fate::Failed);
                let lag = record.send_lag().unwrap();
                self.dispatcher.end_attempt(connection, lag);
                let before = Time(self.lags.get(&connection).copied().unwrap_or_default());
                self.lags.insert(connection, carried_lag(before, lag, self.plan.slack).0);
                let mut again = self.ended(record, failed);
                if !matches!(fate, Fate::Answered) {
                    for record in self.in_flight.remove(&connection).unwrap_or_default() {
                        again |= self.ended(record, true);
                    }
                }
                self.in_flight.retain(|_, records| !records.is_empty());
                let last = self.in_flight.is_empty() && self.pacer_waits;
                let wakes = match fate {
                    Fate::Answered if self.in_flight.contains_key(&connection) => false,
                    Fate::Answered => self.free(connection),
                    Fate::AnsweredAndClosed | Fate::Failed => self.closed(connection, false),
                };
                again || last || wakes
            }
        }
    }

    /// Returns whether the request is retried.
    fn ended(&mut self, mut record: RequestRecord, failed: bool) -> bool {
        let again = failed && record.attempt < self.plan.retries.count;
        record.end = Instant(self.now);
        record.set_outcome(if failed { Outcome::ReadError } else { Outcome::Answered });
        record.set_last(!again);
        self.records.push(record);
        if again {
            let due = self.now + self.plan.retries.backoff.0;
            let part = PayloadPart { payload: Rc::default(), index: 0 };
            self.dispatcher.retry(&record, part, true, Instant(due));
            self.pending.insert((due, record.request));
        }
        again
    }

    fn is_pipeline(&self) -> bool {
        self.plan.when_busy == WhenBusy::Pipeline
    }

    fn connected(&mut self, connection: usize) -> bool {
        self.lags.remove(&connection);
        let work = self.dispatcher.add_connection(connection, Instant(self.now));
        self.assigned(connection, work)
    }

    fn free(&mut self, connection: usize) -> bool {
        let work = self.dispatcher.offer_connection(connection, Instant(self.now));
        self.assigned(connection, work)
    }

    fn assigned(&mut self, connection: usize, work: Option<Work>) -> bool {
        match work {
            Some(work) => {
                self.send(connection, work);
                self.is_pipeline() && self.pacer_waits
            }
            None => {
                self.idle.insert(connection, self.free_without_lag(connection));
                self.later(self.world.idle_for, WorldEvent::IdleClosed(connection));
                self.pacer_waits
            }
        }
    }

    fn closed(&mut self, connection: usize, was_free: bool) -> bool {
        self.dispatcher.remove_connection(connection, was_free);
        match self.plan.when_busy {
            WhenBusy::Wait | WhenBusy::Pipeline => {
                self.later(self.world.reconnects_after, WorldEvent::Connected(connection));
                false
            }
            WhenBusy::Open => {
                let since = self.free_without_lag(connection);
                self.may_open_since = if self.may_open() { self.may_open_since.min(since) } else { since };
                self.lags.remove(&connection);
                self.open -= 1;
                self.dispatcher.retire_connection(connection, Instant(self.now));
                self.pacer_waits
            }
        }
    }

    fn pace(&mut self) {
        loop {
            (self.pacer_wakes, self.pacer_waits) = match self.dispatcher.next_action(Instant(self.now)) {
                Action::Send(work, Placement::On(connection)) => {
                    let was_free = self.idle.remove(&connection).is_some();
                    let behind = self.is_pipeline() && self.idle.is_empty() && self.has_fewest_requests(connection);
                    assert!(was_free || behind, "connection {connection} is the wrong one");
                    self.send(connection, work);
                    continue;
                }
                Action::Delay(work) => {
                    self.as_planned(&work.record);
                    let due = work.record.ready.0 + self.world.delay.unwrap();
                    self.pending.insert((due, work.record.request));
                    self.dispatcher.defer(work, Instant(due));
                    continue;
                }
                Action::Send(work, Placement::New) => {
                    self.open += 1;
                    self.connections += 1;
                    self.send(self.connections - 1, work);
                    continue;
                }
                Action::End => break self.over = true,
                Action::Drain(_) if self.in_flight.is_empty() => break self.over = true,
                Action::Blocked(at) => {
                    assert!(!self.can_send(), "blocked while a connection is free");
                    (at.0, true)
                }
                Action::Drain(at) => (at.0, true),
                Action::Wait(at) => (at.0, false),
            };
            assert!(self.pacer_wakes > self.now);
            break self.pacer_wakes += self.world.wake_up_latency;
        }
    }

    fn send(&mut self, connection: usize, work: Work) {
        let mut record = work.record;
        record.sent = Instant(self.now);
        assert!(record.due <= record.ready && record.ready <= record.sent, "{record:?}");
        if record.attempt == 0 && self.world.delay.is_none() {
            let at = self.as_planned(&record);
            let later = self.pending.first();
            assert!(later.is_none_or(|(due, _)| *due >= at), "a retry was due before {record:?}");
        } else {
            let (due, request) = self.pending.pop_first().unwrap();
            assert!(due <= self.now && request == record.request);
            let head = self.head_at().filter(|_| self.world.delay.is_none());
            assert!(head.is_none_or(|at| due < at), "a request was due before {record:?}");
        }
        assert_eq!(work.part.is_some(), record.attempt > 0);
        self.begin(connection, record);
        if record.attempt == 0 {
            for _ in 1..self.world.batch {
                let mut joined = self.dispatcher.join_next(&record, Some(connection), Instant(self.now));
                assert_eq!((joined.due, joined.ready), (record.due, record.ready));
                let head = self.schedule.next().unwrap();
                assert_eq!(joined.request, head.request);
                if self.catch_up_limit().is_some() {
                    self.earliest_send += self.shortest_gap_after(head.due.0);
                }
                joined.sent = Instant(self.now);
                self.begin(connection, joined);
            }
        }
    }

    /// Checks that a first attempt is the next of the schedule and not early. Returns the earliest instant to send it.
    fn as_planned(&mut self, record: &RequestRecord) -> u64 {
        let head = self.schedule.next().unwrap();
        assert_eq!((record.request, record.due), (head.request, head.due), "in the order of the schedule");
        let at = head.due.0.max(self.earliest_send);
        assert!(at <= self.now, "{record:?} is sent before {at}");
        self.limit_catch_up(head.due.0, record.ready.0);
        at
    }

    fn limit_catch_up(&mut self, due: u64, ready: u64) {
        if self.catch_up_limit().is_some() {
            let late = self.now.saturating_sub(FREE_CATCH_UP.plus(self.plan.slack).0);
            self.earliest_send = self.earliest_send.max(ready).max(late) + self.shortest_gap_after(due);
        }
    }

    fn free_without_lag(&self, connection: usize) -> u64 {
        let is_before_the_end = self.now < self.dispatcher.arrivals_end().0;
        let lag = self.lags.get(&connection).copied().filter(|_| is_before_the_end);
        self.now.saturating_sub(lag.unwrap_or(0))
    }

    fn catch_up_limit(&self) -> Option<f64> {
        let applies = self.plan.when_busy == WhenBusy::Wait && self.now < self.dispatcher.arrivals_end().0;
        self.plan.catch_up.filter(|_| applies)
    }

    fn shortest_gap_after(&mut self, due: u64) -> u64 {
        ((self.schedule.peek().unwrap().due.0 - due) as f64 / self.plan.catch_up.unwrap()) as u64
    }

    fn begin(&mut self, connection: usize, record: RequestRecord) {
        let (service, fate) = self.world.fates[self.begun as usize % self.world.fates.len()];
        self.begun += 1;
        let before = self.in_flight.entry(connection).or_default();
        assert!(before.is_empty() || self.world.batch > 1 || self.plan.when_busy == WhenBusy::Pipeline);
        before.push_back(record);
        self.later(service, WorldEvent::Ended(connection, fate));
    }

    /// The earliest instant to send the next first attempt, if it may still be sent.
    fn head_at(&mut self) -> Option<u64> {
        let until = self.dispatcher.arrivals_end().0;
        let head = self.schedule.peek().filter(|head| head.due.0 < until)?;
        let at = head.due.0.max(self.earliest_send);
        (self.now < until || at < until && self.may_be_late()).then_some(at)
    }

    fn can_send(&self) -> bool {
        !self.idle.is_empty() || self.may_open() || self.is_pipeline() && !self.in_flight.is_empty()
    }

    fn has_fewest_requests(&self, connection: usize) -> bool {
        let in_flight = |connection| self.in_flight.get(connection).map_or(0, VecDeque::len);
        self.in_flight.keys().all(|other| in_flight(other) >= in_flight(&connection))
    }

    fn may_open(&self) -> bool {
        self.plan.when_busy == WhenBusy::Open && self.open < self.plan.max_connections
    }

    /// A due request could have been sent before the planned end of arrivals, and so is still sent.
    fn may_be_late(&self) -> bool {
        let until = self.dispatcher.arrivals_end().0;
        let was_available =
            self.may_open() && self.may_open_since < until || self.is_pipeline() && !self.in_flight.is_empty();
        until == self.plan.duration.0 && (self.idle.values().any(|since| *since < until) || was_available)
    }

    fn the_pacer_does_not_sleep_while_a_request_can_be_sent(&mut self) {
        let later = self.pending.first().map(|(due, _)| *due);
        if self.can_send()
            && let Some(at) = self.head_at().into_iter().chain(later).min()
        {
            let latest = at.max(self.now) + self.plan.slack.0 + self.world.wake_up_latency;
            assert!(self.pacer_wakes <= latest, "the pacer sleeps past {at}");
        }
    }

    /// Records the rest as the worker does it at the end of a run.
    fn record_unfinished(mut self) -> Vec<RequestRecord> {
        let (until, late) = (self.dispatcher.arrivals_end().0, self.world.wake_up_latency);
        assert!(self.now <= until + self.plan.drain.0 + late, "the run ends with the drain");
        let later = self.dispatcher.take_deferred();
        assert_eq!(later.len(), self.pending.len());
        let unsent = std::iter::from_fn(|| self.dispatcher.next_unsent());
        let open = self.in_flight.into_values().flatten().chain(later);
        for mut record in open.chain(unsent) {
            let sent = record.sent != Instant::NEVER || record.attempt > 0;
            record.set_outcome(if sent { Outcome::Unanswered } else { Outcome::Unsent });
            record.set_last(true);
            self.records.push(record);
        }
        let mut last: Vec<_> =
            self.records.iter().filter(|r| r.is_last()).map(|r| Arrival { request: r.request, due: r.due }).collect();
        last.sort_unstable_by_key(|arrival| arrival.request);
        // A request that is due at the very instant of an early end may be sent already.
        let planned: Vec<_> = self.plan.schedule(0).take_while(|arrival| arrival.due.0 <= until).collect();
        let certain = planned.partition_point(|arrival| arrival.due.0 < until);
        if self.world.batch == 1 {
            assert!(last.len() >= certain && last == planned[..last.len()], "each request of the schedule ends once");
        } else {
            // A request in one string with another is due with it, even after the end of arrivals.
            assert!(last.len() >= certain && last.iter().enumerate().all(|(i, arrival)| arrival.request == i as u64));
            assert!(last.iter().zip(&planned).all(|(arrival, plan)| arrival.due <= plan.due));
        }
        self.records
    }
}

fn fates() -> impl Strategy<Value = Vec<(u64, Fate)>> {
    let fate = prop_oneof![5 => Just(Fate::Answered), 1 => Just(Fate::AnsweredAndClosed), 2 => Just(Fate::Failed)];
    let service = prop_oneof![4 => 0..20 * MS, 1 => 0..500 * MS];
    proptest::collection::vec((service, fate), 1..30)
}

fn worlds() -> impl Strategy<Value = World> {
    let late = prop_oneof![Just(0), 0..3 * MS];
    let ends = proptest::option::weighted(0.3, 0..200 * MS);
    let script = (proptest::option::weighted(0.3, 0..30 * MS), prop_oneof![3 => Just(1), 1 => 2..5usize]);
    (fates(), 0..60 * MS, MS..300 * MS, late, ends, script).prop_map(
        |(fates, reconnects_after, idle_for, wake_up_latency, ends_at, (delay, batch))| World {
            fates,
            reconnects_after,
            idle_for,
            wake_up_latency,
            ends_at,
            delay,
            batch,
        },
    )
}

fn loads() -> impl Strategy<Value = LoadSettings> {
    use ArrivalProcess::{Exp, Fixed, Norm, Zipf};
    let process = prop_oneof![4 => Just(Fixed), 3 => Just(Exp), 1 => Just(Norm), 1 => Just(Zipf)];
    let mode = prop_oneof![Just(WhenBusy::Wait), Just(WhenBusy::Pipeline), Just(WhenBusy::Open)];
    let modes = (mode, 1usize..5, 0usize..5, proptest::option::of(1.0..5.0f64), process);
    let rate = (20.0..2000.0f64, proptest::option::of(0.0..2000.0f64));
    let times = (rate, 1u64..200, 0u64..100, any::<u64>());
    let retries = (0u16..4, 0u64..10);
    let slack = prop_oneof![2 => Just(0), 1 => 0..=5 * MS];
    (modes, times, retries, slack).prop_map(
        |((when_busy, connections, more, catch_up, arrivals), times, retries, slack)| {
            let (count, backoff) = retries;
            let ((from, to), duration, drain, seed) = times;
            let rate = to.map_or_else(|| from.to_string(), |to| format!("{from}..{to}"));
            LoadSettings {
                threads: 1,
                connections,
                max_connections: connections + more,
                when_busy,
                catch_up,
                arrivals,
                seed,
                duration: Time::from_millis(duration),
                drain: Time::from_millis(drain),
                slack: Time(slack),
                retries: Retries { count, backoff: Time::from_millis(backoff) },
                ..LoadSettings::new("http://localhost/", rate.parse::<Profile>().unwrap())
            }
        },
    )
}

proptest! {
    #[test]
    fn whatever_the_connections_do(settings in loads(), world in worlds()) {
        let limit = settings.catch_up.filter(|_| settings.when_busy == WhenBusy::Wait);
        let (until, free) = (settings.duration.0, FREE_CATCH_UP.plus(settings.slack).0);
        let in_order = world.delay.is_none();
        let records = Simulation::new(settings, world).run();
        let account = crate::record::Account::of(&records);
        prop_assert!(account.balances());
        let mut first: Vec<_> = records.iter().filter(|r| r.attempt == 0 && r.sent != Instant::NEVER).collect();
        first.sort_unstable_by_key(|r| r.request);
        prop_assert!(!in_order || first.is_sorted_by_key(|record| record.sent));
        let Some(limit) = limit else { return Ok(()) };
        // Before the end of arrivals the schedule is caught up no faster than the plan allows, apart from the free catch-up.
        let behind = |record: &RequestRecord| record.sent.0 as f64 - record.due.0 as f64 / limit;
        let mut most = f64::MIN;
        for record in first.iter().filter(|record| in_order && record.sent.0 < until) {
            prop_assert!(behind(record) + free as f64 + 1.0 + first.len() as f64 >= most, "{record:?}");
            most = most.max(behind(record));
        }
    }
}
