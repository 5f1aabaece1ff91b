//! The retry storm in closed form: what its boundary should be.

use crate::units::Time;

/// A server that finishes work that nobody awaits, and clients that time out and retry at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryStorm {
    /// mu: how many attempts the server completes, per second.
    pub capacity: f64,
    /// T: how long a client waits for one attempt.
    pub timeout: Time,
    /// r: how many times a client retries.
    pub retries: u32,
}

impl RetryStorm {
    /// lambda_stable = mu / (1 + r), in requests/s. Below it the system recovers from every outage, because even
    /// 1 + r attempts per request are fewer than the server completes.
    pub fn stable_rate(&self) -> f64 {
        self.capacity / (1.0 + f64::from(self.retries))
    }

    /// D*: the shortest outage that tips the system at `rate` (requests/s). `None` if none does.
    ///
    /// An outage of D leaves `rate * sum_{j=0..r} max(0, D - jT)` attempts behind. If the server needs more than T for
    /// them, the attempts that follow time out too: D* solves `rate * sum_{j=0..r} max(0, D - jT) = mu T`. The queue of
    /// the server must hold more than mu T attempts.
    pub fn tipping_outage(&self, rate: f64) -> Option<Time> {
        // Not `<=`, so that a rate that is not a number has no outage either.
        if !(rate > self.stable_rate() && rate.is_finite()) {
            return None;
        }
        let timeout = self.timeout.as_secs_f64();
        let attempts_needed = self.capacity * timeout / rate;
        // With m attempts under way (j = 0..m-1) the sum is m D - T m(m-1)/2, for D from (m-1) T to m T.
        let outage = |m: f64| (attempts_needed + timeout * m * (m - 1.0) / 2.0) / m;
        let attempts = 1 + self.retries;
        let m = (1..attempts).find(|&m| outage(f64::from(m)) <= f64::from(m) * timeout).unwrap_or(attempts);
        Some(Time((outage(f64::from(m)) * 1e9).round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The retry storm of the testbed: 4 workers of 10 ms each.
    const TESTBED: RetryStorm = RetryStorm { capacity: 400.0, timeout: Time::from_millis(200), retries: 2 };

    #[test]
    fn the_stable_rate_is_the_capacity_over_the_attempts_per_request() {
        assert!((TESTBED.stable_rate() - 133.333).abs() < 1e-3);
    }

    #[test]
    fn the_tipping_outage_of_the_testbed() {
        for (rate, ms) in [
            // One attempt per request: 400 * 0.2 / 500 s.
            (500.0, 160),
            (400.0, 200),
            // Two attempts: (0.4 + 0.2) / 2 s.
            (200.0, 300),
            // Three: (0.5 + 0.6) / 3 s lies below 2 T, so it is (0.5 + 0.2) / 2 s.
            (160.0, 350),
        ] {
            assert_eq!(TESTBED.tipping_outage(rate), Some(Time::from_millis(ms)), "{rate}");
        }
    }

    #[test]
    fn the_last_attempts_have_no_end() {
        // Without retries every outage counts in full: D* = mu T / rate, beyond T where the rate is below mu.
        let single = RetryStorm { retries: 0, ..TESTBED };
        assert_eq!(single.tipping_outage(401.0).unwrap(), Time(199_501_247));
        // Three attempts at 100/s, of a slower server: (0.6 + 0.6) / 3 s is exactly 2 T.
        let slower = RetryStorm { capacity: 299.999, ..TESTBED };
        assert!((slower.tipping_outage(100.0).unwrap().as_secs_f64() - 0.4).abs() < 1e-5);
    }

    #[test]
    fn no_outage_tips_below_the_stable_rate() {
        for rate in [0.0, 100.0, 133.3, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(TESTBED.tipping_outage(rate), None, "{rate}");
        }
    }

    proptest! {
        #[test]
        fn the_tipping_outage_solves_its_equation(
            rate in 1.0..2000.0f64, capacity in 10.0..2000.0f64, timeout_ms in 1u64..5000, retries in 0u32..6
        ) {
            let timeout = Time::from_millis(timeout_ms);
            let storm = RetryStorm { capacity, timeout, retries };
            match storm.tipping_outage(rate) {
                None => prop_assert!(rate <= storm.stable_rate()),
                Some(outage) => {
                    let left = |j: u32| outage.as_secs_f64() - f64::from(j) * timeout.as_secs_f64();
                    let attempts = rate * (0..=retries).map(|j| left(j).max(0.0)).sum::<f64>();
                    prop_assert!((attempts / (capacity * timeout.as_secs_f64()) - 1.0).abs() < 1e-5);
                }
            }
        }
    }
}
