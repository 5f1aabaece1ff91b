use crate::arrivals::{Arrival, ArrivalProcess, Arrivals, Rate, ThreadShare};
use crate::plan::ExperimentPlan;
use crate::units::Instant;

/// The due times that a plan has produced so far. A request in flight has no record yet, but it counts as scheduled.
#[derive(Clone, Debug)]
pub struct DueTimes {
    threads: Vec<std::iter::Peekable<Arrivals>>,
    due: Vec<Instant>,
}

impl DueTimes {
    /// The due times of the plan's load, from its start.
    pub fn of(plan: &ExperimentPlan) -> DueTimes {
        let load = plan.load();
        DueTimes::new(load.arrivals, plan.rate(), load.seed, load.threads)
    }

    pub fn new(process: ArrivalProcess, rate: &Rate, seed: u64, threads: usize) -> DueTimes {
        let threads = arrivals_of_threads(process, rate, seed, threads).map(Iterator::peekable).collect();
        DueTimes { threads, due: Vec::new() }
    }

    /// How many requests the plan's load makes due before `end`.
    pub fn count(plan: &ExperimentPlan, end: Instant) -> u64 {
        let load = plan.load();
        let arrivals = arrivals_of_threads(load.arrivals, plan.rate(), load.seed, load.threads);
        arrivals.map(|arrivals| arrivals.count_before(end)).sum()
    }

    /// All due times before `end`, in no order. `end` must not decrease from one call to the next.
    pub fn until(&mut self, end: Instant) -> &[Instant] {
        for thread in &mut self.threads {
            while let Some(Arrival { due, .. }) = thread.next_if(|arrival| arrival.due < end) {
                self.due.push(due);
            }
        }
        &self.due
    }
}

fn arrivals_of_threads(
    process: ArrivalProcess,
    rate: &Rate,
    seed: u64,
    threads: usize,
) -> impl Iterator<Item = Arrivals> {
    let threads = threads as u64;
    (0..threads).map(move |thread| Arrivals::new(process, rate, seed, ThreadShare::new(thread, threads)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_without_records_are_included() {
        let second = |s: u64| Instant(s * 1_000_000_000);
        let mut due_times = DueTimes::new(ArrivalProcess::Fixed, &Rate::constant(100.0), 1, 3);
        assert_eq!(due_times.until(second(1)).len(), 100);
        assert_eq!(due_times.until(second(1)).len(), 100);
        assert_eq!(due_times.until(second(2)).len(), 200);
        assert!(due_times.until(second(2)).iter().all(|&due| due < second(2)));
    }
}
