//! What a run shows of the stable rate, read from its counts per interval.

use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::statistics::capacity::AttemptsBin;
use crate::lab::statistics::stuck_throughput::StuckBin;
use crate::lab::statistics::sweep::{DownSweep, InvalidSweep, SweepBin};
use crate::lab::statistics::wilson::Proportion;
use crate::report::interval_counts::IntervalCounts;
use crate::stats::ratio;
use crate::units::{Instant, Time};

/// An interval of a run: where it begins, and its index in [`IntervalCounts`].
fn intervals(counts: &IntervalCounts, from: Instant, to: Instant) -> impl Iterator<Item = (Time, usize)> {
    let width = counts.width_ns;
    let all = (0..counts.due.len()).map(move |index| (Time(index as u64 * width), index));
    all.filter(move |(begins, _)| begins.0 >= from.0 && begins.0 + width <= to.0)
}

/// The goodput of the baseline, g0. 1 without a baseline.
pub fn find_baseline_goodput(run: &RunOutcome) -> f64 {
    run.baseline.map_or(1.0, Proportion::share)
}

/// The last window of a run that is stuck. `abandons`: its clients abandon attempts after a time.
pub fn stuck_bins(run: &RunOutcome, abandons: bool) -> Vec<StuckBin> {
    let counts = &run.intervals;
    let bins = intervals(counts, run.last_from, run.end).map(|(_, index)| StuckBin {
        successes: counts.successful[index],
        // Where clients abandon, nearly all attempts that fail are abandoned ones.
        abandoned: if abandons { counts.errors[index] } else { 0 },
        backlog: counts.backlog[index].round() as u64,
    });
    bins.collect()
}

/// The requests that were due in the last window of a run that is stuck, and the attempts that ended.
pub fn attempts_bins(run: &RunOutcome) -> Vec<AttemptsBin> {
    let counts = &run.intervals;
    let bins = intervals(counts, run.last_from, run.end).map(|(_, index)| AttemptsBin {
        requests: counts.due[index],
        attempts: counts.successful[index] + counts.errors[index],
    });
    bins.collect()
}

/// The mean backlog in the last window of a run.
pub fn mean_backlog(run: &RunOutcome) -> f64 {
    let counts = &run.intervals;
    let (sum, count) = intervals(counts, run.last_from, run.end)
        .fold((0.0, 0), |(sum, count), (_, index)| (sum + counts.backlog[index], count + 1));
    ratio(sum, f64::from(count))
}

/// The successes of each interval of a ramp, their width, and whether the ramp went past the capacity: at its end the
/// system did not serve most of the load well any more.
pub fn ramp_successes(run: &RunOutcome) -> Option<(Vec<u64>, Time, bool)> {
    let ramp = run.cell().ramp?;
    let counts = &run.intervals;
    let all: Vec<usize> =
        intervals(counts, Instant::START.plus(ramp.begins), run.end).map(|(_, index)| index).collect();
    let last = &all[all.len().saturating_sub(5)..];
    let sum = |list: &[u64]| last.iter().map(|&index| list[index]).sum::<u64>() as f64;
    let overloaded = ratio(sum(&counts.good), sum(&counts.due)) < 0.9 * find_baseline_goodput(run);
    Some((all.iter().map(|&index| counts.successful[index]).collect(), Time(counts.width_ns), overloaded))
}

/// A bin of a ramp holds this many requests at this part of the ramp's largest rate, and lasts for at least a second.
const REQUESTS: f64 = 50.0;
const AT: f64 = 0.3;

/// The width of the bins of a ramp.
fn ramp_bin(run: &RunOutcome) -> Time {
    let width = Time(run.intervals.width_ns.max(1));
    let most = run.cell().ramp.map_or(run.cell().rate, |ramp| ramp.from.max(ramp.to));
    let needed = Time((REQUESTS / (AT * most) * 1e9) as u64);
    width.times(needed.0.div_ceil(width.0).max(1))
}

/// The goodput over a ramp: the rate in the middle of each bin, and the share of good requests relative to that of the
/// baseline. It is 0 in a bin without requests, which proves nothing.
pub fn ramp_goodput(run: &RunOutcome) -> Vec<SweepBin> {
    let Some(ramp) = run.cell().ramp else { return Vec::new() };
    let (counts, g0, bin) = (&run.intervals, find_baseline_goodput(run), ramp_bin(run));
    let to = run.end.min(Instant::START.plus(ramp.begins).plus(ramp.lasts));
    let all: Vec<(Time, usize)> = intervals(counts, Instant::START.plus(ramp.begins), to).collect();
    let group = usize::try_from(bin.0 / counts.width_ns.max(1)).unwrap_or(1).max(1);
    let bins = all.chunks_exact(group).map(|group| {
        let sum = |list: &[u64]| group.iter().map(|&(_, index)| list[index]).sum::<u64>() as f64;
        let goodput = ratio(ratio(sum(&counts.good), sum(&counts.due)), g0);
        SweepBin { rate: ramp.rate_at(group[0].0.plus(Time(bin.0 / 2))), goodput }
    });
    bins.collect()
}

/// The sweep of a run whose rate falls.
///
/// # Errors
/// [`InvalidSweep`] if the system was not stuck at the start of the sweep, or did not come back.
pub fn read_sweep(run: &RunOutcome) -> Result<DownSweep, InvalidSweep> {
    let Some(ramp) = run.cell().ramp else { return Err(InvalidSweep::Shape) };
    let slope = (ramp.from - ramp.to) / ramp.lasts.as_secs_f64();
    DownSweep::new(slope, ramp_bin(run), ramp_goodput(run))
}

/// The goodput relative to the baseline's, of the requests due in `[from, to)`.
fn goodput_within(run: &RunOutcome, from: Instant, to: Instant) -> f64 {
    let counts = &run.intervals;
    let (good, due) = intervals(counts, from, to)
        .fold((0, 0), |(good, due), (_, index)| (good + counts.good[index], due + counts.due[index]));
    ratio(ratio(good as f64, due as f64), find_baseline_goodput(run))
}

/// The goodput relative to the baseline's in the 10 s before a ramp.
pub fn goodput_before_ramp(run: &RunOutcome) -> f64 {
    let Some(ramp) = run.cell().ramp else { return 0.0 };
    let begins = Instant::START.plus(ramp.begins);
    goodput_within(run, begins.minus(Time::from_secs(10)), begins)
}

/// The goodput relative to the baseline's over the second half of what follows a shed.
pub fn goodput_after_shed(run: &RunOutcome) -> f64 {
    let back = run.cell().ramp.map_or(Time::ZERO, |ramp| ramp.back);
    goodput_within(run, run.end.minus(Time(back.0 / 2)), run.end)
}
