//! Requests as series over time: rates, percentiles, how many were open.

use super::View;
use crate::record::Outcome;
use crate::stats::percentile;
use crate::units::Instant;

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
    let add = |counts: &mut Vec<u64>, at: Instant| {
        if let Some(n) = at.known().and_then(|at| counts.get_mut((at.0 / width) as usize)) {
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
        add(&mut offered, r.due);
        let Some(time) = r.response_sample() else { continue };
        if r.is_success() && view.slo.is_some_and(|slo| time.0 <= slo) {
            add(&mut good, r.due);
        }
        times.get_mut((r.due.0 / width) as usize).into_iter().for_each(|t| t.push(time.0));
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
        .map(|(bin, mut t)| {
            let mut at = |percent| (middle(bin), percentile(&mut t, percent).map(|ns| ns as f64));
            (at(50.0), at(99.0))
        })
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

/// How many requests were open on the mean: sent and not ended (attempts), and due and not ended (requests).
pub struct Open {
    pub in_flight: Series,
    pub due: Series,
}

pub fn open(view: &View) -> Open {
    let (mut in_flight, mut due) = (Levels::new(view.span), Levels::new(view.span));
    for r in view.requests {
        if let Some(sent) = r.sent.known() {
            in_flight.add(sent.0, r.end.0);
        }
        if r.is_last() {
            due.add(r.due.0, r.end.0);
        }
    }
    Open { in_flight: in_flight.means(), due: due.means() }
}

/// How many of many intervals hold an instant, on the mean of each of 1000 steps of a span: what is sampled at instants
/// would show beats between those and a steady schedule.
struct Levels {
    step: u64,
    /// Of intervals that don't hold the whole step: the part that they do hold, in ns.
    parts: Vec<u64>,
    /// By how much the number of intervals that hold the whole step differs from that of the step before.
    changes: Vec<i64>,
}

impl Levels {
    const STEPS: u64 = 1000;

    fn new(span: u64) -> Levels {
        let steps = Self::STEPS as usize + 1;
        Levels { step: (span / Self::STEPS).max(1), parts: vec![0; steps], changes: vec![0; steps] }
    }

    fn add(&mut self, from: u64, to: u64) {
        // What lies beyond the span lies in the last step, which is not shown.
        let end = self.step * Self::STEPS;
        let (from, to) = (from.min(end), to.max(from).min(end));
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

    #[test]
    fn levels_are_means_over_each_step() {
        let mut levels = Levels::new(1000 * 10);
        for (from, to) in [(12, 17), (5, 35), (30, 30), (40, 20), (9_995, u64::MAX), (u64::MAX - 1, u64::MAX)] {
            levels.add(from, to);
        }
        let means: Vec<f64> = levels.means().iter().filter_map(|p| p.1).collect();
        assert_eq!(means[..5], [0.5, 1.5, 1.0, 0.5, 0.0]);
        assert_eq!((means.len(), means[998], means[999]), (1000, 0.0, 0.5));
    }
}
