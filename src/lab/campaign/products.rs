//! The files that hold the answer of a campaign: `campaign.json`, the figures and `report.html`.

use serde::Serialize;

use super::folder::{CELLS, CampaignFolder, CampaignFolderError};
use super::outcome::RunOutcome;
use super::question::{Answer, AnswerFigure};
use super::table::RunRow;
use crate::report::html::campaign::{CampaignPage, CampaignRow, render_campaign};

/// The version of [`CampaignReport`].
pub const SCHEMA: u32 = 1;

/// `campaign.json`
#[derive(Clone, Debug, Serialize)]
pub struct CampaignReport<'a, Details> {
    pub schema: u32,
    pub command: &'static str,
    /// The name of the experiment.
    pub name: &'a str,
    pub answer: &'a str,
    pub sentence: &'a str,
    pub exit_code: u8,
    #[serde(flatten)]
    pub details: &'a Details,
    pub runs: Vec<RunRow>,
}

/// Writes the answer of the campaign of the experiment `name`. Returns the text of `campaign.json`.
///
/// # Errors
/// [`CampaignFolderError`] if a file cannot be written.
pub fn write_products<Details: Serialize>(
    folder: &CampaignFolder,
    command: &'static str,
    name: &str,
    answer: &Answer<Details>,
    runs: &[RunOutcome],
) -> Result<String, CampaignFolderError> {
    let Answer { name: answer_name, sentence, exit_code, tone, details, figures } = answer;
    let report = CampaignReport {
        schema: SCHEMA,
        command,
        name,
        answer: answer_name,
        sentence,
        exit_code: *exit_code,
        details,
        runs: runs.iter().map(RunRow::of).collect(),
    };
    let json = serde_json::to_string_pretty(&report)? + "\n";
    folder.write("campaign.json", json.as_bytes())?;
    for AnswerFigure { file_stem, png, svg, .. } in figures {
        folder.write(&format!("{file_stem}.png"), png)?;
        folder.write(&format!("{file_stem}.svg"), svg.as_bytes())?;
    }
    let page = CampaignPage {
        name: name.to_owned(),
        answer: answer_name.clone(),
        sentence: sentence.clone(),
        tone: *tone,
        figures: figures.iter().map(|figure| (figure.svg.clone(), figure.alt_text.clone())).collect(),
        columns: vec!["run", "requests/s", "outage", "verdict", "goodput at the end", "recovery", "system"],
        rows: runs.iter().map(row).collect(),
    };
    folder.write("report.html", render_campaign(&page).as_bytes())?;
    Ok(json)
}

fn row(run: &RunOutcome) -> CampaignRow {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let recovery = run.verdict.tau_ns.map(|ns| format!("{:.1} s", ns as f64 / 1e9));
    CampaignRow {
        report: format!("{CELLS}/{}/report.html", run.folder),
        cells: vec![
            run.record.run.to_string(),
            run.cell().describe_rate(),
            run.cell().outage.to_string(),
            run.verdict.name.clone(),
            run.last.map_or_else(|| "-".to_owned(), |last| percent(last.share())),
            recovery.unwrap_or_else(|| "-".to_owned()),
            run.record.system.name().to_owned(),
        ],
    }
}
