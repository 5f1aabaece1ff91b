use crate::lab::statistics::bisection::{
    Bisection, BisectionPlan, InvalidSearch, Prior, SearchAnswer, SearchRun, SearchStep,
};

/// A noisy bisection that does not search in vain: as long as all runs agree, it also asks at the end of the range where
/// they should not.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundarySearch {
    bisection: Bisection,
    /// So many runs that agree are followed by one at an end of the range. 0: the search begins there.
    agreeing: usize,
}

/// So many runs at an end of the range that do not differ from all others show that the boundary is not in the range. One
/// of them may be wrong.
const RUNS_AT_AN_END: usize = 2;

impl BoundarySearch {
    /// # Errors
    /// [`InvalidSearch`] for a plan that no search can work with.
    pub fn new(plan: BisectionPlan, agreeing: usize) -> Result<BoundarySearch, InvalidSearch> {
        Ok(BoundarySearch { bisection: Bisection::new(plan)?, agreeing })
    }

    /// The same search before its first run, with another prior. One that no search can work with is ignored.
    pub fn with_prior(&self, prior: Prior, agreeing: usize) -> BoundarySearch {
        let plan = *self.bisection.plan();
        let bisection = Bisection::new(BisectionPlan { prior, ..plan }).or_else(|_| Bisection::new(plan));
        BoundarySearch { bisection: bisection.unwrap_or_else(|_| self.bisection.clone()), agreeing }
    }

    /// The search after further runs. Those at 0 say nothing about a boundary above 0.
    pub fn after(&self, runs: impl IntoIterator<Item = SearchRun>) -> BoundarySearch {
        let mut search = self.clone();
        runs.into_iter().filter(|run| run.at > 0.0).for_each(|run| search.add(run));
        search
    }

    fn add(&mut self, run: SearchRun) {
        // Only a value that is not a positive number is refused.
        let _ = self.bisection.add(run);
    }

    /// Where to run next, or the answer.
    pub fn next_step(&self) -> SearchStep {
        let (plan, runs) = (self.bisection.plan(), self.bisection.runs());
        if runs.len() >= self.agreeing && runs.len() < plan.max_runs {
            // The upper end first: a search in which nothing tips is over soonest.
            let ends = [(true, plan.high, SearchAnswer::NeverTipped), (false, plan.low, SearchAnswer::AlwaysTipped)];
            for (tips, end, answer) in ends {
                if runs.iter().any(|run| run.tipped == tips) {
                    continue;
                }
                let at_end = runs.iter().filter(|run| run.at == end).count();
                return if at_end < RUNS_AT_AN_END { SearchStep::Run(end) } else { SearchStep::Done(answer) };
            }
        }
        self.bisection.next_step()
    }

    /// How many runs are left, if all outcomes agree with what is known so far.
    pub fn runs_left(&self) -> usize {
        let boundary = self.bisection.estimate().value;
        let mut search = self.clone();
        let mut runs = 0;
        while let SearchStep::Run(at) = search.next_step() {
            search.add(SearchRun { at, tipped: at >= boundary });
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
                SearchStep::Run(at) => search.add(SearchRun { at, tipped: tips(at) }),
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

    #[test]
    fn the_number_of_runs_left_falls_to_zero() {
        let mut search = search(0);
        let mut left = vec![search.runs_left()];
        while let SearchStep::Run(at) = search.next_step() {
            search.add(SearchRun { at, tipped: at > 0.3 });
            left.push(search.runs_left());
        }
        assert!((10..20).contains(&left[0]) && left.last() == Some(&0), "{left:?}");
        assert!(left.windows(2).all(|pair| pair[1] < pair[0] + 4), "{left:?}");
    }
}
