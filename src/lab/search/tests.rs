//! Searches of made-up systems, without a clock.

use super::answer::BoundaryAnswer;
use super::question::{OutageSearch, RateSearch};
use super::strategy::Search;
use crate::arrivals::RandomStream;
use crate::lab::campaign::cell::Cell;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::question::Question;
use crate::lab::campaign::run::{CampaignEnd, CampaignResult};
use crate::lab::campaign::schedule::{CampaignState, Ending, Step, Strategy, next_step, valid_runs};
use crate::lab::campaign::tests::{LATE, UNHEALTHY, after_shed, assert_documented, run, run_with_check, secs};
use crate::lab::statistics::bisection::{SearchRun, SearchStep};
use crate::plan::ExperimentPlan;
use crate::plan::config::{Overrides, parse, read_plan};
use crate::signals::StopSignal;
use crate::units::Time;

const RETRY_STORM: &str = include_str!("../../../experiments/retry-storm.toml");

fn plan() -> ExperimentPlan {
    let overrides = Overrides { early: Some(secs(20)), ..Overrides::default() };
    parse(RETRY_STORM, "retry-storm.toml", std::path::Path::new(""), &overrides).unwrap()
}

fn outage() -> OutageSearch {
    OutageSearch { between: None, precision: 1.3, max_runs: 20 }
}

fn rate() -> RateSearch {
    RateSearch { between: None, precision: 1.1, max_runs: 20 }
}

/// Runs a campaign to its end. `verdict` says how a run at a cell ends.
fn campaign(search: &Search, verdict: impl Fn(Cell) -> &'static str) -> CampaignResult {
    let mut runs: Vec<RunOutcome> = Vec::new();
    while let Some(request) = search.next(&valid_runs(&runs), true) {
        assert!(search.left(&valid_runs(&runs), true).runs > 0);
        runs.push(run(request.cell, verdict(request.cell), 0.0));
        assert!(runs.len() < 50);
    }
    assert_eq!(search.left(&valid_runs(&runs), true).runs, 0);
    CampaignResult { runs, end: CampaignEnd::Ended(Ending::Answered) }
}

fn sentence(search: &Search, result: &CampaignResult) -> String {
    let after = search.after(&valid_runs(&result.runs));
    let answer = BoundaryAnswer::of(search, result);
    format!("{} {}: {}", answer.exit_code(), answer.name(), answer.sentence(search, after.bisection()))
}

/// The verdict of a system that outages of at least 310 ms tip.
fn tips_from_310_ms(cell: Cell) -> &'static str {
    match cell.outage {
        outage if outage >= Time::from_millis(310) => "METASTABLE",
        outage if outage >= Time::from_millis(290) => "DRAINING",
        outage if outage >= Time::from_millis(100) => "RECOVERED",
        _ => "UNAFFECTED",
    }
}

#[test]
fn the_shortest_outage_that_tips_is_found() {
    let search = outage().strategy(&plan()).unwrap();
    let result = campaign(&search, tips_from_310_ms);
    let cells: Vec<Cell> = result.runs.iter().map(RunOutcome::cell).collect();
    assert_eq!([cells[0].outage, cells[1].outage], [secs(30), Time::from_millis(20)]);
    assert!(cells.iter().enumerate().all(|(i, cell)| cell.rate == 200.0 && cell.seed == 1 + i as u64), "{cells:?}");
    assert!(cells.iter().all(|cell| cell.outage.0 % 1_000_000 == 0), "{cells:?}");
    insta::assert_snapshot!(sentence(&search, &result));
}

#[test]
fn the_largest_healthy_rate_is_found_without_a_fault() {
    let search = rate().strategy(&plan()).unwrap();
    let result = campaign(&search, |cell| if cell.rate < 395.0 { "STABLE" } else { "OVERLOADED" });
    let cells: Vec<Cell> = result.runs.iter().map(RunOutcome::cell).collect();
    assert!(cells.iter().all(|cell| (60.0..1000.0).contains(&cell.rate)), "the ends are not needed: {cells:?}");
    assert!(cells.iter().all(|cell| cell.outage == Time::ZERO && cell.rate.to_string().len() <= 5), "{cells:?}");
    insta::assert_snapshot!(sentence(&search, &result));
    let first = search.next(&[], true).unwrap().cell.ramp.unwrap();
    assert_eq!((first.begins, first.from, first.lasts, first.back), (Time::ZERO, 50.0, secs(15), secs(30)));
    // Later health checks are at half of the largest rate that the system carried.
    let last = cells.last().unwrap().ramp.unwrap().from;
    assert!((180.0..=197.5).contains(&last), "{last}");
}

