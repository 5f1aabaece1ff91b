use super::{BROKEN, HEALTHY};
use crate::plan::Windows;
use crate::verdict::goodput::Bin;

/// A system that came back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovery {
    /// When: the start of the first good bin, t1 + tau, in ns on the run's clock.
    pub at: u64,
    /// From the verified removal of the fault, in ns.
    pub tau: u64,
    /// Goodput lost from t0 until then: the sum of (1 - G/g0) x bin, in seconds of planned load.
    pub loss_seconds: f64,
    /// The same in requests.
    pub loss_requests: f64,
    /// For how long it was watched after its recovery window: less than planned where arrivals ended before, in ns.
    pub watched: u64,
}

impl Recovery {
    pub fn new(bins: &[Bin], g0: f64, t0: u64, t1: u64, at: u64, watched: u64) -> Recovery {
        let lost = bins.iter().filter(|bin| bin.from >= t0 && bin.from < at);
        let (seconds, requests) = lost.fold((0.0, 0.0), |(seconds, requests), bin| {
            let share = 1.0 - bin.goodput() / g0;
            (seconds + share * (bin.to - bin.from) as f64 / 1e9, requests + share * bin.scheduled as f64)
        });
        Recovery { at, tau: at - t1, loss_seconds: seconds.max(0.0), loss_requests: requests.max(0.0), watched }
    }
}

/// How far the search for a recovery has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Search {
    /// Since `at`. `complete` once it was watched for as long as planned.
    Recovered {
        at: u64,
        watched: u64,
        complete: bool,
    },
    /// Good of late, but not for long enough yet.
    Promising,
    Broken,
}

/// The first bin, starting no later than `last_chance`, from which on goodput is healthy for the recovery window, and
/// not broken for the watch after it. `bins` are those from t1 on, of equal width.
pub fn search(bins: &[Bin], g0: f64, windows: Windows, last_chance: u64) -> Search {
    let count = |window: u64| window.div_ceil(windows.bin.0) as usize;
    let (recovery, watch) = (count(windows.recovery.0), count(windows.watch.0));
    let mut start = 0;
    while let Some(first) = bins.get(start) {
        if first.from > last_chance {
            return Search::Broken;
        }
        let window = &bins[start..bins.len().min(start + recovery)];
        if let Some(bad) = window.iter().rposition(|bin| bin.goodput() < HEALTHY * g0) {
            start += bad + 1;
            continue;
        }
        if window.len() < recovery {
            return Search::Promising;
        }
        let from = start + recovery;
        let watched = &bins[from..bins.len().min(from + watch)];
        match watched.iter().rposition(|bin| bin.goodput() < BROKEN * g0) {
            Some(bad) => start = from + bad + 1,
            None => {
                return Search::Recovered {
                    at: first.from,
                    watched: watched.iter().map(|bin| bin.to - bin.from).sum(),
                    complete: watched.len() == watch,
                };
            }
        }
    }
    Search::Broken
}

/// How often goodput went all the way between broken and healthy, in either direction.
pub fn swings(bins: &[Bin], g0: f64) -> usize {
    let ends = bins.iter().filter_map(|bin| match bin.goodput() {
        g if g >= HEALTHY * g0 => Some(true),
        g if g <= BROKEN * g0 => Some(false),
        _ => None,
    });
    let ends: Vec<bool> = ends.collect();
    ends.windows(2).filter(|pair| pair[0] != pair[1]).count()
}
