//! The stable rate from one stuck run: what a stuck system still completes is what it can complete.

use super::batch_means::{BATCHES, batch_means};
use super::interval::{Confidence, Estimate};
use crate::units::Time;

/// The largest share of ended requests that clients may have abandoned. Work on abandoned requests is lost, and so the
/// estimate is too low by about this share.
const MAX_ABANDONED: f64 = 0.01;

/// What ended in one bin of a stuck run, by the end of each request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StuckBin {
    /// Successes, however late.
    pub successes: u64,
    /// Requests that their clients gave up.
    pub abandoned: u64,
    /// Requests due and not ended, at the end of the bin.
    pub backlog: u64,
}

/// Why the throughput of a stuck system is not its stable rate.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NoStuckThroughput {
    #[error("the system was stuck for {bins} bins, and at least {BATCHES} are needed. Observe for longer")]
    TooShort { bins: usize },
    #[error("the system had no backlog at times, so its throughput was that of the load")]
    NoBacklog,
    #[error("clients abandoned {:.0} % of the requests, and work on those is not in the throughput", 100.0 * share)]
    Abandoned { share: f64 },
    #[error("nothing succeeded while the system was stuck")]
    NoSuccesses,
}

/// The stable rate in requests/s: the successes per second while the system is stuck with a backlog, by batch means.
/// All bins have the same `width`, which is above 0.
///
/// With a backlog the system always has work, so it completes requests at the largest rate that the sustaining effect
/// leaves it. At a larger load the backlog grows for ever; at a smaller one it drains.
pub fn stuck_throughput(bins: &[StuckBin], width: Time, confidence: Confidence) -> Result<Estimate, NoStuckThroughput> {
    let sum = |of: fn(&StuckBin) -> u64| bins.iter().map(of).sum::<u64>() as f64;
    let (successes, abandoned) = (sum(|bin| bin.successes), sum(|bin| bin.abandoned));
    let share = crate::stats::ratio(abandoned, successes + abandoned);
    if bins.iter().any(|bin| bin.backlog == 0) {
        return Err(NoStuckThroughput::NoBacklog);
    }
    if share > MAX_ABANDONED {
        return Err(NoStuckThroughput::Abandoned { share });
    }
    let rates: Vec<f64> = bins.iter().map(|bin| bin.successes as f64 / width.as_secs_f64()).collect();
    let estimate = batch_means(&rates, confidence).ok_or(NoStuckThroughput::TooShort { bins: bins.len() })?;
    if successes == 0.0 { Err(NoStuckThroughput::NoSuccesses) } else { Ok(estimate) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(successes: u64) -> StuckBin {
        StuckBin { successes, abandoned: 0, backlog: 2900 }
    }

    fn of(bins: &[StuckBin]) -> Result<Estimate, NoStuckThroughput> {
        stuck_throughput(bins, Time::from_millis(500), Confidence::P90)
    }

    #[test]
    fn the_stable_rate_is_the_mean_of_the_successes_per_second() {
        // Ten batches of two bins: 61 and 63, or 59 and 61 successes in half a second, so 124 and 120 per second.
        let bins: Vec<StuckBin> = [61, 63, 59, 61].repeat(5).into_iter().map(bin).collect();
        let Estimate { value, interval } = of(&bins).unwrap();
        assert!((value - 122.0).abs() < 1e-9, "{value}");
        // t(9) = 1.8331, and the standard deviation of ten numbers that are 2 from their mean is 2.1082.
        assert!((interval.high - 122.0 - 1.8331 * 2.1082 / 10f64.sqrt()).abs() < 1e-3, "{interval:?}");
    }

    #[test]
    fn the_throughput_of_other_systems_is_not_their_stable_rate() {
        let stuck = [bin(60); 20];
        assert_eq!(of(&stuck[..9]), Err(NoStuckThroughput::TooShort { bins: 9 }));
        assert_eq!(of(&[]), Err(NoStuckThroughput::TooShort { bins: 0 }));
        assert_eq!(of(&[bin(0); 20]), Err(NoStuckThroughput::NoSuccesses));
        let mut drained = stuck;
        drained[7].backlog = 0;
        assert_eq!(of(&drained), Err(NoStuckThroughput::NoBacklog));
        let abandoned = stuck.map(|bin| StuckBin { abandoned: 20, ..bin });
        assert_eq!(of(&abandoned), Err(NoStuckThroughput::Abandoned { share: 0.25 }));
        let mut few_abandoned = stuck;
        few_abandoned[0].abandoned = 12;
        assert!(of(&few_abandoned).is_ok());
    }

    #[test]
    fn reasons_say_what_to_do() {
        let text = [
            NoStuckThroughput::TooShort { bins: 9 }.to_string(),
            NoStuckThroughput::Abandoned { share: 0.25 }.to_string(),
        ];
        assert_eq!(text[0], "the system was stuck for 9 bins, and at least 10 are needed. Observe for longer");
        assert_eq!(text[1], "clients abandoned 25 % of the requests, and work on those is not in the throughput");
    }
}
