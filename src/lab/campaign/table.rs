//! `cells.csv`: a row for each run of a campaign.

use serde::Serialize;

use super::outcome::{RunOutcome, SystemUse};

/// A run in a table. docs/laboratory.md describes the columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRow {
    pub run: u32,
    pub rate: f64,
    pub outage_s: f64,
    pub ramp_from: Option<f64>,
    pub ramp_to: Option<f64>,
    pub ramp_s: Option<f64>,
    pub seed: u64,
    pub verdict: String,
    pub valid: bool,
    pub recovery_s: Option<f64>,
    pub loss_s: Option<f64>,
    pub baseline_goodput: Option<f64>,
    pub last_goodput: Option<f64>,
    pub in_flight_max: u64,
    pub system: SystemUse,
    pub shed_s: f64,
    pub folder: String,
}

impl RunRow {
    pub fn of(run: &RunOutcome) -> RunRow {
        let (record, verdict) = (&run.record, &run.verdict);
        RunRow {
            run: record.run,
            rate: record.cell.rate,
            outage_s: record.cell.outage.as_secs_f64(),
            ramp_from: record.cell.ramp.map(|ramp| ramp.from),
            ramp_to: record.cell.ramp.map(|ramp| ramp.to),
            ramp_s: record.cell.ramp.map(|ramp| ramp.lasts.as_secs_f64()),
            seed: record.cell.seed,
            verdict: verdict.name.clone(),
            valid: run.is_valid(),
            recovery_s: verdict.tau_ns.map(|ns| ns as f64 / 1e9),
            loss_s: verdict.loss_seconds,
            baseline_goodput: verdict.baseline_goodput,
            last_goodput: run.last.map(|last| last.share()),
            in_flight_max: run.in_flight_max,
            system: record.system,
            shed_s: record.shed.as_secs_f64(),
            folder: run.folder.clone(),
        }
    }
}

/// The text of the table.
///
/// # Errors
/// None that data could cause.
pub fn format_table(runs: &[RunOutcome]) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    runs.iter().try_for_each(|run| table.serialize(RunRow::of(run)))?;
    table.into_inner().map_err(|error| error.into_error().into())
}
