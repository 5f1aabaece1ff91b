//! How the pacer gets to an instant in time. The kernel wakes a sleeper late, by what it takes to rouse a core; so the
//! alarm is set earlier by as much, and what is then left is spent awake. Pure: instants come in as arguments, in ns.

use crate::load::plan::Spin;
use crate::units::{Instant, Time};

/// What to do until an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Stay awake, and look again.
    Awake,
    /// Sleep to this instant, and look again.
    Asleep(Instant),
}

/// Learns how late alarms ring, and keeps account of the time from one look to the next that was spent awake: what came
/// and went in between counts too, so that a busy thread spins less.
#[derive(Debug)]
pub struct SpinPolicy {
    spin: Spin,
    /// As many alarms as are to ring in time ring no later than this.
    late: f64,
    /// Time that may still be spent awake; less than nothing where too much was.
    credit: f64,
    /// Until when it was earned.
    seen: Instant,
    /// Since when it is spent.
    awake_since: Option<Instant>,
}

/// Of the alarms, so many are to ring before it is too late: more cost more time awake than they gain.
const IN_TIME: f64 = 0.8;
/// And so few where all is spent that may be: what rings as early as hardly any does costs next to nothing.
const FEWEST_IN_TIME: f64 = 0.1;
/// What may be spent awake: a tenth of a core, with some of it saved up.
const BUDGET: f64 = 0.1;
const SAVED: f64 = 5e6;
/// A core that was roused this late was busy with something else, which is not to be waited for.
const LATEST: f64 = 200e3;
/// As idle cores of virtual machines do.
const BEGIN: f64 = 50e3;

impl SpinPolicy {
    pub fn new(spin: Spin) -> SpinPolicy {
        SpinPolicy { spin, late: BEGIN, credit: SAVED, seen: Instant::START, awake_since: None }
    }

    /// What to do at `now` to be there at `due`; `exact` where every us counts.
    pub fn until(&mut self, now: Instant, due: Instant, exact: bool) -> Wait {
        match self.spin {
            Spin::Always => return Wait::Awake,
            Spin::Never => return Wait::Asleep(due),
            Spin::Auto => self.settle(now),
        }
        let lead = Time(self.late as u64);
        if exact && due.since(now) > lead {
            return Wait::Asleep(due.minus(lead));
        }
        if !exact || self.credit <= 0.0 {
            return Wait::Asleep(due);
        }
        self.awake_since = Some(now);
        Wait::Awake
    }

    /// The alarm for `at` rang, and it is `now`.
    pub fn rang(&mut self, at: Instant, now: Instant) {
        // The estimate of a quantile that Robbins and Monro's method gives, in steps of a 20th of itself.
        let step = self.late / 20.0;
        let late = (now.since(at).0 as f64).min(LATEST);
        let in_time = FEWEST_IN_TIME + (IN_TIME - FEWEST_IN_TIME) * (self.credit / SAVED).clamp(0.0, 1.0);
        self.late += if late > self.late { step * in_time } else { -step * (1.0 - in_time) };
        self.late = self.late.clamp(1e3, LATEST);
    }

    /// Pays for what was spent awake until `now`; what comes from there on is work, and costs nothing.
    pub fn settle(&mut self, now: Instant) {
        let spent = self.awake_since.take().map_or(0, |since| now.since(since).0);
        let earned = BUDGET * now.since(self.seen).0 as f64;
        self.seen = now;
        self.credit = (self.credit + earned - spent as f64).min(SAVED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: u64 = 1000;

    /// A pacer that has something due every `gap`, on a machine whose alarms ring late by what `late` says, and that looks
    /// at its clock once a us while it is awake. How late it was each time, and the share of time it was awake for nothing.
    fn pace(spin: Spin, gap: u64, count: u64, mut late: impl FnMut(u64) -> u64) -> (Vec<u64>, f64) {
        let (mut lead, mut now, mut awake) = (SpinPolicy::new(spin), 0, 0);
        let lags = (1..=count).map(|i| {
            let due = i * gap;
            while now < due {
                match lead.until(Instant(now), Instant(due), true) {
                    Wait::Awake => {
                        now += US;
                        awake += US;
                    }
                    Wait::Asleep(at) => {
                        now = now.max(at.0) + late(i);
                        lead.rang(at, Instant(now));
                    }
                }
            }
            now - due
        });
        let lags = lags.collect();
        (lags, awake as f64 / now as f64)
    }

    /// Those of the second half, when it has learnt.
    fn median(mut lags: Vec<u64>) -> u64 {
        let mut learnt = lags.split_off(lags.len() / 2);
        learnt.sort_unstable();
        learnt[learnt.len() / 2]
    }

    /// Between 20 and 100 us, most of them below 50.
    fn late(i: u64) -> u64 {
        let share = (i * 7919 % 1000) as f64 / 1000.0;
        20 * US + (80e3 * share.powi(3)) as u64
    }

    #[test]
    fn what_is_due_now_and_then_goes_in_time_and_little_is_spent() {
        let (lags, awake) = pace(Spin::Auto, 500 * US, 20_000, late);
        assert!(median(lags) <= US, "awake for {awake}");
        assert!(awake < 0.1, "{awake}");
        let (lags, awake) = pace(Spin::Never, 500 * US, 20_000, late);
        assert_eq!((median(lags) / (10 * US), awake), (3, 0.0));
    }

    #[test]
    fn no_more_than_the_budget_is_spent_however_much_is_due() {
        let (lags, awake) = pace(Spin::Auto, 50 * US, 200_000, late);
        assert!((0.08..0.101).contains(&awake), "{awake}");
        assert!(lags.iter().all(|lag| *lag <= 100 * US));
        let (never, _) = pace(Spin::Never, 50 * US, 200_000, late);
        assert!(median(lags) * 2 < median(never));
        let (lags, _) = pace(Spin::Always, 50 * US, 1000, |_| 0);
        assert_eq!(median(lags), 0);
    }

    #[test]
    fn it_follows_a_machine_that_changes() {
        let (lags, awake) = pace(Spin::Auto, 1000 * US, 20_000, |i| if i < 10_000 { 90 * US } else { 5 * US });
        assert!(median(lags) <= US);
        assert!(awake < 0.05, "{awake}");
    }

    #[test]
    fn where_nothing_is_due_it_sleeps() {
        let mut lead = SpinPolicy::new(Spin::Auto);
        assert_eq!(lead.until(Instant::START, Instant(US), false), Wait::Asleep(Instant(US)));
        assert_eq!(lead.until(Instant::START, Instant(US), true), Wait::Awake);
    }
}
