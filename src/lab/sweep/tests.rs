//! Hysteresis loops of made-up systems.

use super::answer::SweepAnswer;
use super::strategy::SweepLoop;
use super::{SweepQuestion, figure::draw_loop};
use crate::lab::campaign::question::Question;
use crate::lab::campaign::run::CampaignEnd;
use crate::lab::campaign::schedule::Ending;
use crate::lab::campaign::tests::secs;
use crate::lab::stable::prediction::Method;
use crate::lab::stable::tests::{MEMORY, MadeUp, STORM, finish, plan, predictor};

fn sweep(abandons: bool) -> SweepLoop {
    SweepLoop { predictor: predictor(Some(Method::Sweeps), abandons) }
}

#[test]
fn the_loop_has_both_branches_and_the_corrected_rate() {
    for (system, abandons) in [(MEMORY, false), (STORM, true)] {
        let sweep = sweep(abandons);
        let result = finish(&sweep, system);
        assert_eq!(result.runs.len(), 4);
        let SweepAnswer::Found(found) = SweepAnswer::of(&sweep, &result) else { panic!("{:?}", result.runs) };
        assert!((found.stable_rate.value / system.stable_rate - 1.0).abs() < 0.05, "{found:?}");
        let [gentle, steep] = found.return_rates;
        assert!(steep < gentle && gentle < found.stable_rate.value, "{found:?}");
        assert_eq!(found.tipped, system.capacity < 900.0);
        let figure = draw_loop(&plan(), &sweep, &result, Some(found.stable_rate)).unwrap();
        assert!(figure.up.iter().all(|&(rate, good)| (good / rate - 1.0).abs() < 0.02), "{:?}", figure.up);
        let (first, last) = (figure.gentle[0], figure.gentle[figure.gentle.len() - 1]);
        assert!(first.1 < 0.1 * first.0 && last.1 > 0.9 * last.0, "{:?}", figure.gentle);
    }
}

#[test]
fn each_answer_has_its_name_and_sentence() {
    let sentences: Vec<String> =
        [MEMORY, STORM, MadeUp { stable_rate: 500.0, ..MEMORY }, MadeUp { backlog: 1e6, ..MEMORY }]
            .map(|system| {
                let sweep = sweep(system.attempts.is_some());
                let answer = SweepAnswer::of(&sweep, &finish(&sweep, system));
                format!("{} {}: {}", answer.exit_code(), answer.name(), answer.sentence(300.0))
            })
            .into();
    insta::assert_snapshot!(sentences.join("\n"));
}

#[test]
fn an_unfinished_loop_says_why() {
    let sweep = sweep(false);
    let mut result = finish(&sweep, MEMORY);
    result.runs.pop();
    result.end = CampaignEnd::Ended(Ending::BudgetSpent { expected: secs(120) });
    let answer = SweepQuestion {}.answer(&plan(), &sweep, &result).unwrap();
    assert_eq!((answer.name.as_str(), answer.exit_code, answer.figures.len()), ("UNANSWERED", 20, 1));
}
