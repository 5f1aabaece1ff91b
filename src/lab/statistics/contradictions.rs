//! Whether tipping is monotone: a system that tips must also tip at a larger rate and after a longer outage.

use crate::units::Time;

/// A finished run of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapRun {
    /// In requests/s.
    pub rate: f64,
    pub outage: Time,
    /// Whether the system tipped, that is, stayed stuck.
    pub tipped: bool,
}

/// Two runs that no monotone boundary can separate, as indices of the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The run that tipped.
    pub tipped: usize,
    /// The run that did not tip, at a rate and an outage that are at least as large, and one of them larger.
    pub recovered: usize,
}

/// All contradictions. Two runs at the same rate and outage never contradict each other: near the boundary both
/// outcomes occur.
pub fn find_contradictions(runs: &[MapRun]) -> Vec<Contradiction> {
    let of = |tipped: bool| runs.iter().enumerate().filter(move |(_, run)| run.tipped == tipped);
    of(true)
        .flat_map(|(tipped, low)| {
            of(false).filter(move |(_, high)| is_harder(high, low)).map(move |(recovered, _)| (tipped, recovered))
        })
        .map(|(tipped, recovered)| Contradiction { tipped, recovered })
        .collect()
}

/// Whether `run` had at least the rate and the outage of `other`, and more of one of them.
fn is_harder(run: &MapRun, other: &MapRun) -> bool {
    run.rate >= other.rate && run.outage >= other.outage && (run.rate > other.rate || run.outage > other.outage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(rate: f64, outage_ms: u64, tipped: bool) -> MapRun {
        MapRun { rate, outage: Time::from_millis(outage_ms), tipped }
    }

    #[test]
    fn a_harder_run_that_recovered_contradicts() {
        let runs = [
            run(200.0, 300, true),
            run(200.0, 400, false), // a longer outage
            run(240.0, 300, false), // a larger rate
            run(240.0, 400, false), // both
            run(200.0, 300, false), // the same point
            run(240.0, 200, false), // neither harder nor easier
            run(160.0, 200, false), // easier
        ];
        let contradictions = find_contradictions(&runs);
        assert_eq!(contradictions, [1, 2, 3].map(|recovered| Contradiction { tipped: 0, recovered }));
    }

    #[test]
    fn every_pair_counts() {
        let runs = [run(200.0, 300, true), run(210.0, 300, true), run(220.0, 300, false)];
        assert_eq!(find_contradictions(&runs), [0, 1].map(|tipped| Contradiction { tipped, recovered: 2 }));
        assert_eq!(find_contradictions(&[]), []);
    }

    proptest! {
        #[test]
        fn a_monotone_boundary_has_no_contradictions(points in prop::collection::vec((1.0..9.0f64, 1u64..900), 0..30)) {
            let runs: Vec<MapRun> =
                points.into_iter().map(|(rate, ms)| run(rate, ms, rate * ms as f64 > 2000.0)).collect();
            prop_assert_eq!(find_contradictions(&runs), []);
        }
    }
}
