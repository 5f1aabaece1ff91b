//! What earlier runs of the same experiment, at other rates and in the same folder, say about the next rate.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::input;
use crate::report::ReportData;
use crate::units::round_digits;

/// The parts of `summary.json` that tell what a run showed.
#[derive(Deserialize)]
struct EarlierRun {
    name: String,
    verdict: EarlierVerdict,
    plan: EarlierPlan,
}

#[derive(Deserialize)]
struct EarlierVerdict {
    name: String,
}

#[derive(Deserialize)]
struct EarlierPlan {
    rate: f64,
    facts: Vec<(String, String)>,
}

/// The most folders that are looked at.
const MAX_FOLDERS: usize = 1000;
/// The largest `summary.json` that is read.
const MAX_SUMMARY: u64 = 64 << 20;
/// Two rates closer than this, as a ratio, need no rate between them.
const CLOSE: f64 = 1.05;

/// A sentence about the run in `dir` and the earlier ones beside it, if they show on both sides of a boundary.
pub fn suggest_rate(dir: &Path, data: &ReportData) -> Option<String> {
    let folders = fs::read_dir(dir.parent()?).ok()?.flatten().take(MAX_FOLDERS);
    // `latest` is a link to one of the others.
    let folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let runs = folders.filter_map(|entry| {
        let text = input::read_regular(&entry.path().join("summary.json"), MAX_SUMMARY).ok()?;
        let run: EarlierRun = serde_json::from_slice(&text).ok()?;
        let is_same = run.name == data.name && other_facts(&run.plan.facts).eq(other_facts(&data.facts));
        Some((run.plan.rate, has_recovered(&run.verdict.name)?)).filter(|_| is_same)
    });
    describe_boundary(&runs.collect::<Vec<_>>())
}

/// What a plan is, except its rate.
fn other_facts(facts: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    facts.iter().map(|(name, value)| match name.as_str() {
        "load" => (name.as_str(), value.split_once("requests/s").map_or("", |(_, rest)| rest)),
        _ => (name.as_str(), value.as_str()),
    })
}

/// Whether the system recovered from the fault; `None` if the verdict says neither.
fn has_recovered(verdict: &str) -> Option<bool> {
    match verdict {
        "RECOVERED" | "UNAFFECTED" => Some(true),
        "METASTABLE" | "DEGRADED" | "OSCILLATING" => Some(false),
        _ => None,
    }
}

/// Runs are rates, and whether the system recovered.
fn describe_boundary(runs: &[(f64, bool)]) -> Option<String> {
    let rates = |recovered: bool| runs.iter().filter(move |run| run.1 == recovered).map(|run| run.0);
    let (highest, lowest) = (rates(true).reduce(f64::max)?, rates(false).reduce(f64::min)?);
    Some(if highest >= lowest {
        format!(
            "Runs in this folder contradict each other: at {highest} requests/s the system recovered, at {lowest} it did \
             not. Near a boundary chance decides: `metawrk search stable` finds it, with its uncertainty."
        )
    } else if lowest <= CLOSE * highest {
        format!("By the runs in this folder, the boundary lies between {highest} and {lowest} requests/s.")
    } else {
        format!(
            "By the runs in this folder, the system recovers at {highest} requests/s, and not at {lowest}: try --rate {}.",
            round_digits((highest + lowest) / 2.0, 3)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_on_both_sides_of_a_boundary_give_a_rate_between_them() {
        assert_eq!(describe_boundary(&[(110.0, true), (50.0, true)]), None);
        assert_eq!(describe_boundary(&[(300.0, false)]), None);
        let text = |runs: &[(f64, bool)]| describe_boundary(runs).unwrap();
        insta::assert_snapshot!(text(&[(300.0, false), (110.0, true), (50.0, true), (130.0, false)]), @"By the runs in this folder, the system recovers at 110 requests/s, and not at 130: try --rate 120.");
        insta::assert_snapshot!(text(&[(120.0, true), (125.0, false)]), @"By the runs in this folder, the boundary lies between 120 and 125 requests/s.");
        assert!(text(&[(140.0, true), (125.0, false)]).contains("contradict each other"));
    }

    #[test]
    fn only_runs_of_the_same_plan_at_another_rate_count() {
        let facts = |load: &str| vec![("load".to_owned(), load.to_owned()), ("fault".to_owned(), "cut".to_owned())];
        let (a, b) = (facts("110 requests/s, fixed gaps"), facts("300 requests/s, fixed gaps"));
        assert!(other_facts(&a).eq(other_facts(&b)));
        assert!(!other_facts(&a).eq(other_facts(&facts("110 requests/s, Poisson arrivals, seed 1"))));
    }
}
