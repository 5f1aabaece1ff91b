//! How the pacer waits for a due time. The kernel wakes a sleeping thread late, by the time that an idle core needs to
//! wake up. So the timer is set earlier by the learned wake-up latency, and the pacer spins for the rest. Pure: instants
//! are arguments.

use crate::load::plan::Spin;
use crate::units::{Instant, Time};

/// How to wait for an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Run the other tasks, and read the clock again.
    Spin,
    /// Sleep until this instant.
    Sleep(Instant),
}

/// Learns the wake-up latency of the machine, and keeps spinning within its CPU budget.
///
/// Spinning is charged by wall time from the first spin to the next send. Responses that are handled in between are
/// charged too, so that a busy thread spins less.
#[derive(Debug)]
pub struct SpinPolicy {
    spin: Spin,
    /// The learned wake-up latency, in ns: the share [`IN_TIME`] of the timers fires no later than this.
    latency_ns: f64,
    /// The time that may still be spent on spinning, in ns. Negative after too much of it.
    credit_ns: f64,
    /// The credit is earned up to this instant.
    earned_until: Instant,
    /// The start of the current spin, which is not charged to the credit yet.
    spinning_since: Option<Instant>,
}

/// The share of timers that should fire before the due time. A greater share would cost more CPU time than it gains.
const IN_TIME: f64 = 0.8;
/// The same share when the budget is used up. A timer that fires as early as the earliest tenth costs almost nothing.
const IN_TIME_WITHOUT_CREDIT: f64 = 0.1;
/// The share of a core that may be spent on spinning.
const BUDGET: f64 = 0.1;
/// The most credit that can be saved up, in ns.
const MAX_CREDIT_NS: f64 = 5e6;
/// The greatest latency that is spun over, in ns. A core that wakes up later was busy with other work.
const MAX_LATENCY_NS: f64 = 200e3;
/// The latency to begin with, in ns: that of an idle core of a virtual machine.
const INITIAL_LATENCY_NS: f64 = 50e3;

impl SpinPolicy {
    /// With some `slack`, a request may be sent late, and spinning gains nothing: `auto` is `never` then.
    pub fn new(spin: Spin, slack: Time) -> SpinPolicy {
        SpinPolicy {
            spin: if spin == Spin::Auto && slack > Time::ZERO { Spin::Never } else { spin },
            latency_ns: INITIAL_LATENCY_NS,
            credit_ns: MAX_CREDIT_NS,
            earned_until: Instant::START,
            spinning_since: None,
        }
    }

    /// How to wait at `now` for `due`. Spins only if `exact`: where each microsecond of the wait is send lag.
    pub fn choose_wait(&mut self, now: Instant, due: Instant, exact: bool) -> Wait {
        match self.spin {
            Spin::Always => return Wait::Spin,
            Spin::Never => return Wait::Sleep(due),
            Spin::Auto => self.charge(now),
        }
        let latency = Time(self.latency_ns as u64);
        if exact && due.since(now) > latency {
            return Wait::Sleep(due.minus(latency));
        }
        if !exact || self.credit_ns <= 0.0 {
            return Wait::Sleep(due);
        }
        self.spinning_since = Some(now);
        Wait::Spin
    }

    /// Learns from a timer that was set to `at` and woke the pacer at `now`.
    pub fn learn_latency(&mut self, at: Instant, now: Instant) {
        // A quantile estimate by stochastic approximation (Robbins and Monro), in steps of a 20th of the estimate.
        let step = self.latency_ns / 20.0;
        let latency_ns = (now.since(at).0 as f64).min(MAX_LATENCY_NS);
        let credit = (self.credit_ns / MAX_CREDIT_NS).clamp(0.0, 1.0);
        let in_time = IN_TIME_WITHOUT_CREDIT + (IN_TIME - IN_TIME_WITHOUT_CREDIT) * credit;
        self.latency_ns += if latency_ns > self.latency_ns { step * in_time } else { -step * (1.0 - in_time) };
        self.latency_ns = self.latency_ns.clamp(1e3, MAX_LATENCY_NS);
    }

