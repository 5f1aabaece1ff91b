use super::*;
use crate::arrivals::RandomStream;
use proptest::prelude::*;

fn search(plan: BisectionPlan) -> Bisection {
    Bisection::new(plan).unwrap()
}

/// Runs a search to its end against outcomes that `tips` gives for each value.
fn finish(mut search: Bisection, mut tips: impl FnMut(f64) -> bool) -> (Bisection, SearchAnswer) {
    loop {
        match search.next_step() {
            SearchStep::Run(at) => search.add(SearchRun { at, tipped: tips(at) }).unwrap(),
            SearchStep::Done(answer) => return (search, answer),
        }
    }
}

/// How 2,000 searches with random boundaries end.
struct Simulation {
    /// The share of them whose 90 % interval contains the boundary.
    coverage: f64,
    median_runs: usize,
}

/// Searches of 30..480. A boundary is drawn from the uniform prior. Far from it, an outcome is wrong with the
/// probability `wrong`; near it, outcomes follow a logistic curve of the scale `softness`, in natural logarithms.
fn simulate(softness: f64, wrong: f64, plan: BisectionPlan) -> Simulation {
    const SEARCHES: usize = 2000;
    let mut random = RandomStream::new(14, 0);
    let (mut covered, mut runs) = (0, Vec::new());
    for _ in 0..SEARCHES {
        let boundary = plan.low * (plan.high / plan.low).powf(random.draw_unit());
        let (search, _) = finish(search(plan), |at| {
            let above = 1.0 / (1.0 + (-(at / boundary).ln() / softness).exp());
            random.draw_unit() < wrong + (1.0 - 2.0 * wrong) * above
        });
        covered += usize::from(search.estimate().interval.contains(boundary));
        runs.push(search.runs().len());
    }
    runs.sort_unstable();
    Simulation { coverage: covered as f64 / SEARCHES as f64, median_runs: runs[SEARCHES / 2] }
}

#[test]
fn the_interval_covers_soft_boundaries_as_often_as_it_says() {
    // 5 % from this boundary 16 % of the outcomes are wrong, 10 % from it 4 %.
    let Simulation { coverage, median_runs } = simulate(0.03, 0.0, BisectionPlan::above(30.0, 480.0));
    assert!((0.85..=0.95).contains(&coverage), "{coverage}");
    assert!((12..=15).contains(&median_runs), "{median_runs}");
}

#[test]
fn the_interval_covers_sharp_boundaries_nearly_always_and_needs_fewer_runs() {
    let Simulation { coverage, median_runs } = simulate(0.001, 0.0, BisectionPlan::above(30.0, 480.0));
    assert!(coverage > 0.99, "{coverage}");
    assert!((12..=13).contains(&median_runs), "{median_runs}");
}

#[test]
fn with_the_outcomes_that_it_assumes_the_interval_covers_exactly_as_often_as_it_says() {
    // Credible intervals of the true model cover with their probability whenever the search ends.
    let plan = BisectionPlan { max_runs: 10, ..BisectionPlan::above(30.0, 480.0) };
    let Simulation { coverage, .. } = simulate(plan.softness, 1.0 - TRUST, plan);
    assert!((0.88..=0.92).contains(&coverage), "{coverage}");
}

#[test]
fn the_first_runs_ask_at_the_median() {
    let mut search = search(BisectionPlan::above(10.0, 1000.0));
    let SearchStep::Run(first) = search.next_step() else { panic!() };
    assert!((first - 100.0).abs() < 1e-9, "{first}");
    search.add(SearchRun { at: first, tipped: true }).unwrap();
    // 0.85 of the probability is below 100 now, so that the median is at 0.5/0.85 of the lower half.
    let SearchStep::Run(second) = search.next_step() else { panic!() };
    assert!((second - 10.0 * 10f64.powf(0.5 / 0.85)).abs() < 0.05, "{second}");
}

#[test]
fn a_search_finds_a_sharp_boundary_on_either_side() {
    let plan = BisectionPlan::above(30.0, 480.0);
    let (above, answer) = finish(search(plan), |at| at > 120.0);
    let SearchAnswer::Found(estimate) = answer else { panic!("{answer:?}") };
    assert!(estimate.interval.contains(120.0) && estimate.interval.ratio() <= 1.1, "{estimate:?}");
    assert!((estimate.value / 120.0 - 1.0).abs() < 0.02, "{estimate:?}");

    let plan = BisectionPlan { tips: TippingSide::Below, ..plan };
    let (below, answer) = finish(search(plan), |at| at <= 120.0);
    assert_eq!(answer, SearchAnswer::Found(estimate));
    let at = |search: &Bisection| search.runs().iter().map(|run| run.at).collect::<Vec<f64>>();
    assert_eq!(at(&below), at(&above));
}

#[test]
fn one_wrong_outcome_is_overruled() {
    let mut runs = 0;
    let (_, answer) = finish(search(BisectionPlan::above(30.0, 480.0)), |at| {
        runs += 1;
        (at > 140.0) != (runs == 2)
    });
    let SearchAnswer::Found(estimate) = answer else { panic!("{answer:?}") };
    assert!(estimate.interval.contains(140.0), "{estimate:?}");
}

