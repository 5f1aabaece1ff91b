//! Maps of made-up systems, without a clock.

use super::answer::{MapAnswer, MapDetails};
use super::question::MapQuestion;
use super::strategy::MapStrategy;
use super::theory::find_retry_storm;
use crate::arrivals::RandomStream;
use crate::lab::campaign::cell::Cell;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::question::Question;
use crate::lab::campaign::run::{CampaignEnd, CampaignResult};
use crate::lab::campaign::schedule::{CampaignState, Ending, Request, Step, Strategy, next_step, valid_runs};
use crate::lab::campaign::tests::{UNHEALTHY, assert_documented, run, secs};
use crate::lab::search::BoundarySearch;
use crate::lab::stable::tests::STORM;
use crate::lab::statistics::bisection::BisectionPlan;
use crate::lab::statistics::closed_form::RetryStorm;
use crate::lab::statistics::interval::{Confidence, Estimate, Interval};
use crate::plan::ExperimentPlan;
use crate::plan::config::{Overrides, parse, read_plan};
use crate::signals::StopSignal;
use crate::twin::plan::{TwinOverrides, TwinPlan};
use crate::units::Time;

const RATES: [f64; 5] = [140.0, 200.0, 260.0, 320.0, 360.0];

fn plan() -> ExperimentPlan {
    let text = include_str!("../../../experiments/retry-storm.toml");
    let overrides = Overrides { early: Some(secs(20)), ..Overrides::default() };
    parse(text, "retry-storm.toml", std::path::Path::new(""), &overrides).unwrap()
}

fn storm() -> RetryStorm {
    find_retry_storm(&plan()).unwrap()
}

fn question(rates: &[f64]) -> MapQuestion {
    MapQuestion { rates: Some(rates.into()), between: None, max_runs: 50, twin: None }
}

fn strategy(rates: &[f64]) -> MapStrategy {
    question(rates).strategy(&plan()).unwrap()
}

/// Runs a campaign to its end. `tips` says whether the system tips in a cell.
fn campaign(map: &MapStrategy, mut tips: impl FnMut(Cell) -> bool) -> CampaignResult {
    let mut runs: Vec<RunOutcome> = Vec::new();
    while let Some(request) = map.next(&valid_runs(&runs), true) {
        assert!(map.left(&valid_runs(&runs), true).runs > 0);
        let verdict = if tips(request.cell) { "METASTABLE" } else { "RECOVERED" };
        let mut run = run(request.cell, verdict, 0.0);
        run.record.run = runs.len() as u32 + 1;
        runs.push(run);
        assert!(runs.len() <= 60);
    }
    assert_eq!(map.left(&valid_runs(&runs), true).runs, 0);
    CampaignResult { runs, end: CampaignEnd::Ended(Ending::Answered) }
}

/// A retry storm whose outcomes are chance near the boundary: a logistic curve of the scale 0.05, in natural logarithms.
fn noisy_storm(seed: u64) -> impl FnMut(Cell) -> bool {
    let (storm, mut random) = (storm(), RandomStream::new(seed, 7));
    move |cell| {
        let draw = random.draw_unit();
        storm.tipping_outage(cell.rate).is_some_and(|boundary| {
            let distance = (cell.outage.as_secs_f64() / boundary.as_secs_f64()).ln();
            draw < 1.0 / (1.0 + (-distance / 0.05).exp())
        })
    }
}

fn sentence(map: &MapStrategy, result: &CampaignResult) -> String {
    let answer = MapAnswer::of(map, result);
    format!("{} {}: {}", answer.exit_code(), answer.name(), answer.sentence())
}

#[test]
fn five_columns_of_a_retry_storm_are_known_within_fifty_runs() {
    let map = strategy(&RATES);
    let (mut errors, mut counts, mut covered) = (Vec::new(), Vec::new(), 0);
    for seed in 0..60 {
        let result = campaign(&map, noisy_storm(seed));
        counts.push(result.runs.len());
        let answer = MapAnswer::of(&map, &result);
        for point in &answer.curve {
            let boundary = storm().tipping_outage(point.rate).unwrap().as_secs_f64();
            errors.push((point.outage.value / boundary - 1.0).abs());
            covered += usize::from(point.outage.interval.contains(boundary));
        }
    }
    errors.sort_by(f64::total_cmp);
    counts.sort_unstable();
    let share = errors.iter().filter(|&&error| error <= 0.25).count() as f64 / errors.len() as f64;
    let coverage = covered as f64 / errors.len() as f64;
    assert!(*counts.last().unwrap() <= 50, "{counts:?}");
    assert!(share > 0.97 && coverage > 0.88, "{share} within 25 %, {coverage} in their band");
}

