use crate::lab::statistics::bisection::{
    Bisection, BisectionPlan, InvalidSearch, Prior, SearchAnswer, SearchRun, SearchStep,
};
use crate::stats::median;

/// A noisy bisection that does not search in vain: as long as all runs agree, it also asks at the end of the range where
/// they should not.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundarySearch {
    bisection: Bisection,
    /// Where the runs of the bisection were asked for.
    planned: Vec<f64>,
    /// So many runs that agree are followed by one at an end of the range. 0: the search begins there.
    agreeing: usize,
}

/// A run of a search. A fault lasts a little longer or shorter than planned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundaryRun {
    /// Where the search asked for it.
    pub planned: f64,
    /// Where it was, as measured.
    pub at: f64,
    pub tipped: bool,
}

/// So many runs at an end of the range that do not differ from all others show that the boundary is not in the range. One
/// of them may be wrong.
const RUNS_AT_AN_END: usize = 2;

impl BoundarySearch {
    /// # Errors
    /// [`InvalidSearch`] for a plan that no search can work with.
    pub fn new(plan: BisectionPlan, agreeing: usize) -> Result<BoundarySearch, InvalidSearch> {
        Ok(BoundarySearch { bisection: Bisection::new(plan)?, planned: Vec::new(), agreeing })
    }

    /// The same search before its first run, with another prior. One that no search can work with is ignored.
    pub fn with_prior(&self, prior: Prior, agreeing: usize) -> BoundarySearch {
        let plan = *self.bisection.plan();
        let bisection = Bisection::new(BisectionPlan { prior, ..plan }).or_else(|_| Bisection::new(plan));
        let bisection = bisection.unwrap_or_else(|_| self.bisection.clone());
        BoundarySearch { bisection, planned: self.planned.clone(), agreeing }
    }

    /// The search after further runs. Those at 0 say nothing about a boundary above 0.
    pub fn after(&self, runs: impl IntoIterator<Item = BoundaryRun>) -> BoundarySearch {
        let mut search = self.clone();
        runs.into_iter().for_each(|run| search.add(run));
        search
    }

    fn add(&mut self, BoundaryRun { planned, at, tipped }: BoundaryRun) {
        // Only a value that is not a positive number is refused.
        if self.bisection.add(SearchRun { at, tipped }).is_ok() {
            self.planned.push(planned);
        }
    }

    /// By how much runs are usually farther up than planned.
    fn excess(&self) -> f64 {
        let runs = self.bisection.runs().iter().zip(&self.planned);
        median(&runs.map(|(run, planned)| run.at - planned).collect::<Vec<_>>()).unwrap_or(0.0)
    }

    /// Where to plan the next run, or the answer.
    pub fn next_step(&self) -> SearchStep {
        let (plan, runs) = (self.bisection.plan(), self.bisection.runs());
        if runs.len() >= self.agreeing && runs.len() < plan.max_runs {
            // The upper end first: a search in which nothing tips is over soonest.
            let ends = [(true, plan.high, SearchAnswer::NeverTipped), (false, plan.low, SearchAnswer::AlwaysTipped)];
            for (tips, end, answer) in ends {
                if runs.iter().any(|run| run.tipped == tips) {
                    continue;
                }
                let at_end = self.planned.iter().filter(|&&planned| planned == end).count();
                return if at_end < RUNS_AT_AN_END { SearchStep::Run(end) } else { SearchStep::Done(answer) };
            }
        }
        match self.bisection.next_step() {
            SearchStep::Run(at) => SearchStep::Run((at - self.excess()).clamp(plan.low, plan.high)),
            done @ SearchStep::Done(_) => done,
        }
    }

    /// How many runs are left, if all outcomes agree with what is known so far.
    pub fn runs_left(&self) -> usize {
        let boundary = self.bisection.estimate().value;
        let (mut search, excess) = (self.clone(), self.excess());
        let mut runs = 0;
        while let SearchStep::Run(planned) = search.next_step() {
            let at = planned + excess;
            search.add(BoundaryRun { planned, at, tipped: at >= boundary });
            runs += 1;
        }
        runs
    }