#[test]
fn a_boundary_outside_of_the_range_is_an_answer() {
    let (outages, rates) = (outage().strategy(&plan()).unwrap(), rate().strategy(&plan()).unwrap());
    let all = [
        sentence(&outages, &campaign(&outages, |_| "RECOVERED")),
        sentence(&outages, &campaign(&outages, |_| "METASTABLE")),
        sentence(&rates, &campaign(&rates, |_| "STABLE")),
        sentence(&rates, &campaign(&rates, |_| "OVERLOADED")),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

/// A system of 395 requests/s that stays broken after the first overload.
#[test]
fn a_system_that_stays_broken_is_no_boundary_of_rates() {
    let search = rate().strategy(&plan()).unwrap();
    let mut runs: Vec<RunOutcome> = Vec::new();
    let mut is_broken = false;
    let end = loop {
        let state = CampaignState {
            runs: &runs,
            earlier: 0,
            client_timeout: None,
            same_system: true,
            shed: None,
            budget: None,
            spent: Time::ZERO,
        };
        let cell = match next_step(&search, &state) {
            Step::Run(request) => request.cell,
            Step::End(end) => break end,
        };
        let share = if is_broken { 0.1 } else { 1.0 };
        is_broken |= cell.rate >= 395.0;
        let run = run_with_check(cell, if is_broken { "OVERLOADED" } else { "STABLE" }, share);
        runs.push(after_shed(run, secs(20)));
    };
    let valid = valid_runs(&runs).len();
    assert!(valid > 1 && runs.len() == valid + 3, "{valid} of {}", runs.len());
    let never_healthy = CampaignResult {
        runs: runs[valid..].to_vec(),
        end: CampaignEnd::Ended(Ending::Invalid { verdict: "OVERLOADED".to_owned() }),
    };
    let stays_broken = CampaignResult { runs, end: CampaignEnd::Ended(end) };
    insta::assert_snapshot!([sentence(&search, &stays_broken), sentence(&search, &never_healthy)].join("\n"));
}

#[test]
fn a_search_that_may_not_run_longer_says_so() {
    let search = OutageSearch { max_runs: 8, ..outage() }.strategy(&plan()).unwrap();
    let result = campaign(&search, tips_from_310_ms);
    assert_eq!(result.runs.len(), 8);
    insta::assert_snapshot!(sentence(&search, &result));
}

#[test]
fn a_search_that_ends_early_says_why_and_what_is_known() {
    let search = outage().strategy(&plan()).unwrap();
    let complete = campaign(&search, tips_from_310_ms).runs;
    let after = |number: usize, invalid: &str, end| {
        let last = complete[number..].iter().take(3).map(|next| run(next.cell(), invalid, 0.0));
        let runs = complete[..number].iter().cloned().chain(last.filter(|_| !invalid.is_empty())).collect();
        sentence(&search, &CampaignResult { runs, end })
    };
    let invalid = |verdict: &str| CampaignEnd::Ended(Ending::Invalid { verdict: verdict.to_owned() });
    let all = [
        after(5, "", CampaignEnd::Stopped(StopSignal::Interrupt)),
        after(1, "", CampaignEnd::Ended(Ending::BudgetSpent { expected: secs(73) })),
        after(0, UNHEALTHY, invalid(UNHEALTHY)),
        after(2, UNHEALTHY, CampaignEnd::Ended(Ending::Permanent)),
        after(2, LATE, invalid(LATE)),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn the_same_runs_give_the_same_answer() {
    let (question, plan) = (outage(), plan());
    let search = question.strategy(&plan).unwrap();
    let result = campaign(&search, tips_from_310_ms);
    let answer = question.answer(&plan, &search, &result).unwrap();
    let json = serde_json::to_value(&answer.details).unwrap();
    assert_documented(&json);
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    assert_eq!((&json["searched"], number(&json["rate"])), (&"outage".into(), 200.0));
    let quantiles: Vec<f64> = (0..5).map(|i| number(&json["quantiles"][i]["value"])).collect();
    let (estimate, interval) = (&json["estimate"], &json["estimate"]["interval"]);
    assert_eq!(
        [quantiles[0], quantiles[2], quantiles[4]],
        [&interval["low"], &estimate["value"], &interval["high"]].map(number)
    );
    let [figure] = &answer.figures[..] else { panic!("{}", answer.figures.len()) };
    assert!(figure.file_stem == "search" && figure.svg.contains("Shortest outage that tips"));
    // The campaign's file has the question.
    let text = toml::to_string(&question).unwrap();
    assert_eq!(toml::from_str::<OutageSearch>(&text).unwrap(), question);
    let given = OutageSearch { between: Some((Time::from_millis(50), secs(10))), ..question };
    assert_eq!(toml::from_str::<OutageSearch>(&toml::to_string(&given).unwrap()).unwrap(), given);
}

#[test]
fn a_range_holds_the_outage_of_the_experiment() {
    let long = Overrides { early: Some(secs(20)), outage: Some(secs(45)), ..Overrides::default() };
    let plan = read_plan(None, &long).unwrap().plan;
    assert_eq!(outage().strategy(&plan).unwrap().next(&[], true).unwrap().cell.outage, secs(45));
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let refused = |search: OutageSearch, plan: &ExperimentPlan| search.strategy(plan).unwrap_err().to_string();
    let between = |low, high| OutageSearch { between: Some((low, high)), ..outage() };
    let early = Overrides { early: Some(secs(20)), ..Overrides::default() };
    let healthy = Overrides { outage: Some(Time::ZERO), ..early.clone() };
    let healthy = read_plan(None, &healthy).unwrap().plan;
    let two = format!("{RETRY_STORM}\n[[fault]]\nkind = \"surge\"\nfactor = 2.0\nfor = \"5s\"\n");
    let of_two_lengths = parse(&two, "two", std::path::Path::new(""), &early).unwrap();
    let all = [
        refused(outage(), &healthy),
        refused(between(secs(10), secs(1)), &plan()),
        refused(between(secs(1), secs(100_000)), &plan()),
        RateSearch { between: Some((1.0, 1e9)), ..rate() }.strategy(&plan()).unwrap_err().to_string(),
        refused(outage(), &of_two_lengths),
        RateSearch { between: Some((0.0, 400.0)), ..rate() }.strategy(&plan()).unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(all.join("\n"));
    assert!(rate().strategy(&healthy).is_ok(), "a rate needs no fault");
    let fast = Overrides { early: Some(secs(20)), rate: Some(200_000.0), ..Overrides::default() };
    let fast = read_plan(None, &fast).unwrap().plan;
    assert!(rate().strategy(&fast).is_ok(), "the default range ends at the largest rate");
}

/// The share of 1,000 searches whose 90 % interval contains the boundary, and the median number of their runs. Outcomes
/// follow a logistic curve of the scale `softness`, in natural logarithms.
fn simulate(question: OutageSearch, softness: f64) -> (f64, usize) {
    const SEARCHES: usize = 1000;
    let search = question.strategy(&plan()).unwrap();
    let mut random = RandomStream::new(14, 0);
    let (mut covered, mut runs) = (0, Vec::new());
    for _ in 0..SEARCHES {
        let boundary = 0.05 * 100f64.powf(random.draw_unit());
        let mut after = search.after(&[]);
        while let SearchStep::Run(at) = after.next_step() {
            let share = 1.0 / (1.0 + (-(at / boundary).ln() / softness).exp());
            after = after.after([SearchRun { at, tipped: random.draw_unit() < share }]);
        }
        covered += usize::from(after.bisection().estimate().interval.contains(boundary));
        runs.push(after.bisection().runs().len());
    }
    runs.sort_unstable();
    (covered as f64 / SEARCHES as f64, runs[SEARCHES / 2])
}

/// The outcomes of the retry storm at 200 requests/s have a softness of about 0.05: 80 attempts just tip it, and their
/// number varies as that of Poisson arrivals does.
#[test]
fn the_interval_covers_the_boundaries_of_outages() {
    let (coverage, runs) = simulate(outage(), 0.05);
    assert!(coverage > 0.9 && (14..=16).contains(&runs), "{coverage}, {runs} runs");
    let (coverage, runs) = simulate(OutageSearch { precision: 1.2, ..outage() }, 0.05);
    assert!(coverage > 0.9 && (16..=18).contains(&runs), "{coverage}, {runs} runs");
}
