//! Series over time: rates, percentiles, requests in flight, backlog.

use super::figure_data::FigureData;
use crate::record::digest::{Interval, MeanConcurrency};
use crate::units::{Instant, Time};

/// Instants in seconds, and values. `None` is a gap.
pub type Series = Vec<(f64, Option<f64>)>;

/// Rates per second and percentiles, in bins of [`bin_width`].
#[derive(Default)]
pub struct RequestSeries {
    /// Requests due.
    pub due: Series,
    /// Answers with a status below 400, by the instant of the answer.
    pub successful: Series,
    /// Requests that were answered with a status below 400 within the SLO, by due time. `None` without an SLO.
    pub goodput: Option<Series>,
    /// Attempts that failed or got a status above 399, by the instant of their end.
    pub errors: Series,
    /// Percentiles of the response time in ns, by due time, with lower bounds.
    pub p50: Series,
    /// As `p50`.
    pub p95: Series,
    /// As `p50`.
    pub p99: Series,
}

#[cfg(test)]
const SECOND: u64 = 1_000_000_000;

/// The width of bins: one second, less for a short run, and more for a long run or a low rate. A figure shows about 400 bins at
/// most, and a bin should hold at least 5 requests.
pub fn bin_width(rate: f64, axis_end: Instant) -> Time {
    // Widths are multiples of the digest's intervals.
    const SHORT: [Time; 3] = [Time::from_millis(100), Time::from_millis(200), Time::from_millis(500)];
    const SECONDS: [u64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
    let bins = |width: Time| axis_end.0 / width.0;
    let is_full = |width: Time| width.as_secs_f64() * rate >= 5.0;
    let short = SHORT.into_iter().find(|&width| bins(width) <= 120 && is_full(width));
    let long = || {
        let widths = SECONDS.into_iter().map(Time::from_secs);
        widths.into_iter().find(|&width| bins(width) <= 400 && (is_full(width) || bins(width) <= 20))
    };
    short.or_else(long).unwrap_or(Time::from_secs(3600))
}

pub fn request_series(data: &FigureData) -> RequestSeries {
    let intervals = &data.digest.intervals;
    let width = bin_width(data.rate, data.axis_end).max(intervals.width).0;
    let bins = (data.axis_end.0 / width + 1) as usize;
    let mut sums = vec![Interval::default(); bins];
    for (number, interval) in intervals.list.iter().enumerate() {
        if let Some(sum) = sums.get_mut((number as u64 * intervals.width.0 / width) as usize) {
            sum.merge(interval);
        }
    }
    let middle = |bin: usize| (bin as f64 + 0.5) * width as f64 / 1e9;
    let rate = |count: fn(&Interval) -> u64, end: Instant| {
        let end = end.0;
        let whole = |bin: usize| (bin as u64 + 1) * width <= end;
        let complete = sums.iter().map(count).enumerate().filter(|(bin, _)| whole(*bin) || *bin == 0);
        complete
            .map(|(bin, n)| {
                let seconds = end.min((bin as u64 + 1) * width).saturating_sub(bin as u64 * width).max(1) as f64 / 1e9;
                (middle(bin), Some(n as f64 / seconds))
            })
            .collect()
    };
    let percentile = |percent: f64| {
        let at = |interval: &Interval| interval.response_us.value_at_percentile(percent).map(|us| us as f64 * 1e3);
        sums.iter().enumerate().map(|(bin, interval)| (middle(bin), at(interval))).collect()
    };
    RequestSeries {
        due: rate(|sum| sum.due, data.arrivals_end),
        successful: rate(|sum| sum.successful, data.axis_end),
        goodput: data.slo.map(|_| rate(|sum| sum.good, data.arrivals_end)),
        errors: rate(|sum| sum.errors, data.axis_end),
        p50: percentile(50.0),
        p95: percentile(95.0),
        p99: percentile(99.0),
    }
}

/// Mean numbers over time: attempts in flight (sent and not ended) and requests in the backlog (due and not ended).
pub struct ConcurrencySeries {
    pub in_flight: Series,
    pub backlog: Series,
}

pub fn concurrency_series(data: &FigureData) -> ConcurrencySeries {
    let series = |mean: &MeanConcurrency| mean.means().map(|(at, mean)| (at, Some(mean))).collect();
    ConcurrencySeries { in_flight: series(&data.digest.in_flight), backlog: series(&data.digest.backlog) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::statistics::RunStatistics;
    use crate::report::tests::synthetic;

    #[test]
    fn bins_are_wider_for_long_runs_and_low_rates() {
        let width = |rate, seconds: u64| bin_width(rate, Instant(seconds * SECOND)).0 / SECOND;
        assert_eq!([width(300.0, 100), width(300.0, 3600), width(1.0, 100), width(0.0, 100)], [1, 10, 5, 5]);
        let short = |rate, seconds: u64| bin_width(rate, Instant(seconds * SECOND)).0 / 1_000_000;
        assert_eq!([short(300.0, 10), short(300.0, 20), short(300.0, 60), short(300.0, 61)], [100, 200, 500, 1000]);
        assert_eq!([short(30.0, 10), short(8.0, 10), short(2.0, 10)], [200, 1000, 1000], "a bin holds some requests");
        assert_eq!(width(f64::NAN, 48 * 3600), 3600);
    }

    #[test]
    fn series_follow_the_run() {
        let data = synthetic::metastable().report();
        let statistics = RunStatistics::of(&data);
        let figure_data = FigureData::of_experiment(&data, &statistics);
        let at = |series: &Series, second: f64| {
            let near = series.iter().min_by(|a, b| (a.0 - second).abs().total_cmp(&(b.0 - second).abs()));
            near.and_then(|p| p.1).unwrap_or(f64::NAN)
        };
        let rates = request_series(&figure_data);
        let goodput = rates.goodput.unwrap();
        assert!((at(&rates.due, 10.0) - 300.0).abs() < 2.0);
        assert!(at(&goodput, 10.0) > 290.0 && at(&goodput, 60.0) < 30.0);
        assert!(at(&rates.errors, 10.0) < 1.0 && at(&rates.errors, 70.0) > 200.0);
        assert!(at(&rates.p50, 10.0) < 1e7 && at(&rates.p99, 60.0) > 1e10);
        let concurrency = concurrency_series(&figure_data);
        assert!(at(&concurrency.in_flight, 10.0) < 20.0 && at(&concurrency.in_flight, 60.0) > 2500.0);
    }
}
