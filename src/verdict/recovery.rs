//! The search for the recovery after a fault.

use super::bins::Bin;
use super::thresholds::{BROKEN, HEALTHY};
use crate::plan::VerdictWindows;
use crate::units::{Instant, Time};

/// How a system recovered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovery {
    /// The start of the first good bin: t1 + tau.
    pub at: Instant,
    /// From the verified removal of the fault to the recovery.
    pub tau: Time,
    /// Goodput lost from t0 to the recovery: the sum of (1 - G/g0) x bin, in seconds of planned load.
    pub loss_seconds: f64,
    /// The same in requests.
    pub loss_requests: f64,
    /// How long the system was watched after the recovery window. Shorter than planned if arrivals ended before.
    pub watched: Time,
}

impl Recovery {
    /// The recovery at `at` of a fault that lasted from `t0` to `t1`, with what it cost.
    pub fn new(bins: &[Bin], g0: f64, (t0, t1): (Instant, Instant), at: Instant, watched: Time) -> Recovery {
        let lost = bins.iter().filter(|bin| bin.from >= t0 && bin.from < at);
        let (seconds, requests) = lost.fold((0.0, 0.0), |(seconds, requests), bin| {
            let share = 1.0 - bin.goodput() / g0;
            (seconds + share * bin.span().as_secs_f64(), requests + share * bin.scheduled as f64)
        });
        Recovery { at, tau: at.since(t1), loss_seconds: seconds.max(0.0), loss_requests: requests.max(0.0), watched }
    }
}

/// What the bins seen so far say about a recovery.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RecoveryState {
    /// Recovered at `at`. `complete` once the system was watched for as long as planned.
    Recovered {
        at: Instant,
        watched: Time,
        complete: bool,
    },
    /// Goodput is healthy since `at`, but not for the whole recovery window yet.
    Pending {
        at: Instant,
    },
    NotRecovered,
}

/// Finds the first bin that starts no later than `deadline` and from which goodput is healthy for the recovery window,
/// and not broken during the watch after it. `bins` are those from t1 on, of equal width.
pub fn find_recovery(bins: &[Bin], g0: f64, windows: VerdictWindows, deadline: Instant) -> RecoveryState {
    let count = |window: Time| window.0.div_ceil(windows.bin.0) as usize;
    let (recovery, watch) = (count(windows.recovery), count(windows.watch));
    let mut start = 0;
    while let Some(first) = bins.get(start) {
        if first.from > deadline {
            return RecoveryState::NotRecovered;
        }
        let window = &bins[start..bins.len().min(start + recovery)];
        if let Some(bad) = window.iter().rposition(|bin| bin.goodput() < HEALTHY * g0) {
            start += bad + 1;
            continue;
        }
        if window.len() < recovery {
            return RecoveryState::Pending { at: first.from };
        }
        let from = start + recovery;
        let watched = &bins[from..bins.len().min(from + watch)];
        match watched.iter().rposition(|bin| bin.goodput() < BROKEN * g0) {
            Some(bad) => start = from + bad + 1,
            None => {
                let complete = watched.len() == watch;
                let watched = watched.iter().fold(Time::ZERO, |sum, bin| sum.plus(bin.span()));
                return RecoveryState::Recovered { at: first.from, watched, complete };
            }
        }
    }
    RecoveryState::NotRecovered
}

/// How often goodput went all the way from broken to healthy or back.
pub fn count_swings(bins: &[Bin], g0: f64) -> usize {
    let healthy = bins.iter().filter_map(|bin| match bin.goodput() {
        g if g >= HEALTHY * g0 => Some(true),
        g if g <= BROKEN * g0 => Some(false),
        _ => None,
    });
    let healthy: Vec<bool> = healthy.collect();
    healthy.windows(2).filter(|pair| pair[0] != pair[1]).count()
}
