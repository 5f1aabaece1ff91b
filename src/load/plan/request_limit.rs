use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::LoadPlan;
use crate::units::{Instant, Time};

impl LoadPlan {
    /// The time in which exactly the first `count` requests are due, if it is no longer than that of the plan. As a round
    /// number where that is possible. `None` if fewer are due within the plan's duration.
    pub fn time_of_requests(&self, count: u64) -> Option<Time> {
        let mut threads: Vec<_> = (0..self.threads).map(|thread| self.schedule(thread)).collect();
        let mut due_of = |thread: usize| threads[thread].next().map_or(Instant::NEVER, |arrival| arrival.due);
        let mut heads: BinaryHeap<_> = (0..self.threads).map(|thread| Reverse((due_of(thread), thread))).collect();
        let (end, mut last) = (Instant::START.plus(self.duration), Instant::START);
        for _ in 0..count {
            let Reverse((due, thread)) = heads.pop().filter(|Reverse((due, _))| *due < end)?;
            heads.push(Reverse((due_of(thread), thread)));
            last = due;
        }
        let after = heads.peek().map_or(Instant::NEVER, |Reverse((due, _))| *due);
        let (last, after) = (last.since(Instant::START), after.since(Instant::START));
        Some(round_between(last, after.min(self.duration)))
    }
}

/// The roundest time above `low` and up to `high`. If the two are equal, it is 1 ns more.
fn round_between(low: Time, high: Time) -> Time {
    const STEPS: [u64; 4] = [1_000_000_000, 100_000_000, 1_000_000, 1_000];
    let rounded = STEPS.iter().map(|step| Time((low.0 / step + 1) * step)).find(|time| *time <= high);
    rounded.unwrap_or(high.max(low.plus(Time(1))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::ArrivalProcess;
    use crate::load::plan::LoadSettings;

    #[test]
    fn exactly_so_many_requests_are_due_in_the_time() {
        for (arrivals, threads, rate, count) in [
            (ArrivalProcess::Fixed, 1, 100.0, 1),
            (ArrivalProcess::Fixed, 2, 3.0, 7),
            (ArrivalProcess::Exp, 1, 1000.0, 100),
            (ArrivalProcess::Exp, 3, 50_000.0, 20_000),
            (ArrivalProcess::Zipf, 2, 10.0, 5),
        ] {
            let settings = LoadSettings {
                arrivals,
                threads,
                duration: Time::from_secs(3600),
                ..LoadSettings::new("http://h/", rate)
            };
            let time = LoadPlan::new(settings.clone()).unwrap().time_of_requests(count).unwrap();
            let plan = LoadPlan::new(LoadSettings { duration: time, ..settings }).unwrap();
            let due = |thread| plan.schedule(thread).count_before(Instant::START.plus(time));
            assert_eq!((0..threads).map(due).sum::<u64>(), count, "{arrivals:?}");
        }
    }

    #[test]
    fn the_time_is_a_round_number_and_no_longer_than_the_plan() {
        let plan = |rate: f64| LoadPlan::new(LoadSettings::new("http://h/", rate)).unwrap();
        assert_eq!(plan(100.0).time_of_requests(500), Some(Time::from_secs(5)));
        assert_eq!(plan(3.0).time_of_requests(4), Some(Time::from_millis(1100)));
        assert_eq!(plan(100.0).time_of_requests(1000), Some(Time::from_secs(10)));
        assert_eq!(plan(100.0).time_of_requests(1001), None);
    }
}
