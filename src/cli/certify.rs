//! `metawrk certify`: whether a system has two states at one load.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::experiment_options::VariantOptions;
use super::progress_line::ProgressLine;
use crate::experiment::ExperimentRunner;
use crate::lab::campaign::folder::{CELLS, CampaignFile, CampaignFolder};
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::progress::CampaignProgress;
use crate::lab::campaign::run::{Campaign, CampaignEnd, CampaignObserver, CampaignResult};
use crate::lab::certify::{Certify, CertifyReport, DEFAULT_DWELL, draw_certificate};
use crate::out::{say, warn};
use crate::plan::ExperimentPlan;
use crate::plan::config::{AdaptedPlan, read_plan};
use crate::report::figures::Drawing;
use crate::report::html::campaign::{CampaignPage, CampaignRow, Tone, render_campaign};
use crate::units::Time;
use crate::whole_file;

const EXIT_CODES: &str = "\
Exit codes:
  0    success
  1    error or invalid usage
  130  ended by SIGINT
  143  ended by SIGTERM
  129  ended by SIGHUP

Exit codes of the answer, with --exit-code:
  0    NOT STUCK
  10   BISTABLE
  15   PERMANENT
  16   CURED BY A RESTART
  17   INCONCLUSIVE
  20   UNANSWERED";

/// The system to certify.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// Experiment file (TOML). Without it, the embedded testbed is used
    file: Option<PathBuf>,

    #[command(flatten)]
    options: VariantOptions,

    /// How long the system must be stuck, and how long it is watched afterwards
    #[arg(long, value_name = "T", default_value_t = DEFAULT_DWELL, help_heading = "Campaign")]
    dwell: Time,

    /// How long no load is sent before the last run. Default: twice the longest time that a request stays in the system
    #[arg(long, value_name = "T", help_heading = "Campaign")]
    shed: Option<Time>,

    /// Start no run that would probably end after this time
    #[arg(long, value_name = "T", help_heading = "Campaign")]
    budget: Option<Time>,

    /// Continue the campaign in this folder. Its complete runs are not made again
    #[arg(
        long,
        value_name = "DIR",
        help_heading = "Campaign",
        conflicts_with_all = ["file", "rate", "outage", "connections", "seed", "name", "out", "dwell", "shed"]
    )]
    resume: Option<PathBuf>,

    /// Write campaign.json to this file, too
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,

    /// Exit with the code of the answer
    #[arg(long, help_heading = "Output")]
    exit_code: bool,
}

/// The name of the command in `campaign.toml`.
const COMMAND: &str = "certify";

/// Runs the campaign, and prints its answer. SIGINT, SIGTERM and SIGHUP end it with what it has.
///
/// # Errors
/// If the plan is invalid, a run did not start, or something could not be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { file, options, dwell, shed, budget, resume, json, exit_code } = args;
    let (folder, campaign, plan) = match resume {
        Some(dir) => resume_campaign(&dir)?,
        None => {
            let (mut overrides, out) = options.resolve();
            overrides.early = Some(dwell);
            let AdaptedPlan { plan, notes } = read_plan(file.as_deref(), &overrides)?;
            notes.iter().for_each(|note| warn(&format!("warning: {note}")));
            Certify::new(&plan)?;
            let campaign = CampaignFile { command: COMMAND.to_owned(), shed, experiment: plan.to_settings()? };
            let name = format!("{}-{COMMAND}", plan.name());
            let folder = CampaignFolder::create(&out, &name, jiff::Zoned::now().datetime(), &campaign)?;
            (folder, campaign, plan)
        }
    };
    let certify = Certify::new(&plan)?;
    let rate = plan.load().rate;
    say(&format!("{}: certificate at {rate} requests/s, in {}\n", plan.name(), folder.path().display()))?;
    let mut observer = Observer { line: ProgressLine::new(), plan: &plan };
    let work = Campaign { folder: &folder, base: &plan, strategy: &certify, shed: campaign.shed, budget };
    let result = ExperimentRunner::with(async |runner| work.run(runner, &mut observer).await)?;
    drop(observer);
    let resume = || format!("continue with `metawrk certify --resume {}`", folder.path().display());
    let result = result.with_context(|| format!("the campaign ended early; {}", resume()))?;
    let report = CertifyReport::new(plan.name(), rate, &certify, &result);
    write_products(&folder, &certify, &result, &report, json.as_deref())?;
    say(&format!("\n{}\n\n", report.sentence))?;
    say(&format!("Results in {}: open {}\n", folder.path().display(), folder.path().join("report.html").display()))?;
    Ok(match result.end {
        CampaignEnd::Stopped(signal) => ExitCode::from(signal.exit_code()),
        CampaignEnd::Ended(_) if exit_code => ExitCode::from(report.exit_code),
        CampaignEnd::Ended(_) => ExitCode::SUCCESS,
    })
}

