use serde::Serialize;

use crate::lab::statistics::isotonic::OutageColumn;
use crate::twin::answer::BoundaryRange;
use crate::twin::map::{ColumnOutage, TwinColumn, TwinMap, TwinMapPlan, TwinMapRun};
use crate::twin::plan::TwinPlan;
use crate::units::{Time, format_three_digits};

/// A predicted map as data. Serialized, it is the file `map.json`. Outages are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TwinMapAnswer {
    pub schema: u32,
    /// The name of the twin.
    pub name: String,
    /// The first seed, and how many there are.
    pub seed: u64,
    pub seeds: u64,
    pub shortest_s: f64,
    pub longest_s: f64,
    /// In attempts/s.
    pub capacity: f64,
    /// In requests/s. `None` if it was not searched.
    pub stable_rate: Option<BoundaryRange>,
    pub columns: Vec<TwinColumnDetails>,
    /// How many runs of the columns were simulated.
    pub runs: usize,
}

/// The shortest outage that tips at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TwinColumnDetails {
    pub rate: f64,
    /// `found`, `never_tipped`, `always_tipped` or `overloaded`.
    pub answer: &'static str,
    /// The median of the seeds, and their least and largest one. `None` unless it was found.
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl From<&TwinColumn> for TwinColumnDetails {
    fn from(&TwinColumn { rate, outage }: &TwinColumn) -> TwinColumnDetails {
        let without = |answer| TwinColumnDetails { rate, answer, value: None, low: None, high: None };
        match outage {
            ColumnOutage::Found { low, value, high } => {
                TwinColumnDetails { rate, answer: "found", value: Some(value), low: Some(low), high: Some(high) }
            }
            ColumnOutage::Never => without("never_tipped"),
            ColumnOutage::Always => without("always_tipped"),
            ColumnOutage::Overloaded => without("overloaded"),
        }
    }
}

impl TwinMapAnswer {
    pub fn new(twin: &TwinPlan, plan: &TwinMapPlan, map: &TwinMap) -> TwinMapAnswer {
        TwinMapAnswer {
            schema: 1,
            name: twin.name().to_owned(),
            seed: twin.settings().load.seed,
            seeds: plan.seeds,
            shortest_s: plan.outages.0.as_secs_f64(),
            longest_s: plan.outages.1.as_secs_f64(),
            capacity: map.capacity,
            stable_rate: map.stable_rate.map(BoundaryRange::from),
            columns: map.columns.iter().map(TwinColumnDetails::from).collect(),
            runs: map.runs.len(),
        }
    }

    /// `5 seeds`, or `1 seed`
    pub fn describe_seeds(&self) -> String {
        format!("{} seed{}", self.seeds, if self.seeds == 1 { "" } else { "s" })
    }

    /// The answer in a few sentences.
    pub fn sentence(&self) -> String {
        let stable_rate = self.stable_rate.and_then(|range| range.value);
        let stable_rate = stable_rate.map(|rate| format!("Stable rate {} requests/s. ", format_three_digits(rate)));
        format!(
            "predicted shortest outages that tip the system (range of {}): {}; by {} simulated runs. {}Capacity {} \
             attempts/s.",
            self.describe_seeds(),
            self.describe_columns(),
            self.runs,
            stable_rate.unwrap_or_default(),
            format_three_digits(self.capacity)
        )
    }

    /// What the twin predicted for the columns of a measured map, and how far from it they are.
    pub fn compare(&self, measured: &[OutageColumn]) -> String {
        let error = |column: &TwinColumnDetails| {
            let measured = measured.iter().find(|measured| measured.rate == column.rate)?;
            Some((measured.outage.value / column.value?).ln().abs())
        };
        let errors: Vec<f64> = self.columns.iter().filter_map(error).collect();
        let largest = errors.iter().copied().fold(0.0, f64::max).exp();
        let distance = match errors.is_empty() {
            true => String::new(),
            false => format!("; the measured ones are within a factor of {largest:.2} of that"),
        };
        format!(
            "The twin {} predicts (range of {}): {}{distance}.",
            self.name,
            self.describe_seeds(),
            self.describe_columns()
        )
    }

    fn describe_columns(&self) -> String {
        let [shortest, longest] = [self.shortest_s, self.longest_s].map(format_three_digits);
        let describe = |column: &TwinColumnDetails| {
            let TwinColumnDetails { rate, answer, value, low, high } = *column;
            match ([value, low, high].map(|outage| outage.map(format_three_digits)), answer) {
                ([Some(value), Some(low), Some(high)], _) => format!("{value} s ({low}..{high}) at {rate}/s"),
                (_, "never_tipped") => format!("none up to {longest} s at {rate}/s"),
                (_, "always_tipped") => format!("less than {shortest} s at {rate}/s"),
                _ => format!("overloaded without an outage at {rate}/s"),
            }
        };
        self.columns.iter().map(describe).collect::<Vec<_>>().join(", ")
    }
}

/// `cells.csv` of a predicted map: a row for each simulated run.
///
/// # Errors
/// None that data could cause.
pub fn format_runs(runs: &[TwinMapRun]) -> Result<Vec<u8>, csv::Error> {
    #[derive(Serialize)]
    struct Row<'a> {
        rate: f64,
        outage_s: f64,
        seed: u64,
        verdict: &'a str,
    }
    let mut table = csv::Writer::from_writer(Vec::new());
    for TwinMapRun { rate, outage, seed, verdict } in runs {
        table.serialize(Row { rate: *rate, outage_s: Time::as_secs_f64(*outage), seed: *seed, verdict })?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}