#[test]
fn the_map_begins_at_the_rate_of_the_experiment_and_goes_outwards() {
    let result = campaign(&strategy(&RATES), |cell| cell.outage >= storm().tipping_outage(cell.rate).unwrap());
    let cells: Vec<Cell> = result.runs.iter().map(RunOutcome::cell).collect();
    let mut order: Vec<f64> =
        cells.iter().enumerate().filter(|(i, _)| i % 10 != 9).map(|(_, cell)| cell.rate).collect();
    order.dedup();
    assert_eq!(order, [200.0, 260.0, 140.0, 320.0, 360.0]);
    assert!(cells.iter().enumerate().all(|(i, cell)| cell.seed == 1 + i as u64), "each run has its own arrivals");
    // The neighbour's boundary is a good guess, so that the first runs of the next column are near it.
    let first = (0..).map(|i| (i, cells[i])).find(|(i, cell)| i % 10 != 9 && cell.rate == 260.0).unwrap().1;
    assert!((first.outage.as_secs_f64() / 0.3 - 1.0).abs() < 0.3, "{first:?}");
    // Every tenth run is elsewhere.
    assert!(result.runs.len() > 20);
    insta::assert_snapshot!(sentence(&strategy(&RATES), &result));
}

#[test]
fn a_column_in_which_nothing_tips_says_so_after_few_runs() {
    let map = strategy(&[100.0, 120.0, 200.0]);
    let result = campaign(&map, noisy_storm(1));
    let of = |rate| result.runs.iter().filter(|run| run.cell().rate == rate).count();
    assert!(of(120.0) <= 6 && of(100.0) <= 3, "{} {}", of(120.0), of(100.0));
    insta::assert_snapshot!(sentence(&map, &result));
    let figure = question(&[100.0, 120.0, 200.0]).answer(&plan(), &map, &result).unwrap().figures;
    assert!(figure[0].svg.contains("120/s: no outage up to 30 s tips"));
}

#[test]
fn a_column_that_is_far_from_its_neighbour_is_found_too() {
    let map = strategy(&[200.0, 390.0]);
    let boundary = |rate| if rate < 300.0 { 5.0 } else { 0.025 };
    let result = campaign(&map, |cell| cell.outage.as_secs_f64() >= boundary(cell.rate));
    let answer = MapAnswer::of(&map, &result);
    for point in &answer.curve {
        assert!((point.outage.value / boundary(point.rate)).ln().abs() < 0.25, "{}", answer.sentence());
    }
    assert_eq!((answer.name(), answer.curve.len()), ("MAPPED", 2));
}

#[test]
fn runs_that_contradict_each_other_are_reported() {
    // Outages of 3 s to 10 s do not tip: a system that sheds its queue after a long outage.
    let map = strategy(&RATES);
    let result = campaign(&map, |cell| {
        let outage = cell.outage.as_secs_f64();
        (0.3..3.0).contains(&outage) || outage >= 10.0
    });
    let long = RunOutcome::clone(result.runs.last().unwrap());
    let cell = Cell { outage: secs(5), ..long.cell() };
    let result = CampaignResult { runs: [result.runs, vec![run(cell, "RECOVERED", 1.0)]].concat(), ..result };
    let answer = MapAnswer::of(&map, &result);
    assert!(answer.sentence().contains("Tipping was not monotone"), "{}", answer.sentence());
    let details = MapDetails::new(&answer, None, None);
    assert!(details.contradictions.iter().any(|pair| pair.outage_ratio > 1.5), "{details:?}");
}

#[test]
fn columns_that_are_not_as_precise_as_planned_are_named() {
    let map = strategy(&[200.0]);
    let search = BisectionPlan { max_runs: 5, ..*map.search.bisection().plan() };
    let map = MapStrategy { search: BoundarySearch::new(search, 0).unwrap(), ..map };
    let text = sentence(&map, &campaign(&map, noisy_storm(1)));
    assert!(text.contains("After 5 runs the interval is wider than a ratio of 1.5 at 200/s."), "{text}");
}

