//! The pacer on simulated time: a clock that the test moves, a timer with a given wake-up latency, and a workload with a
//! fixed schedule.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Waker};

use super::*;
use crate::record::RequestRecord;

const US: u64 = 1000;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

/// A run of the pacer. All times are in ns.
struct Simulation {
    now: Cell<u64>,
    // The timer.
    /// The wake-up latency of the n-th timer; a negative one fires early.
    latency: Box<dyn Fn(u64) -> i64>,
    timers_set: Cell<u64>,
    fires_at: Cell<u64>,
    has_fired: Cell<bool>,
    sleeps: Cell<bool>,
    // The workload.
    due: RefCell<VecDeque<u64>>,
    connections: Cell<usize>,
    slack: u64,
    /// Nothing is lost if responses are read late.
    reads_late: bool,
    blocks: Cell<u64>,
    /// The time that the worker needs to send a request.
    send_cost: u64,
    /// The time from a send to its response.
    service: u64,
    drain_end: u64,
    responses_at: RefCell<VecDeque<u64>>,
    stops_at: u64,
    sent: RefCell<Vec<(u64, u64)>>,
    flag: WakeFlag,
    // The other tasks of the worker.
    yields: Cell<u64>,
    yielded_at: Cell<u64>,
    longest_burst: Cell<u64>,
}

/// A pass of the runtime over the other tasks.
const PASS: u64 = US;

/// `count` requests, one every `gap`, on plenty of connections and a server that responds at once.
fn simulation(gap: u64, count: u64, latency: impl Fn(u64) -> i64 + 'static) -> Simulation {
    Simulation {
        now: Cell::new(0),
        latency: Box::new(latency),
        timers_set: Cell::new(0),
        fires_at: Cell::new(u64::MAX),
        has_fired: Cell::new(false),
        sleeps: Cell::new(false),
        due: RefCell::new((1..=count).map(|i| i * gap).collect()),
        connections: Cell::new(1000),
        slack: 0,
        reads_late: false,
        blocks: Cell::new(0),
        send_cost: 0,
        service: 0,
        drain_end: count * gap + 10 * SECOND,
        responses_at: RefCell::default(),
        stops_at: u64::MAX,
        sent: RefCell::default(),
        flag: WakeFlag::default(),
        yields: Cell::new(0),
        yielded_at: Cell::new(0),
        longest_burst: Cell::new(0),
    }
}

struct SimulatedTimer<'a>(&'a Simulation);

impl PacerTimer for SimulatedTimer<'_> {
    fn now(&self) -> Instant {
        Instant(self.0.now.get())
    }

    fn set(&mut self, at: Instant) -> io::Result<()> {
        let s = self.0;
        let at = at.0.max(s.now.get());
        s.fires_at.set(at.saturating_add_signed((s.latency)(s.timers_set.get())).max(s.now.get()));
        s.timers_set.set(s.timers_set.get() + 1);
        s.has_fired.set(false);
        Ok(())
    }

    fn block_until(&self, at: Instant) {
        let s = self.0;
        s.blocks.set(s.blocks.get() + 1);
        s.now.set(at.0.max(s.now.get()));
    }

    fn poll_fired(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.has_fired.take() {
            return Poll::Ready(Ok(()));
        }
        self.0.sleeps.set(true);
        Poll::Pending
    }
}

impl Workload for Simulation {
    fn is_stopped(&self) -> bool {
        self.now.get() >= self.stops_at
    }

    fn next_action(&self, now: Instant) -> Action {
        let mut due = self.due.borrow_mut();
        match due.front().copied() {
            _ if now.0 >= self.drain_end => Action::End,
            None => Action::Drain(Instant(self.drain_end)),
            Some(at) if at > now.0 => Action::Wait(Instant(at + self.slack)),
            Some(_) if self.connections.get() == 0 => Action::Blocked(Instant(self.drain_end)),
            Some(at) => {
                due.pop_front();
                let record = RequestRecord::planned(0, Instant(at), 0);
                Action::Send(Work { record, part: None, is_sample: true }, Placement::On(0))
            }
        }
    }

    fn send(&self, work: Work, _: Placement, now: Instant) {
        self.connections.set(self.connections.get() - 1);
        self.sent.borrow_mut().push((work.record.due.0, now.0));
        self.now.set(self.now.get() + self.send_cost);
        self.responses_at.borrow_mut().push_back(self.now.get() + self.service);
        self.longest_burst.set(self.longest_burst.get().max(self.now.get() - self.yielded_at.get()));
    }

