//! Reads what is compared: a results folder, the records of a load, or the JSON of a load.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::metric::Metric;
use super::run::{ComparedRun, ComparedVerdict, Phase, PhaseContent, PhaseName, PhaseSorter};
use crate::input;
use crate::record::folder::{FolderError, ReportLock, read_folder};
use crate::record::{FileError, folder::RequestRows};
use crate::report::{ReportDataError, read_report_data};
use crate::units::Instant;

/// Why a run cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Report(#[from] ReportDataError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the run in {} goes on. Compare it when it has ended", .0.display())]
    Running(PathBuf),
    #[error(
        "{} is the folder of a campaign, which has many runs. Name one of them, in {}/cells",
        .0.display(), .0.display()
    )]
    Campaign(PathBuf),
    #[error(
        "{} is neither a results folder, nor records as Parquet (--record FILE.parquet), nor the JSON of a load (--json FILE)",
        .0.display()
    )]
    Unknown(PathBuf),
    #[error("cannot compare {}: it has no request after its warm-up", .0.display())]
    Empty(PathBuf),
}

/// Reads a run.
///
/// # Errors
/// [`ReadError`] names the file or folder.
pub fn read_run(path: &Path) -> Result<ComparedRun, ReadError> {
    let run = if path.is_dir() { read_results(path)? } else { read_file(path)? };
    if run.phases.is_empty() { Err(ReadError::Empty(path.to_owned())) } else { Ok(run) }
}

fn read_results(dir: &Path) -> Result<ComparedRun, ReadError> {
    if dir.join("campaign.toml").exists() {
        return Err(ReadError::Campaign(dir.to_owned()));
    }
    let lock = ReportLock::acquire(dir, || {})?.ok_or_else(|| ReadError::Running(dir.to_owned()))?;
    let (_, data) = read_report_data(dir, &lock)?;
    let recorded = read_folder(dir, &lock)?;
    let from = data.faults.iter().map(|fault| fault.from).min();
    let to = data.faults.iter().map(|fault| fault.to).collect::<Option<Vec<Instant>>>();
    let fault = from.map(|from| (from, to.and_then(|ends| ends.into_iter().max())));
    let mut sorter = PhaseSorter::new(Some(data.slo), fault);
    recorded.requests.for_each_batch(|records| {
        records.iter().for_each(|record| sorter.add(record));
        Ok(())
    })?;
    let verdict = ComparedVerdict {
        name: data.explanation.name.clone(),
        exit_code: data.explanation.exit_code,
        recovery_s: data.explanation.tau_ns.map(|ns| ns as f64 / 1e9),
    };
    Ok(ComparedRun {
        name: dir.display().to_string(),
        verdict: Some(verdict),
        settings: flatten_toml(&recorded.plan),
        has_slo: true,
        phases: sorter.finish(),
    })
}

/// The most bytes of the JSON of a load.
const MAX_JSON: u64 = 64 << 20;
/// The first bytes of a Parquet file.
const PARQUET: &[u8] = b"PAR1";

fn read_file(path: &Path) -> Result<ComparedRun, ReadError> {
    let mut file = File::open(path).map_err(FileError::io(path, "read"))?;
    let mut start = Vec::new();
    file.by_ref().take(PARQUET.len() as u64).read_to_end(&mut start).map_err(FileError::io(path, "read"))?;
    let phases = match &start[..] {
        PARQUET => {
            let mut sorter = PhaseSorter::new(None, None);
            RequestRows::Parquet(vec![path.to_owned()]).for_each_batch(|records| {
                records.iter().for_each(|record| sorter.add(record));
                Ok(())
            })?;
            sorter.finish()
        }
        [b'{', ..] => return read_json(path),
        _ => return Err(ReadError::Unknown(path.to_owned())),
    };
    Ok(ComparedRun { name: path.display().to_string(), verdict: None, settings: Vec::new(), has_slo: false, phases })
}

/// The JSON of a load has percentiles, and nothing that tells how much they vary.
fn read_json(path: &Path) -> Result<ComparedRun, ReadError> {
    const REMEDY: &str = "Write it again with --json";
    let bytes = input::read_named(path, MAX_JSON).map_err(FileError::io(path, "read"))?;
    let json: Value = serde_json::from_slice(&bytes).map_err(|error| FileError::invalid(path, error, REMEDY))?;
    let (account, response) = (&json["account"], &json["response"]);
    let number = |value: &Value| value.as_f64();
    let (Some(scheduled), Some(with_error)) = (number(&account["scheduled"]), number(&account["with_error"])) else {
        return Err(ReadError::Unknown(path.to_owned()));
    };
    let has_responses = response["count"].as_f64().is_some_and(|count| count > 0.0);
    let of_response = |metric: Metric| Some((metric, number(&response[metric.name()])?));
    let times = Metric::ALL.into_iter().filter_map(of_response).filter(|_| has_responses);
    let errors = (scheduled > 0.0).then(|| (Metric::Errors, with_error / scheduled));
    let content = PhaseContent::Summary { requests: scheduled as u64, values: times.chain(errors).collect() };
    let plan = json["plan"].as_array().into_iter().flatten().enumerate();
    let settings = plan.flat_map(|(number, plan)| {
        let mut found = Vec::new();
        flatten_json(plan, &format!("plan.{number}"), &mut found);
        found
    });
    Ok(ComparedRun {
        name: path.display().to_string(),
        verdict: None,
        settings: settings.collect(),
        has_slo: false,
        phases: vec![Phase { name: PhaseName::Load, content }],
    })
}

/// The values of a TOML text by their keys: `load.rate`. Empty for an invalid text.
fn flatten_toml(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Ok(table) = text.parse::<toml::Table>()
        && let Ok(json) = serde_json::to_value(table)
    {
        flatten_json(&json, "", &mut found);
    }
    found
}

fn flatten_json(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten_json(value, &below(name), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| flatten_json(item, &below(&i.to_string()), found));
        }
        Value::Null => {}
        Value::String(text) => found.push((at.to_owned(), text.clone())),
        other => found.push((at.to_owned(), other.to_string())),
    }
}
