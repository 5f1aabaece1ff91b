//! The mean of a series whose neighbours depend on each other.

use super::interval::{Confidence, Estimate};

/// How many batches a series is cut into.
pub const BATCHES: usize = 10;

/// The mean of at least [`BATCHES`] samples of a steady series, with its interval; `None` for fewer.
///
/// The series is cut into ten batches of equal length, whose means are nearly independent; the remainder is left out at
/// the start. The interval is Student's for the mean of the batch means: Law and Carson, "A Sequential Procedure for
/// Determining the Length of a Steady-State Simulation", Operations Research 27 (1979).
pub fn batch_means(samples: &[f64], confidence: Confidence) -> Option<Estimate> {
    let len = samples.len() / BATCHES;
    if len == 0 {
        return None;
    }
    let used = &samples[samples.len() - len * BATCHES..];
    let means: Vec<f64> = used.chunks_exact(len).map(|batch| batch.iter().sum::<f64>() / len as f64).collect();
    let mean = means.iter().sum::<f64>() / BATCHES as f64;
    let variance = means.iter().map(|batch| (batch - mean).powi(2)).sum::<f64>() / (BATCHES - 1) as f64;
    let margin = confidence.two_sided_t(BATCHES as u32 - 1) * (variance / BATCHES as f64).sqrt();
    Some(Estimate::within(mean, margin, confidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::RandomStream;

    #[test]
    fn the_interval_is_students_for_ten_batches() {
        let samples: Vec<f64> = (1..=10).map(f64::from).collect();
        let estimate = batch_means(&samples, Confidence::P95).unwrap();
        // The standard deviation of 1..=10 is 3.02765, and t is 2.26216.
        assert_eq!(estimate.value, 5.5);
        assert!((estimate.interval.high - 5.5 - 2.262157 * 3.027650 / 10f64.sqrt()).abs() < 1e-5, "{estimate:?}");
    }

    #[test]
    fn the_remainder_is_left_out_at_the_start() {
        let samples: Vec<f64> = (0..25).map(|i| if i < 5 { 1000.0 } else { 7.0 }).collect();
        let estimate = batch_means(&samples, Confidence::P95).unwrap();
        assert_eq!((estimate.value, estimate.interval.low, estimate.interval.high), (7.0, 7.0, 7.0));
        assert_eq!(batch_means(&samples[..9], Confidence::P95), None);
    }

    #[test]
    fn the_interval_covers_the_mean_of_a_correlated_series() {
        // Each sample is half the one before and half new, around 0.5.
        let mut random = RandomStream::new(5, 0);
        let covered = (0..1000)
            .filter(|_| {
                let mut last = 0.5;
                let samples: Vec<f64> = std::iter::repeat_with(|| {
                    last = 0.5 * last + 0.5 * random.draw_unit();
                    last
                })
                .take(400)
                .collect();
                batch_means(&samples, Confidence::P90).unwrap().interval.contains(0.5)
            })
            .count();
        assert!((870..=920).contains(&covered), "{covered}");
    }
}
