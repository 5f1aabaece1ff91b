//! How long a campaign still takes, corrected by how long its runs took. Pure.

use super::outcome::RunOutcome;
use crate::units::Time;

/// How much longer runs take than strategies expect: the quotient of both sums over the valid runs. Strategies guess how
/// long the time without load and the report take. A run that was INVALID may have ended at any time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForecastCorrection(f64);

impl ForecastCorrection {
    pub fn of(runs: &[RunOutcome]) -> ForecastCorrection {
        let valid = || runs.iter().filter(|run| run.is_valid());
        let sum = |time: fn(&RunOutcome) -> Time| valid().map(|run| time(run).as_secs_f64()).sum::<f64>();
        let (expected, took) = (sum(|run| run.record.expected), sum(|run| run.record.took));
        // Earlier versions did not record this.
        ForecastCorrection(if expected > 0.0 && took > 0.0 { took / expected } else { 1.0 })
    }

    pub fn correct(self, expected: Time) -> Time {
        Time((self.0 * expected.0 as f64).round() as u64)
    }
}

/// The time left of a campaign, during a run. At its start `all` was left, and `expected` of it was this run's. A run that
/// takes longer than expected is taken to be at its last tenth.
pub fn find_time_left(all: Time, expected: Time, elapsed: Time) -> Time {
    let last_tenth = Time(elapsed.0 / 10);
    all.minus(expected).plus(expected.minus(elapsed).max(last_tenth))
}

#[cfg(test)]
mod tests {
    use super::super::outcome::RunRecord;
    use super::super::tests::{CELL, LATE, run, secs};
    use super::*;

    fn run_that_took(verdict: &str, expected: u64, took: u64) -> RunOutcome {
        let run = run(CELL, verdict, 0.0);
        let record = RunRecord { expected: secs(expected), took: secs(took), ..run.record };
        RunOutcome { record, ..run }
    }

    #[test]
    fn a_forecast_is_corrected_by_the_valid_runs() {
        let corrected = |runs: &[RunOutcome]| ForecastCorrection::of(runs).correct(secs(100));
        assert_eq!(corrected(&[]), secs(100));
        let (slow, fast) = (run_that_took("METASTABLE", 40, 60), run_that_took("RECOVERED", 40, 20));
        assert_eq!(corrected(std::slice::from_ref(&slow)), secs(150));
        assert_eq!(corrected(&[slow.clone(), fast]), secs(100));
        assert_eq!(corrected(&[slow, run_that_took(LATE, 40, 5)]), secs(150));
        assert_eq!(corrected(&[run_that_took("METASTABLE", 0, 0)]), secs(100), "not recorded");
    }

    #[test]
    fn the_time_left_does_not_end_before_the_run() {
        let left = |elapsed| find_time_left(secs(100), secs(40), secs(elapsed));
        assert_eq!([0, 30, 40, 50].map(left), [100, 70, 64, 65].map(secs));
    }
}