    pub fn bisection(&self) -> &Bisection {
        &self.bisection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(agreeing: usize) -> BoundarySearch {
        BoundarySearch::new(BisectionPlan::above(0.02, 30.0), agreeing).unwrap()
    }

    /// Runs a search to its end. Returns where it asked, and its answer.
    fn finish(mut search: BoundarySearch, mut tips: impl FnMut(f64) -> bool) -> (Vec<f64>, SearchAnswer) {
        loop {
            match search.next_step() {
                SearchStep::Run(at) => search.add(BoundaryRun { planned: at, at, tipped: tips(at) }),
                SearchStep::Done(answer) => {
                    return (search.bisection.runs().iter().map(|run| run.at).collect(), answer);
                }
            }
        }
    }

    #[test]
    fn the_ends_come_first_and_the_bisection_between_them_follows() {
        let (runs, answer) = finish(search(0), |at| at > 0.3);
        assert_eq!(runs[..2], [30.0, 0.02]);
        assert!((runs[2] - (0.02f64 * 30.0).sqrt()).abs() < 0.02, "{runs:?}");
        let SearchAnswer::Found(estimate) = answer else { panic!("{answer:?}") };
        assert!((estimate.value / 0.3 - 1.0).abs() < 0.05, "{estimate:?}");
    }

    #[test]
    fn two_runs_at_an_end_show_that_the_boundary_is_not_in_the_range() {
        assert_eq!(finish(search(0), |_| false), (vec![30.0; 2], SearchAnswer::NeverTipped));
        assert_eq!(finish(search(0), |_| true), (vec![30.0, 0.02, 0.02], SearchAnswer::AlwaysTipped));
    }

    #[test]
    fn one_wrong_outcome_at_an_end_is_asked_again() {
        let mut runs = 0;
        let (at, answer) = finish(search(0), |at| {
            runs += 1;
            runs > 1 && at > 0.3
        });
        assert_eq!(at[..2], [30.0; 2]);
        assert!(matches!(answer, SearchAnswer::Found(_)), "{answer:?}");
    }

    #[test]
    fn a_search_that_expects_the_boundary_inside_asks_at_an_end_only_after_runs_that_agree() {
        let (runs, _) = finish(search(3), |at| at > 0.3);
        assert!(runs.iter().all(|&at| at > 0.02 && at < 30.0), "{runs:?}");
        let (runs, answer) = finish(search(3), |_| false);
        assert_eq!((runs.len(), &runs[3..], answer), (5, &[30.0; 2][..], SearchAnswer::NeverTipped));
    }

    /// Runs a search whose faults last 0.4 s longer than planned.
    fn finish_late(mut search: BoundarySearch, tips: impl Fn(f64) -> bool) -> (BoundarySearch, SearchAnswer) {
        loop {
            match search.next_step() {
                SearchStep::Run(planned) => {
                    let at = planned + 0.4;
                    search.add(BoundaryRun { planned, at, tipped: tips(at) });
                }
                SearchStep::Done(answer) => return (search, answer),
            }
        }
    }

    #[test]
    fn faults_that_last_longer_than_planned_are_placed_where_they_were() {
        let (search, answer) = finish_late(search(0), |at| at > 0.9);
        assert_eq!(search.planned[..2], [30.0, 0.02], "the ends are asked as planned");
        assert_eq!(search.bisection().runs()[1].at, 0.02 + 0.4);
        let SearchAnswer::Found(estimate) = answer else { panic!("{answer:?}") };
        assert!((estimate.value / 0.9 - 1.0).abs() < 0.05, "{estimate:?}");
    }

    #[test]
    fn the_ends_of_the_range_are_recognized_by_what_was_planned() {
        let (search, answer) = finish_late(search(0), |_| true);
        assert_eq!((&search.planned[..], answer), (&[30.0, 0.02, 0.02][..], SearchAnswer::AlwaysTipped));
        assert_eq!(finish_late(super::tests::search(0), |_| false).1, SearchAnswer::NeverTipped);
    }

    #[test]
    fn the_number_of_runs_left_falls_to_zero() {
        let mut search = search(0);
        let mut left = vec![search.runs_left()];
        while let SearchStep::Run(at) = search.next_step() {
            search.add(BoundaryRun { planned: at, at, tipped: at > 0.3 });
            left.push(search.runs_left());
        }
        assert!((10..20).contains(&left[0]) && left.last() == Some(&0), "{left:?}");
        assert!(left.windows(2).all(|pair| pair[1] < pair[0] + 4), "{left:?}");
    }
}