#[test]
fn a_boundary_outside_of_the_range_is_not_made_up() {
    let plan = BisectionPlan::above(30.0, 480.0);
    assert_eq!(finish(search(plan), |_| false).1, SearchAnswer::NeverTipped);
    assert_eq!(finish(search(plan), |_| true).1, SearchAnswer::AlwaysTipped);
}

#[test]
fn a_search_that_runs_out_of_runs_says_so() {
    let plan = BisectionPlan { max_runs: 4, ..BisectionPlan::above(30.0, 480.0) };
    let (search, answer) = finish(search(plan), |at| at > 120.0);
    assert_eq!((search.runs().len(), answer), (4, SearchAnswer::Imprecise(search.estimate())));
    assert!(search.estimate().interval.ratio() > 1.1);
}

#[test]
fn a_log_normal_prior_starts_at_its_median_with_its_width() {
    let prior = Prior::LogNormal { median: 0.3, sd: 0.4 };
    let estimate = search(BisectionPlan { prior, ..BisectionPlan::above(0.01, 10.0) }).estimate();
    let (z, interval) = (SEARCH_CONFIDENCE.two_sided_z(), estimate.interval);
    for (got, want) in
        [(estimate.value, 0.3), (interval.low, 0.3 * (-0.4 * z).exp()), (interval.high, 0.3 * (0.4 * z).exp())]
    {
        assert!((got / want - 1.0).abs() < 0.01, "{got}, not {want}");
    }
    let sum: f64 =
        search(BisectionPlan { prior, ..BisectionPlan::above(0.01, 10.0) }).density().map(|cell| cell.1).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    // Even a median that is far outside of the range leaves a density.
    let far = Prior::LogNormal { median: 1e9, sd: MIN_PRIOR_SD };
    let estimate = search(BisectionPlan { prior: far, ..BisectionPlan::above(0.01, 10.0) }).estimate();
    assert!((9.8..=10.0).contains(&estimate.value), "{estimate:?}");
}

#[test]
fn a_search_continues_where_it_was_saved() {
    let mut random = RandomStream::new(3, 0);
    let mut search = search(BisectionPlan::above(30.0, 480.0));
    while let SearchStep::Run(at) = search.next_step() {
        search.add(SearchRun { at, tipped: at * (0.9 + 0.2 * random.draw_unit()) > 120.0 }).unwrap();
        let text = serde_json::to_string(&search).unwrap();
        assert_eq!(serde_json::from_str::<Bisection>(&text).unwrap(), search);
    }
    assert!(search.runs().len() > 5);
}

#[test]
fn invalid_plans_and_runs_are_refused() {
    let plan = BisectionPlan::above(30.0, 480.0);
    let prior = |median, sd| BisectionPlan { prior: Prior::LogNormal { median, sd }, ..plan };
    for plan in [
        BisectionPlan { low: 0.0, ..plan },
        BisectionPlan { high: f64::INFINITY, ..plan },
        BisectionPlan { high: 32.0, ..plan },
        BisectionPlan { high: f64::NAN, ..plan },
        prior(0.0, 0.4),
        prior(120.0, 0.0),
        prior(120.0, f64::NAN),
        BisectionPlan { softness: 0.0, ..plan },
        BisectionPlan { stop_ratio: 1.0, ..plan },
        BisectionPlan { stop_ratio: f64::NAN, ..plan },
        BisectionPlan { max_runs: 0, ..plan },
    ] {
        assert!(Bisection::new(plan).is_err(), "{plan:?}");
    }
    let mut search = search(plan);
    for at in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(search.add(SearchRun { at, tipped: true }).is_err(), "{at}");
    }
    assert!(search.runs().is_empty());
    let text = serde_json::to_string(&search).unwrap().replace("\"low\":30.0", "\"low\":-30.0");
    let error = serde_json::from_str::<Bisection>(&text).unwrap_err().to_string();
    assert!(error.contains("the range -30..480 cannot be searched"), "{error}");
}

proptest! {
    #[test]
    fn an_estimate_is_in_its_interval_and_in_the_range(
        runs in prop::collection::vec((1e-3..1e6f64, any::<bool>()), 0..60)
    ) {
        let mut search = search(BisectionPlan::above(30.0, 480.0));
        for (at, tipped) in runs {
            search.add(SearchRun { at, tipped }).unwrap();
        }
        let Estimate { value, interval } = search.estimate();
        prop_assert!(30.0 <= interval.low * (1.0 + 1e-12) && interval.low <= value);
        prop_assert!(value <= interval.high && interval.high <= 480.0 * (1.0 + 1e-12));
    }

    #[test]
    fn the_order_of_the_runs_does_not_matter(runs in prop::collection::vec((20.0..600.0f64, any::<bool>()), 1..20)) {
        let of = |runs: &mut dyn Iterator<Item = &(f64, bool)>| {
            let mut search = search(BisectionPlan::above(30.0, 480.0));
            runs.for_each(|&(at, tipped)| search.add(SearchRun { at, tipped }).unwrap());
            search.estimate()
        };
        let (forward, backward) = (of(&mut runs.iter()), of(&mut runs.iter().rev()));
        prop_assert!((forward.value / backward.value - 1.0).abs() < 1e-6);
    }
}