    fn delay(&self, _: Work) {
        unreachable!("no script");
    }

    fn has_in_flight(&self) -> bool {
        !self.responses_at.borrow().is_empty()
    }

    fn may_read_late(&self) -> bool {
        self.reads_late && self.has_in_flight()
    }

    fn wake_flag(&self) -> &WakeFlag {
        &self.flag
    }
}

impl Simulation {
    /// Runs the pacer to its end.
    fn run(self, spin: Spin) -> Simulation {
        self.run_pacer(spin);
        self
    }

    fn run_pacer(&self, spin: Spin) {
        let mut timer = SimulatedTimer(self);
        let mut pacer = pin!(Pacer::new(self, &mut timer, spin, Time(self.slack)).run());
        let mut context = Context::from_waker(Waker::noop());
        while pacer.as_mut().poll(&mut context).is_pending() {
            if self.sleeps.take() {
                let next = self.responses_at.borrow().front().copied().unwrap_or(u64::MAX).min(self.stops_at);
                self.now.set(self.fires_at.get().min(next).max(self.now.get()));
                self.has_fired.set(self.now.get() >= self.fires_at.get());
                if self.is_stopped() {
                    self.flag.wake();
                }
            } else {
                self.now.set(self.now.get() + PASS);
                self.yields.set(self.yields.get() + 1);
            }
            self.yielded_at.set(self.now.get());
            self.receive();
        }
    }

    /// The responses that have arrived free their connections.
    fn receive(&self) {
        while self.responses_at.borrow().front().is_some_and(|at| *at <= self.now.get()) {
            self.responses_at.borrow_mut().pop_front();
            self.connections.set(self.connections.get() + 1);
            self.flag.wake_for_connection();
        }
    }

    /// Send lags, in order; a request that is sent before it is due fails the test.
    fn lags(&self) -> Vec<u64> {
        let lag = |(due, sent): &(u64, u64)| sent.checked_sub(*due).expect("sent before it is due");
        self.sent.borrow().iter().map(lag).collect()
    }
}

#[test]
fn requests_are_sent_when_they_are_due() {
    let run = simulation(MS, 100, |_| 0).run(Spin::Never);
    assert_eq!(run.lags(), [0; 100]);
    // One pass of the other tasks after each request, and no other.
    assert_eq!(run.yields.get(), 100);
}

#[test]
fn without_spinning_the_wake_up_latency_is_send_lag() {
    let run = simulation(MS, 100, |_| 60 * US as i64).run(Spin::Never);
    assert_eq!(run.lags(), [60 * US; 100]);
}

#[test]
fn the_wake_up_latency_is_learned_and_spun_over() {
    let run = simulation(MS, 2000, |i| (60 * US + i * 7919 % (20 * US)) as i64).run(Spin::Auto);
    let mut learned = run.lags().split_off(1000);
    learned.sort_unstable();
    assert!(learned[700] <= PASS, "{} ns at the 70th percentile", learned[700]);
    assert!(learned[999] <= 60 * US, "{} ns at most", learned[999]);
    // Less than a tenth of the time is spun, and one pass follows each request.
    assert!((run.yields.get() - 2000) * PASS < 2000 * MS / 10, "{} passes", run.yields.get());
}

#[test]
fn a_timer_that_fires_early_sends_nothing_early() {
    for spin in [Spin::Never, Spin::Auto] {
        let run = simulation(MS, 100, |i| if i % 2 == 0 { -(300 * US as i64) } else { 0 }).run(spin);
        let lags = run.lags();
        assert!(lags.len() == 100 && lags.iter().all(|lag| *lag <= PASS), "{lags:?}");
    }
}

#[test]
fn a_timer_that_fires_early_does_not_change_the_learned_latency() {
    // Nine of ten timers fire early. If that were learned as no latency, each tenth would be set too late.
    let run = simulation(MS, 1000, |i| if i % 10 < 9 { -(500 * US as i64) } else { 40 * US as i64 }).run(Spin::Auto);
    let late = run.lags().into_iter().skip(500).filter(|lag| *lag > PASS).count();
    assert!(late < 150, "{late} of 500");
}