#[test]
fn a_column_that_the_system_does_not_carry_does_not_end_the_map() {
    let map = strategy(&[140.0, 200.0, 390.0, 420.0]);
    let mut runs: Vec<RunOutcome> = Vec::new();
    loop {
        let state = CampaignState {
            runs: &runs,
            earlier: 0,
            client_timeout: None,
            same_system: true,
            shed: None,
            budget: None,
            spent: Time::ZERO,
        };
        let Step::Run(Request { cell, .. }) = next_step(&map, &state) else { break };
        let tips = || cell.outage >= storm().tipping_outage(cell.rate).unwrap();
        let verdict = match cell.rate {
            rate if rate > 380.0 => UNHEALTHY,
            _ if tips() => "METASTABLE",
            _ => "RECOVERED",
        };
        runs.push(run(cell, verdict, 0.0));
        assert!(runs.len() < 60);
    }
    assert!(runs.iter().filter(|run| run.cell().rate > 380.0).count() <= 6, "three tries, and random runs");
    let text = sentence(&map, &CampaignResult { runs, end: CampaignEnd::Ended(Ending::Answered) });
    assert!(
        text.contains("17 INCOMPLETE") && text.contains("at 140/s") && text.contains("does not carry 390"),
        "{text}"
    );
}

#[test]
fn a_map_that_ends_early_says_why() {
    let map = strategy(&RATES);
    let complete = campaign(&map, noisy_storm(2)).runs;
    let after = |count: usize, end| sentence(&map, &CampaignResult { runs: complete[..count].to_vec(), end });
    let too_high = {
        let invalid = run(Cell { rate: 360.0, ..complete[0].cell() }, UNHEALTHY, 0.0);
        let valid = complete.iter().filter(|run| run.cell().rate < 300.0).take(12).cloned();
        let runs = valid.chain(vec![invalid; 3]).collect();
        sentence(&map, &CampaignResult { runs, end: CampaignEnd::Ended(Ending::Permanent) })
    };
    let few = MapStrategy { max_runs: 12, ..map.clone() };
    let all = [
        after(0, CampaignEnd::Stopped(StopSignal::Interrupt)),
        after(14, CampaignEnd::Ended(Ending::BudgetSpent { expected: secs(73) })),
        too_high,
        sentence(&few, &campaign(&few, noisy_storm(2))),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn without_given_rates_the_first_run_is_the_experiment() {
    let embedded = Overrides { early: Some(secs(20)), ..Overrides::default() };
    let plan = read_plan(None, &embedded).unwrap().plan;
    let map = MapQuestion { rates: None, between: None, max_runs: 50, twin: None };
    let strategy = map.strategy(&plan).unwrap();
    assert_eq!(strategy.next(&[], true).unwrap().cell, Cell::of(&plan));
    assert!((25..=50).contains(&strategy.left(&[], true).runs), "{:?}", strategy.left(&[], true));
    // An experiment that recovers tells nothing of the stable rate.
    let recovered = run(Cell::of(&plan), "RECOVERED", 1.0);
    let result = CampaignResult { runs: vec![recovered], end: CampaignEnd::Ended(Ending::Answered) };
    assert_eq!(strategy.next(&valid_runs(&result.runs), true), None);
    insta::assert_snapshot!(sentence(&strategy, &result));
}

#[test]
fn without_given_rates_the_columns_follow_from_the_predicted_stable_rate() {
    let map = MapQuestion { rates: None, between: None, max_runs: 50, twin: None };
    let strategy = map.strategy(&plan()).unwrap();
    let mut tips = noisy_storm(4);
    let mut runs: Vec<RunOutcome> = Vec::new();
    while let Some(request) = strategy.next(&valid_runs(&runs), true) {
        let cell = request.cell;
        let predicts = cell.ramp.is_some() || cell == Cell::of(&plan());
        let verdict = if tips(cell) { "METASTABLE" } else { "RECOVERED" };
        runs.push(if predicts { STORM.run(cell) } else { run(cell, verdict, 0.0) });
    }
    assert!(runs.len() <= 50, "{}", runs.len());
    let result = CampaignResult { runs, end: CampaignEnd::Ended(Ending::Answered) };
    let answer = MapAnswer::of(&strategy, &result);
    let rates: Vec<f64> = answer.columns.iter().map(|column| column.rate).collect();
    assert_eq!((answer.name(), &rates[..]), ("MAPPED", &[144.0, 164.0, 186.0, 211.0, 240.0][..]));
    let figure = map.answer(&plan(), &strategy, &result).unwrap().figures;
    assert!(figure[0].svg.contains("stable rate 133/s") && figure[0].svg.contains("capacity 400/s"));
}

#[test]
fn no_column_is_close_to_the_capacity() {
    let strategy = MapQuestion { rates: None, between: None, max_runs: 50, twin: None }.strategy(&plan()).unwrap();
    let interval = Interval { low: 200.0, high: 220.0, confidence: Confidence::P90 };
    let capacity = |value| Some(Estimate { value, interval });
    let largest = [None, capacity(400.0), capacity(210.0)].map(|capacity| strategy.largest_rate(capacity));
    assert_eq!(largest, [240.0, 240.0, 200.0], "1.2 times 200 requests/s, or 0.95 times the capacity");
}

#[test]
fn only_a_retry_storm_without_pauses_has_a_closed_form() {
    assert_eq!(storm(), RetryStorm { capacity: 400.0, timeout: Time::from_millis(200), retries: 2 });
    let text = include_str!("../../../experiments/retry-storm.toml");
    let of = |text: &str| {
        let plan = parse(text, "x.toml", std::path::Path::new(""), &Overrides::default()).unwrap();
        find_retry_storm(&plan)
    };
    assert_eq!(of(&text.replace("backoff = \"0s\"", "backoff = \"50ms\"")), None);
    assert_eq!(of(&text.replace("on-timeout = \"abandon\"", "on-timeout = \"wait\"")), None);
    assert_eq!(find_retry_storm(&read_plan(None, &Overrides::default()).unwrap().plan), None);
}

#[test]
fn the_same_runs_give_the_same_answer_and_the_file_has_the_question() {
    let (question, plan) = (question(&RATES), plan());
    let map = question.strategy(&plan).unwrap();
    let result = campaign(&map, noisy_storm(3));
    let answer = question.answer(&plan, &map, &result).unwrap();
    let json = serde_json::to_value(&answer.details).unwrap();
    assert_documented(&json);
    assert_eq!((json["columns"].as_array().unwrap().len(), &json["columns"][1]["rate"]), (5, &200.0.into()));
    assert_eq!((&json["columns"][1]["closed_form"], &json["stable_rate"]), (&0.3.into(), &serde_json::Value::Null));
    assert!((json["closed_form_stable_rate"].as_f64().unwrap() - 133.3).abs() < 0.1);
    let [figure] = &answer.figures[..] else { panic!("{}", answer.figures.len()) };
    assert!(figure.file_stem == "map" && figure.svg.contains("closed form"));
    assert_eq!(toml::from_str::<MapQuestion>(&toml::to_string(&question).unwrap()).unwrap(), question);
    let default =
        MapQuestion { rates: None, between: Some((Time::from_millis(50), secs(10))), max_runs: 9, twin: None };
    assert_eq!(toml::from_str::<MapQuestion>(&toml::to_string(&default).unwrap()).unwrap(), default);
}

#[test]
fn the_prediction_of_a_twin_is_below_the_map() {
    let text = include_str!("../../../experiments/twin/retry-storm.toml");
    let twin = TwinPlan::parse(text, "x.toml", &TwinOverrides::default()).unwrap();
    let question = MapQuestion { twin: Some(Box::new(twin.settings().clone())), ..question(&[240.0]) };
    // The twin is in the file of the campaign, so the prediction can be made again.
    assert_eq!(toml::from_str::<MapQuestion>(&toml::to_string(&question).unwrap()).unwrap(), question);
    let (plan, map) = (plan(), question.strategy(&plan()).unwrap());
    let answer = question.answer(&plan, &map, &campaign(&map, noisy_storm(3))).unwrap();
    assert!(answer.sentence.contains(" The twin retry-storm predicts (range of 5 seeds): 0."), "{}", answer.sentence);
    assert!(answer.figures[0].svg.contains("predicted by the twin"));
    let json = serde_json::to_value(&answer.details).unwrap();
    assert_documented(&json);
    let predicted = json["twin"]["columns"][0]["value"].as_f64().unwrap();
    assert!((predicted / 0.267 - 1.0).abs() < 0.2, "{predicted}");
    // Without runs there is nothing to compare with, and a twin that is too large leaves the measured map as it is.
    let nothing = CampaignResult { runs: vec![], end: CampaignEnd::Stopped(StopSignal::Interrupt) };
    assert!(question.answer(&plan, &map, &nothing).unwrap().figures.is_empty());
    let mut large = twin.settings().clone();
    large.load.threads = 0;
    let large = MapQuestion { twin: Some(Box::new(large)), ..question };
    assert!(large.strategy(&plan).is_err());
}

#[test]
fn what_cannot_be_mapped_is_refused() {
    let refused = |question: MapQuestion, plan: &ExperimentPlan| question.strategy(plan).unwrap_err().to_string();
    let healthy = Overrides { early: Some(secs(20)), outage: Some(Time::ZERO), ..Overrides::default() };
    let all = [
        refused(question(&RATES), &read_plan(None, &healthy).unwrap().plan),
        refused(question(&[200.0, 1e9]), &plan()),
        refused(MapQuestion { between: Some((secs(2), secs(1))), ..question(&RATES) }, &plan()),
    ];
    insta::assert_snapshot!(all.join("\n"));
}