    /// Charges the time since the first spin to the credit. The work that follows is free.
    pub fn charge(&mut self, now: Instant) {
        let spent = self.spinning_since.take().map_or(0, |since| now.since(since).0);
        let earned = BUDGET * now.since(self.earned_until).0 as f64;
        self.earned_until = now;
        self.credit_ns = (self.credit_ns + earned - spent as f64).min(MAX_CREDIT_NS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: u64 = 1000;

    /// A pacer with a request due every `gap`, on a machine with the wake-up latency that `latency` gives. It reads the
    /// clock once a microsecond while it spins. Returns the send lags, and the share of time that it spun.
    fn pace(spin: Spin, gap: u64, count: u64, mut latency: impl FnMut(u64) -> u64) -> (Vec<u64>, f64) {
        let (mut policy, mut now, mut spun) = (SpinPolicy::new(spin, Time::ZERO), 0, 0);
        let lags = (1..=count).map(|i| {
            let due = i * gap;
            while now < due {
                match policy.choose_wait(Instant(now), Instant(due), true) {
                    Wait::Spin => {
                        now += US;
                        spun += US;
                    }
                    Wait::Sleep(at) => {
                        now = now.max(at.0) + latency(i);
                        policy.learn_latency(at, Instant(now));
                    }
                }
            }
            now - due
        });
        let lags = lags.collect();
        (lags, spun as f64 / now as f64)
    }

    /// The median of the second half, when the latency is learned.
    fn median(mut lags: Vec<u64>) -> u64 {
        let mut learned = lags.split_off(lags.len() / 2);
        learned.sort_unstable();
        learned[learned.len() / 2]
    }

    /// Between 20 and 100 us, most of them below 50.
    fn latency(i: u64) -> u64 {
        let share = (i * 7919 % 1000) as f64 / 1000.0;
        20 * US + (80e3 * share.powi(3)) as u64
    }

    #[test]
    fn at_a_low_rate_requests_are_sent_in_time_for_little_cpu() {
        let (lags, spun) = pace(Spin::Auto, 500 * US, 20_000, latency);
        assert!(median(lags) <= US, "spun for {spun}");
        assert!(spun < 0.1, "{spun}");
        let (lags, spun) = pace(Spin::Never, 500 * US, 20_000, latency);
        assert_eq!((median(lags) / (10 * US), spun), (3, 0.0));
    }

    #[test]
    fn spinning_stays_within_its_budget_at_a_high_rate() {
        let (lags, spun) = pace(Spin::Auto, 50 * US, 200_000, latency);
        assert!((0.08..0.101).contains(&spun), "{spun}");
        assert!(lags.iter().all(|lag| *lag <= 100 * US));
        let (never, _) = pace(Spin::Never, 50 * US, 200_000, latency);
        assert!(median(lags) * 2 < median(never));
        let (lags, _) = pace(Spin::Always, 50 * US, 1000, |_| 0);
        assert_eq!(median(lags), 0);
    }

    #[test]
    fn the_learned_latency_follows_the_machine() {
        let (lags, spun) = pace(Spin::Auto, 1000 * US, 20_000, |i| if i < 10_000 { 90 * US } else { 5 * US });
        assert!(median(lags) <= US);
        assert!(spun < 0.05, "{spun}");
    }

    #[test]
    fn a_wait_for_a_connection_is_not_spun() {
        let mut policy = SpinPolicy::new(Spin::Auto, Time::ZERO);
        assert_eq!(policy.choose_wait(Instant::START, Instant(US), false), Wait::Sleep(Instant(US)));
        assert_eq!(policy.choose_wait(Instant::START, Instant(US), true), Wait::Spin);
    }

    #[test]
    fn with_slack_nothing_is_spun() {
        let mut policy = SpinPolicy::new(Spin::Auto, Time(US));
        assert_eq!(policy.choose_wait(Instant::START, Instant(US), true), Wait::Sleep(Instant(US)));
    }
}
