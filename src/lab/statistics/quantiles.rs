//! Distribution functions in closed form, and their inversion.

use std::f64::consts::{FRAC_2_PI, TAU};

/// The probability that a standard normal number is within `±z`, for `z` of at least 0.
///
/// Its Taylor series: Marsaglia, "Evaluating the Normal Distribution", J. Stat. Software 11(4), 2004.
pub fn normal_central(z: f64) -> f64 {
    let (mut sum, mut term, mut odd) = (0.0, z, 1.0);
    while sum + term != sum {
        sum += term;
        odd += 2.0;
        term *= z * z / odd;
    }
    2.0 * sum * (-z * z / 2.0).exp() / TAU.sqrt()
}

/// The probability that a number of Student's distribution with `freedom` degrees of freedom is within `±t`, for `t`
/// of at least 0.
///
/// Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
pub fn student_central(t: f64, freedom: u32) -> f64 {
    let (sin, cos) = (t / f64::from(freedom).sqrt()).atan().sin_cos();
    // The factors of one term over the previous are n/(n+1): even n for odd degrees of freedom, and the reverse.
    let odd = freedom % 2 == 1;
    let (mut sum, mut term, mut n) = (0.0, if odd { cos } else { 1.0 }, if odd { 2.0 } else { 1.0 });
    for _ in 0..freedom / 2 {
        sum += term;
        term *= cos * cos * n / (n + 1.0);
        n += 2.0;
    }
    if odd { FRAC_2_PI * ((t / f64::from(freedom).sqrt()).atan() + sin * sum) } else { sin * sum }
}

/// The probability of at most `count` events where `mean` (at least 0) are expected: the Poisson distribution.
///
/// The terms are summed from the greatest one on, in both directions, until they no longer count.
pub fn poisson_at_most(count: u64, mean: f64) -> f64 {
    let greatest = count.min(mean as u64);
    let first = match greatest {
        0 => (-mean).exp(),
        n => (n as f64 * mean.ln() - mean - log_factorial(n)).exp(),
    };
    let (mut sum, mut term) = (first, first);
    for i in (1..=greatest).rev() {
        term *= i as f64 / mean;
        if sum + term == sum {
            break;
        }
        sum += term;
    }
    term = first;
    for i in greatest + 1..=count {
        term *= mean / i as f64;
        if sum + term == sum {
            break;
        }
        sum += term;
    }
    sum
}

/// ln n!, by Stirling's series from 16 on: Abramowitz and Stegun, 6.1.41. Its error is below 1e-11.
fn log_factorial(n: u64) -> f64 {
    if n < 16 {
        return (2..=n).map(|i| i as f64).product::<f64>().ln();
    }
    let n = n as f64;
    n * n.ln() - n + (TAU * n).ln() / 2.0 + 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5))
}

/// The `x` of at least 0 at which the increasing function `f` reaches `target`, by bisection to the last digit.
/// `f` must reach it.
pub fn solve_increasing(f: impl Fn(f64) -> f64, target: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while f(high) < target {
        (low, high) = (high, 2.0 * high);
    }
    loop {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        if f(middle) < target { low = middle } else { high = middle }
    }
}
