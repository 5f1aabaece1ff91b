//! Series over time: rates, percentiles, requests in flight, backlog.

use super::figure_data::FigureData;
use crate::record::Outcome;
use crate::stats::percentile;
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
    pub p99: Series,
}

const SECOND: u64 = 1_000_000_000;

/// The width of bins: one second, or more for a long run or a low rate. A figure shows about 400 bins at most, and a
/// bin should hold at least 5 requests.
pub fn bin_width(rate: f64, axis_end: Instant) -> Time {
    let span = axis_end.0;
    const WIDTHS: [u64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
    let enough = |s: &u64| span / (s * SECOND) <= 400 && *s as f64 * rate >= 5.0;
    let long = |s: &u64| span / (s * SECOND) <= 20;
    let width = WIDTHS.into_iter().find(|s| enough(s) || (long(s) && span / SECOND <= 400 * s));
    Time::from_secs(width.unwrap_or(3600))
}

pub fn request_series(data: &FigureData) -> RequestSeries {
    let width = bin_width(data.rate, data.axis_end).0;
    let bins = (data.axis_end.0 / width + 1) as usize;
    let [mut due, mut successful, mut goodput, mut errors] = [(); 4].map(|()| vec![0u64; bins]);
    let mut times: Vec<Vec<u64>> = vec![Vec::new(); bins];
    let add = |counts: &mut Vec<u64>, at: Instant| {
        if let Some(n) = at.known().and_then(|at| counts.get_mut((at.0 / width) as usize)) {
            *n += 1;
        }
    };
    for r in data.requests {
        match r.outcome() {
            Some(Outcome::Answered) => add(if r.status > 399 { &mut errors } else { &mut successful }, r.end),
            Some(Outcome::Unanswered | Outcome::Unsent) => {}
            _ => add(&mut errors, r.end),
        }
        if !r.is_last() {
            continue;
        }
        add(&mut due, r.due);
        let Some(time) = r.response_sample() else { continue };
        if r.is_success() && data.slo.is_some_and(|slo| time <= slo) {
            add(&mut goodput, r.due);
        }
        times.get_mut((r.due.0 / width) as usize).into_iter().for_each(|t| t.push(time.0));
    }
    let middle = |bin: usize| (bin as f64 + 0.5) * width as f64 / 1e9;
    let rate = |counts: Vec<u64>, end: Instant| {
        let end = end.0;
        let whole = |bin: usize| (bin as u64 + 1) * width <= end;
        let complete = counts.into_iter().enumerate().filter(|(bin, _)| whole(*bin) || *bin == 0);
        complete
            .map(|(bin, n)| {
                let seconds = end.min((bin as u64 + 1) * width).saturating_sub(bin as u64 * width).max(1) as f64 / 1e9;
                (middle(bin), Some(n as f64 / seconds))
            })
            .collect()
    };
    let (p50, p99) = times
        .into_iter()
        .enumerate()
        .map(|(bin, mut t)| {
            let mut at = |percent| (middle(bin), percentile(&mut t, percent).map(|ns| ns as f64));
            (at(50.0), at(99.0))
        })
        .unzip();
    RequestSeries {
        due: rate(due, data.arrivals_end),
        successful: rate(successful, data.axis_end),
        goodput: data.slo.map(|_| rate(goodput, data.arrivals_end)),
        errors: rate(errors, data.axis_end),
        p50,
        p99,
    }
}

/// Mean numbers over time: attempts in flight (sent and not ended) and requests in the backlog (due and not ended).
pub struct ConcurrencySeries {
    pub in_flight: Series,
    pub backlog: Series,
}

pub fn concurrency_series(data: &FigureData) -> ConcurrencySeries {
    let (mut in_flight, mut backlog) = (MeanConcurrency::new(data.axis_end), MeanConcurrency::new(data.axis_end));
    for r in data.requests {
        if let Some(sent) = r.sent.known() {
            in_flight.add(sent, r.end);
        }
        if r.is_last() {
            backlog.add(r.due, r.end);
        }
    }
    ConcurrencySeries { in_flight: in_flight.means(), backlog: backlog.means() }
}

/// The mean number of overlapping intervals in each of 1000 steps. Samples at instants would show beats between the
/// sampling rate and a constant request rate.
struct MeanConcurrency {
    step: u64,
    /// For each step, the ns covered by intervals that start or end in it.
    parts: Vec<u64>,
    /// For each step, the change in the number of intervals that cover all of it.
    changes: Vec<i64>,
}

impl MeanConcurrency {
    const STEPS: u64 = 1000;

    fn new(axis_end: Instant) -> MeanConcurrency {
        let steps = Self::STEPS as usize + 1;
        MeanConcurrency { step: (axis_end.0 / Self::STEPS).max(1), parts: vec![0; steps], changes: vec![0; steps] }
    }

    fn add(&mut self, from: Instant, to: Instant) {
        // Instants after the end of the axis fall into the last step, which is not shown.
        let end = self.step * Self::STEPS;
        let (from, to) = (from.0.min(end), to.max(from).0.min(end));
        let (first, last) = ((from / self.step) as usize, (to / self.step) as usize);
        if first == last {
            self.parts[first] += to - from;
        } else {
            self.parts[first] += (first as u64 + 1) * self.step - from;
            self.parts[last] += to - last as u64 * self.step;
            self.changes[first + 1] += 1;
            self.changes[last] -= 1;
        }
    }

    fn means(self) -> Series {
        let mut whole = 0;
        let steps = self.parts.iter().zip(&self.changes).take(Self::STEPS as usize).enumerate();
        let means = steps.map(|(k, (part, change))| {
            whole += change;
            let mean = whole as f64 + *part as f64 / self.step as f64;
            ((k as f64 + 0.5) * self.step as f64 / 1e9, Some(mean))
        });
        means.collect()
    }
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
        assert_eq!(width(f64::NAN, 48 * 3600), 3600);
    }

    #[test]
    fn series_follow_the_run() {
        let data = synthetic::metastable();
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

    #[test]
    fn concurrency_is_the_mean_of_each_step() {
        let mut concurrency = MeanConcurrency::new(Instant(1000 * 10));
        for (from, to) in [(12, 17), (5, 35), (30, 30), (40, 20), (9_995, u64::MAX), (u64::MAX - 1, u64::MAX)] {
            concurrency.add(Instant(from), Instant(to));
        }
        let means: Vec<f64> = concurrency.means().iter().filter_map(|p| p.1).collect();
        assert_eq!(means[..5], [0.5, 1.5, 1.0, 0.5, 0.0]);
        assert_eq!((means.len(), means[998], means[999]), (1000, 0.0, 0.5));
    }
}