#[test]
fn the_wake_flag_interrupts_a_wait_for_a_connection() {
    // One connection, and a response after 2.5 ms: each request but the first is sent by the response before it.
    let run = Simulation { connections: Cell::new(1), service: 2500 * US, ..simulation(MS, 3, |_| 0) }.run(Spin::Never);
    let sent: Vec<u64> = run.sent.borrow().iter().map(|(_, sent)| *sent).collect();
    assert_eq!(sent, [1000 * US, 3500 * US, 6000 * US]);
}

#[test]
fn a_response_does_not_interrupt_a_wait_for_a_due_time() {
    let run = Simulation { service: 500 * US, ..simulation(MS, 100, |_| 0) }.run(Spin::Never);
    assert_eq!(run.lags(), [0; 100]);
    // One timer per request, and one for the drain.
    assert_eq!(run.timers_set.get(), 101);
}

#[test]
fn the_run_ends_with_the_last_response_or_with_the_drain() {
    let run = Simulation { service: 40 * MS, ..simulation(MS, 10, |_| 0) }.run(Spin::Auto);
    assert_eq!(run.now.get(), 50 * MS);
    let run = Simulation { service: u64::MAX / 2, drain_end: 90 * MS, ..simulation(MS, 10, |_| 0) }.run(Spin::Auto);
    assert_eq!((run.now.get(), run.responses_at.borrow().len()), (90 * MS, 10));
}

#[test]
fn a_stop_ends_the_run_at_once() {
    for spin in [Spin::Never, Spin::Auto, Spin::Always] {
        let run = Simulation { stops_at: 5500 * US, ..simulation(MS, 1000, |_| 0) }.run(spin);
        assert_eq!((run.now.get(), run.sent.borrow().len()), (5500 * US, 5), "{spin:?}");
    }
}

#[test]
fn a_slow_sender_does_not_starve_the_other_tasks() {
    // A request is due every 10 us, and takes 300 us to send.
    let run = Simulation { send_cost: 300 * US, service: MS, ..simulation(10 * US, 500, |_| 0) }.run(Spin::Auto);
    assert_eq!(run.sent.borrow().len(), 500);
    assert!(run.longest_burst.get() <= MAX_BURST.0 + 300 * US, "{}", run.longest_burst.get());
}

#[test]
fn always_spinning_never_sets_the_timer() {
    let run = simulation(MS, 100, |_| unreachable!("it sleeps")).run(Spin::Always);
    assert!(run.lags().iter().all(|lag| *lag <= PASS));
    assert_eq!(run.timers_set.get(), 0);
}

#[test]
fn with_slack_requests_that_are_due_within_it_are_sent_together() {
    // A request is due every 250 us: five are sent in each wake-up.
    let run = Simulation { slack: MS, ..simulation(250 * US, 1000, |_| 0) }.run(Spin::Auto);
    let lags = run.lags();
    assert_eq!(lags[..6], [1000 * US, 750 * US, 500 * US, 250 * US, 0, 1000 * US]);
    assert_eq!((lags.len(), lags.iter().max()), (1000, Some(&MS)));
    // One timer for each five requests.
    assert_eq!(run.timers_set.get(), 200);
}

#[test]
fn responses_that_may_be_read_late_do_not_wake_the_pacer() {
    // A response takes 100 us, and a request is due every 250 us.
    let late = Simulation { slack: MS, reads_late: true, service: 100 * US, ..simulation(250 * US, 1000, |_| 0) };
    let run = late.run(Spin::Auto);
    let lags = run.lags();
    assert_eq!(lags.len(), 1000);
    assert!(lags.iter().all(|lag| *lag <= MS + PASS), "{lags:?}");
    // One wake-up for four requests and their responses. The timer is set for the first request and for the drain.
    assert!(run.blocks.get() <= 250 && run.timers_set.get() == 2, "{} {}", run.blocks.get(), run.timers_set.get());
}

#[test]
fn without_a_request_in_flight_the_pacer_never_blocks() {
    let run = Simulation { slack: MS, reads_late: true, ..simulation(10 * MS, 100, |_| 0) }.run(Spin::Auto);
    assert_eq!((run.blocks.get(), run.lags()), (0, vec![MS; 100]));
}

#[test]
fn a_response_is_read_no_later_than_the_slack() {
    // The next request is due long after the response.
    let run =
        Simulation { slack: MS, reads_late: true, service: 3 * MS, ..simulation(50 * MS, 2, |_| 0) }.run(Spin::Auto);
    assert!((3..=4).contains(&(run.blocks.get())), "{}", run.blocks.get());
}
