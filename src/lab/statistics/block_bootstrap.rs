//! The interval of any statistic of a series whose neighbours depend on each other.

use super::interval::{Confidence, Interval};
use crate::arrivals::RandomStream;

/// A shorter series does not tell how much it varies.
pub const MIN_SAMPLES: usize = 10;

/// Resamples a series in blocks of neighbours, which keep their dependence: the circular block bootstrap of Politis and
/// Romano, "A circular block-resampling procedure for stationary data" (1992).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockBootstrap {
    count: usize,
    block: usize,
}

impl BlockBootstrap {
    /// Of a series of `count` samples. Blocks grow with its third root, the rate at which Bühlmann and Künsch, "Block length
    /// selection in the bootstrap for time series" (1999), choose them. `None` for a series that is too short.
    pub fn new(count: usize) -> Option<BlockBootstrap> {
        let block = (count as f64).cbrt().ceil() as usize;
        (count >= MIN_SAMPLES).then_some(BlockBootstrap { count, block })
    }

    /// How often each sample is in a new resample. A resample has as many samples as the series; blocks go over its end to
    /// its start.
    pub fn draw(&self, random: &mut RandomStream) -> Vec<u32> {
        let BlockBootstrap { count, block } = *self;
        let mut weights = vec![0; count];
        let mut left = count;
        while left > 0 {
            // A draw is below 1.
            let start = (random.draw_unit() * count as f64) as usize;
            let taken = block.min(left);
            (start..start + taken).for_each(|at| weights[at % count] += 1);
            left -= taken;
        }
        weights
    }
}

/// The interval that holds the middle of the replicates of a statistic: Efron's percentile interval. `None` without one.
pub fn find_percentile_interval(mut replicates: Vec<f64>, confidence: Confidence) -> Option<Interval> {
    replicates.sort_by(f64::total_cmp);
    let last = replicates.len().checked_sub(1)?;
    let outside = ((1.0 - confidence.as_share()) / 2.0 * last as f64) as usize;
    Some(Interval { low: replicates[outside], high: replicates[last - outside], confidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resample_has_blocks_of_neighbours() {
        let bootstrap = BlockBootstrap::new(100).unwrap();
        assert_eq!(bootstrap.block, 5);
        let weights = bootstrap.draw(&mut RandomStream::new(1, 0));
        assert_eq!((weights.len(), weights.iter().sum::<u32>()), (100, 100));
        let missing = weights.iter().filter(|weight| **weight == 0).count();
        // About 1/e of the blocks.
        assert!((25..=50).contains(&missing), "{missing}");
        assert_eq!(BlockBootstrap::new(MIN_SAMPLES - 1), None);
        // A block at the end goes on at the start.
        let short = BlockBootstrap { count: 10, block: 10 };
        assert_eq!(short.draw(&mut RandomStream::new(3, 0)), [1; 10]);
    }

    #[test]
    fn the_interval_leaves_out_both_tails() {
        let replicates = (0..=1000).rev().map(f64::from).collect();
        let interval = find_percentile_interval(replicates, Confidence::P95).unwrap();
        assert_eq!((interval.low, interval.high), (25.0, 975.0));
        assert_eq!(find_percentile_interval(Vec::new(), Confidence::P95), None);
    }

    /// Each sample is half the one before and half new, around 0.5. Intervals that ignore this hold the mean in 75 % of the
    /// cases.
    #[test]
    fn the_interval_covers_the_mean_of_a_correlated_series() {
        let (mut series, mut draws) = (RandomStream::new(5, 0), RandomStream::new(5, 1));
        let covers = |_: &i32| {
            let mut last = 0.5;
            let mut next = || {
                last = 0.5 * last + 0.5 * series.draw_unit();
                last
            };
            let samples: Vec<f64> = (0..200).map(|_| next()).collect();
            let bootstrap = BlockBootstrap::new(samples.len()).unwrap();
            let mean = |weights: Vec<u32>| {
                samples.iter().zip(weights).map(|(sample, weight)| sample * f64::from(weight)).sum::<f64>() / 200.0
            };
            let replicates = (0..200).map(|_| mean(bootstrap.draw(&mut draws))).collect();
            find_percentile_interval(replicates, Confidence::P90).unwrap().contains(0.5)
        };
        let covered = (0..300).filter(covers).count();
        assert!((240..=280).contains(&covered), "{covered} of 300");
    }
}
