//! Requests as series over time: rates, percentiles, how many were open.

use super::View;
use crate::record::{Outcome, RequestRecord};

/// A series: instants in seconds, and values; `None` is a gap.
pub type Series = Vec<(f64, Option<f64>)>;

/// Per second, over bins of [`bin_width`].
#[derive(Default)]
pub struct Rates {
    /// Requests that came due.
    pub offered: Series,
    /// Answers that arrived.
    pub answered: Series,
    /// Of the requests due then: answered well within the SLO, where there is one.
    pub good: Option<Series>,
    /// Attempts that ended badly: no answer, or an error status.
    pub errors: Series,
    /// Response times in ns, of the requests due then; lower bounds among them.
    pub p50: Series,
    pub p99: Series,
}

const SECOND: u64 = 1_000_000_000;

/// One second, or more for a long run or a low rate: a figure has room for some 400 bins, and a bin should hold some
/// requests.
pub fn bin_width(rate: f64, span: u64) -> u64 {
    const WIDTHS: [u64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
    let enough = |s: &u64| span / (s * SECOND) <= 400 && *s as f64 * rate >= 5.0;
    let long = |s: &u64| span / (s * SECOND) <= 20;
    WIDTHS.into_iter().find(|s| enough(s) || (long(s) && span / SECOND <= 400 * s)).unwrap_or(3600) * SECOND
}

pub fn rates(view: &View) -> Rates {
    let width = bin_width(view.rate, view.span);
    let bins = (view.span / width + 1) as usize;
    let [mut offered, mut answered, mut good, mut errors] = [(); 4].map(|()| vec![0u64; bins]);
    let mut times: Vec<Vec<u64>> = vec![Vec::new(); bins];
    let add = |counts: &mut Vec<u64>, at: u64| {
        if let Some(n) = RequestRecord::instant(at).and_then(|at| counts.get_mut((at / width) as usize)) {
            *n += 1;
        }
    };
    for r in view.requests {
        match r.outcome() {
            Some(Outcome::Answered) => add(if r.status > 399 { &mut errors } else { &mut answered }, r.end),
            Some(Outcome::Unanswered | Outcome::Unsent) => {}
            _ => add(&mut errors, r.end),
        }
        if !r.is_last() {
            continue;
        }
        add(&mut offered, r.intended);
        let Some(time) = r.response_time() else { continue };
        if r.is_success() && view.slo.is_some_and(|slo| time <= slo) {
            add(&mut good, r.intended);
        }
        if r.outcome() == Some(Outcome::Answered) || r.is_lower_bound() {
            times.get_mut((r.intended / width) as usize).into_iter().for_each(|t| t.push(time));
        }
    }
    let middle = |bin: usize| (bin as f64 + 0.5) * width as f64 / 1e9;
    let rate = |counts: Vec<u64>, until: u64| {
        let whole = |bin: usize| (bin as u64 + 1) * width <= until;
        let kept = counts.into_iter().enumerate().filter(|(bin, _)| whole(*bin) || *bin == 0);
        kept.map(|(bin, n)| {
            let seconds = until.min((bin as u64 + 1) * width).saturating_sub(bin as u64 * width).max(1) as f64 / 1e9;
            (middle(bin), Some(n as f64 / seconds))
        })
        .collect()
    };
    let (p50, p99) = times
        .into_iter()
        .enumerate()
        .map(|(bin, mut t)| ((middle(bin), rank(&mut t, 0.5)), (middle(bin), rank(&mut t, 0.99))))
        .unzip();
    Rates {
        offered: rate(offered, view.end),
        answered: rate(answered, view.span),
        good: view.slo.map(|_| rate(good, view.end)),
        errors: rate(errors, view.span),
        p50,
        p99,
    }
}

/// The value at `quantile` by nearest rank.
fn rank(times: &mut [u64], quantile: f64) -> Option<f64> {
    let at = ((times.len() as f64 * quantile).ceil() as usize).clamp(1, times.len().max(1)) - 1;
    (!times.is_empty()).then(|| *times.select_nth_unstable(at).1 as f64)
}

/// How many requests were open: sent and not ended (attempts), and due and not ended (requests).
pub struct Open {
    pub in_flight: Series,
    pub due: Series,
}

pub fn open(view: &View) -> Open {
    const STEPS: u64 = 1000;
    let step = (view.span / STEPS).max(1);
    let mut in_flight = vec![0i64; STEPS as usize + 2];
    let mut due = in_flight.clone();
    // Open at the instant k * step are those with from <= k * step < to.
    let add = |changes: &mut Vec<i64>, from: u64, to: u64| {
        let index = |at: u64| (at.div_ceil(step)).min(STEPS + 1) as usize;
        changes[index(from)] += 1;
        changes[index(to)] -= 1;
    };
    for r in view.requests {
        if let Some(sent) = RequestRecord::instant(r.sent) {
            add(&mut in_flight, sent, r.end.max(sent));
        }
        if r.is_last() {
            add(&mut due, r.intended, r.end.max(r.intended));
        }
    }
    let sums = |changes: Vec<i64>| {
        let mut n = 0;
        let sums = changes.into_iter().take(STEPS as usize).enumerate().map(|(k, change)| {
            n += change;
            ((k as u64 * step) as f64 / 1e9, Some(n as f64))
        });
        sums.collect()
    };
    Open { in_flight: sums(in_flight), due: sums(due) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::digest::Digest;
    use crate::report::tests::made_up;

    #[test]
    fn bins_are_a_second_or_wider_where_there_is_little_to_count() {
        let width = |rate, seconds: u64| bin_width(rate, seconds * SECOND) / SECOND;
        assert_eq!([width(300.0, 100), width(300.0, 3600), width(1.0, 100), width(0.0, 100)], [1, 10, 5, 5]);
        assert_eq!(width(f64::NAN, 48 * 3600), 3600);
    }

    #[test]
    fn rates_and_open_requests_follow_the_run() {
        let story = made_up::metastable();
        let digest = Digest::of(&story);
        let view = View::new(&story, &digest);
        let at = |series: &Series, second: f64| {
            let near = series.iter().min_by(|a, b| (a.0 - second).abs().total_cmp(&(b.0 - second).abs()));
            near.and_then(|p| p.1).unwrap_or(f64::NAN)
        };
        let rates = rates(&view);
        let good = rates.good.unwrap();
        assert!((at(&rates.offered, 10.0) - 300.0).abs() < 2.0);
        assert!(at(&good, 10.0) > 290.0 && at(&good, 60.0) < 30.0);
        assert!(at(&rates.errors, 10.0) < 1.0 && at(&rates.errors, 70.0) > 200.0);
        assert!(at(&rates.p50, 10.0) < 1e7 && at(&rates.p99, 60.0) > 1e10);
        let open = open(&view);
        assert!(at(&open.in_flight, 10.0) < 20.0 && at(&open.in_flight, 60.0) > 2500.0);
    }
}
