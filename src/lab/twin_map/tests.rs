use super::*;
use crate::lab::statistics::interval::{Confidence, Estimate, Interval};
use crate::lab::statistics::isotonic::OutageColumn;
use crate::report::figures::Drawing;
use crate::twin::boundary::Boundary;
use crate::twin::map::{ColumnOutage, DEFAULT_OUTAGES, TwinColumn, TwinMap, TwinMapPlan, TwinMapRun};
use crate::twin::plan::{TwinOverrides, TwinPlan};
use crate::units::Time;

const RETRY_STORM: &str = include_str!("../../../experiments/twin/retry-storm.toml");

/// A prediction with a column of each kind.
fn answer() -> TwinMapAnswer {
    let twin = TwinPlan::parse(RETRY_STORM, "x.toml", &TwinOverrides::default()).unwrap();
    let plan = TwinMapPlan { rates: None, outages: DEFAULT_OUTAGES, seeds: 3, stable_rate: true };
    let column = |rate, outage| TwinColumn { rate, outage };
    let map = TwinMap {
        columns: vec![
            column(120.0, ColumnOutage::Never),
            column(200.0, ColumnOutage::Found { low: 0.27, value: 0.3, high: 0.33 }),
            column(300.0, ColumnOutage::Found { low: 0.22, value: 0.24, high: 0.25 }),
            column(390.0, ColumnOutage::Always),
            column(420.0, ColumnOutage::Overloaded),
        ],
        stable_rate: Some(Boundary::Between(133.0, 134.0)),
        capacity: 400.0,
        runs: vec![TwinMapRun {
            rate: 200.0,
            outage: Time::from_millis(300),
            seed: 1,
            verdict: "METASTABLE".to_owned(),
        }],
    };
    TwinMapAnswer::new(&twin, &plan, &map)
}

#[test]
fn the_sentence_has_each_column() {
    insta::assert_snapshot!(answer().sentence(), @"predicted shortest outages that tip the system (range of 3 seeds): none up to 30 s at 120/s, 0.3 s (0.27..0.33) at 200/s, 0.24 s (0.22..0.25) at 300/s, less than 0.02 s at 390/s, overloaded without an outage at 420/s; by 1 simulated runs. Stable rate 133 requests/s. Capacity 400 attempts/s.");
}

#[test]
fn a_prediction_is_compared_with_the_columns_that_were_measured() {
    let measured = |rate, value: f64| {
        let interval = Interval { low: value / 1.2, high: value * 1.2, confidence: Confidence::P90 };
        OutageColumn { rate, outage: Estimate { value, interval } }
    };
    let text = answer().compare(&[measured(200.0, 0.27), measured(300.0, 0.25), measured(120.0, 20.0)]);
    assert!(text.starts_with("The twin retry-storm predicts (range of 3 seeds): none up to 30 s at 120/s, "), "{text}");
    // 0.3 / 0.27
    assert!(text.ends_with("; the measured ones are within a factor of 1.11 of that."), "{text}");
    let text = answer().compare(&[]);
    assert!(text.ends_with("overloaded without an outage at 420/s."), "{text}");
}

#[test]
fn the_figure_is_that_of_a_map_without_runs() {
    let figure = draw_twin_map(&answer());
    let svg = figure.render_svg().unwrap();
    let texts =
        ["predicted", "range of the seeds", "stable rate 133/s", "capacity 400/s", "120/s: no outage up to 30 s tips"];
    for text in texts {
        assert!(svg.contains(text), "{text}");
    }
    assert!(!svg.contains("METASTABLE") && !svg.contains("90 % interval"));
    assert_eq!(figure.curve.len(), 2);
    let far = TwinMapAnswer { capacity: 4000.0, ..answer() };
    assert!(!draw_twin_map(&far).render_svg().unwrap().contains("capacity"));
}

#[test]
fn the_table_has_a_row_for_each_simulated_run() {
    let runs = [TwinMapRun { rate: 200.0, outage: Time::from_millis(300), seed: 1, verdict: "METASTABLE".to_owned() }];
    let table = String::from_utf8(format_runs(&runs).unwrap()).unwrap();
    assert_eq!(table, "rate,outage_s,seed,verdict\n200.0,0.3,1,METASTABLE\n");
}