fn resume_campaign(dir: &std::path::Path) -> anyhow::Result<(CampaignFolder, CampaignFile, ExperimentPlan)> {
    let (folder, campaign, plan) = CampaignFolder::open(dir)?;
    let command = &campaign.command;
    anyhow::ensure!(command == COMMAND, "{} is a campaign of `metawrk {command}`", dir.display());
    Ok((folder, campaign, plan))
}

/// Shows the progress line, and a line for each run.
struct Observer<'a> {
    line: ProgressLine,
    plan: &'a ExperimentPlan,
}

impl CampaignObserver for Observer<'_> {
    fn show_progress(&mut self, progress: &CampaignProgress) {
        self.line.show(progress.to_line());
    }

    fn show_run(&mut self, run: &RunOutcome) {
        // If standard output is closed, the campaign goes on.
        let _ = say(&format!("{}\n", describe_run(run, self.plan)));
    }
}

/// `run 1: outage 20s: METASTABLE, goodput of the last 30s: 2.4 %`
fn describe_run(run: &RunOutcome, plan: &ExperimentPlan) -> String {
    let what = match run.cell().outage {
        Time::ZERO => "without a fault".to_owned(),
        outage => format!("outage {outage}"),
    };
    let window = plan.windows_at(run.cell().rate).last;
    let last = run.last.map(|last| format!(", goodput of the last {window}: {:.1} %", 100.0 * last.share()));
    format!("run {}: {what}: {}{}", run.record.run, run.verdict.name, last.unwrap_or_default())
}

fn write_products(
    folder: &CampaignFolder,
    certify: &Certify,
    result: &CampaignResult,
    report: &CertifyReport,
    json: Option<&std::path::Path>,
) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(report)? + "\n";
    folder.write("campaign.json", text.as_bytes())?;
    let mut page = CampaignPage {
        name: report.name.clone(),
        answer: report.answer.to_owned(),
        sentence: report.sentence.clone(),
        tone: match report.exit_code {
            0 => Tone::Good,
            10 | 15 | 16 => Tone::Bad,
            17 => Tone::Doubtful,
            _ => Tone::Unknown,
        },
        figure: None,
        columns: vec!["run", "requests/s", "outage", "verdict", "goodput at the end", "recovery", "system"],
        rows: result.runs.iter().map(row).collect(),
    };
    if let Some(figure) = draw_certificate(report, certify, result) {
        let svg = figure.render_svg()?;
        folder.write("certificate.png", &figure.render_png()?)?;
        folder.write("certificate.svg", svg.as_bytes())?;
        page.figure = Some((svg, report.sentence.clone()));
    }
    folder.write("report.html", render_campaign(&page).as_bytes())?;
    if let Some(path) = json {
        whole_file::replace(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn row(run: &RunOutcome) -> CampaignRow {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let recovery = run.verdict.tau_ns.map(|ns| format!("{:.1} s", ns as f64 / 1e9));
    CampaignRow {
        report: format!("{CELLS}/{}/report.html", run.folder),
        cells: vec![
            run.record.run.to_string(),
            run.cell().rate.to_string(),
            run.cell().outage.to_string(),
            run.verdict.name.clone(),
            run.last.map_or_else(|| "-".to_owned(), |last| percent(last.share())),
            recovery.unwrap_or_else(|| "-".to_owned()),
            run.record.system.name().to_owned(),
        ],
    }
}
