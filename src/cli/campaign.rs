//! What the commands of the laboratory share: options, progress, and how a campaign is run, resumed and answered.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::experiment_options::VariantOptions;
use crate::experiment::ExperimentRunner;
use crate::lab::campaign::folder::{CampaignFile, CampaignFolder};
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::products::write_products;
use crate::lab::campaign::progress::CampaignProgress;
use crate::lab::campaign::question::Question;
use crate::lab::campaign::run::{Campaign, CampaignEnd, CampaignObserver};
use crate::out::{say, warn};
use crate::plan::config::{AdaptedPlan, read_plan};
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::progress::StatusLine;
use crate::units::Time;
use crate::whole_file;

/// The options of a campaign.
#[derive(clap::Args)]
pub struct CampaignOptions {
    /// Experiment file (TOML). Without it, the embedded testbed is used
    file: Option<PathBuf>,

    #[command(flatten)]
    variant: VariantOptions,

    /// How long the system must be stuck to end a run
    #[arg(long, value_name = "T", help_heading = "Campaign")]
    dwell: Option<Time>,

    /// Time without load between runs. Default: twice the longest time that a request stays in the system, at least 10s
    #[arg(long, value_name = "T", help_heading = "Campaign")]
    shed: Option<Time>,

    /// Start no run that would probably end after this time from the start of this command
    #[arg(long, value_name = "T", help_heading = "Campaign")]
    budget: Option<Time>,

    /// Continue the campaign in this folder, with its options. Complete runs are not repeated. Of the options, only those
    /// may be given with it that say when a campaign ends, and where the answer goes
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

/// Adds the default of the command that asks `Q` to the help of `--dwell`.
pub fn add_default_dwell<Q: Question>(dwell: clap::Arg) -> clap::Arg {
    let help = dwell.get_help().map(ToString::to_string).unwrap_or_default();
    dwell.help(format!("{help}. Default: {}", Q::DEFAULT_DWELL))
}

/// Runs a campaign, or resumes one, and prints the answer. SIGINT, SIGTERM and SIGHUP end it with what it has.
///
/// `ask` returns the question. It gets the one of the campaign that is resumed, and may change when it is answered.
///
/// # Errors
/// If the plan is invalid, a run did not start, or something could not be written.
pub fn run<Q: Question>(options: CampaignOptions, ask: impl FnOnce(Option<Q>) -> Q) -> anyhow::Result<ExitCode> {
    let CampaignOptions { file, variant, dwell, shed, budget, resume, json, exit_code } = options;
    let (folder, campaign, plan, question) = match resume {
        Some(dir) => open_campaign(&dir, ask)?,
        None => {
            let question = ask(None);
            let (mut overrides, out) = variant.resolve();
            overrides.early = Some(dwell.unwrap_or(Q::DEFAULT_DWELL));
            let AdaptedPlan { plan, notes } = read_plan(file.as_deref(), &overrides)?;
            notes.iter().for_each(|note| warn(&format!("warning: {note}")));
            if plan.load().profile.is_some() {
                let why = "must not be set: a campaign chooses the rates itself";
                return Err(InvalidSetting::new("load.profile", why).into());
            }
            question.strategy(&plan)?;
            let campaign = CampaignFile {
                command: Q::COMMAND.to_owned(),
                shed,
                question: toml::Table::try_from(&question)?,
                experiment: plan.to_settings()?,
            };
            let name = format!("{}-{}", plan.name(), Q::COMMAND.replace(' ', "-"));
            let folder = CampaignFolder::create(&out, &name, jiff::Zoned::now().datetime(), &campaign)?;
            (folder, campaign, plan, question)
        }
    };
    let strategy = question.strategy(&plan)?;
    say(&format!("{}: {}, in {}\n", plan.name(), question.title(&plan), folder.path().display()))?;
    let mut observer = Observer { line: StatusLine::new(), plan: &plan };
    let work = Campaign { folder: &folder, base: &plan, strategy: &strategy, shed: campaign.shed, budget };
    let result = ExperimentRunner::with(async |runner| work.run(runner, &mut observer).await)?;
    drop(observer);
    let resume = || format!("continue with `metawrk {} --resume {}`", Q::COMMAND, folder.path().display());
    let result = result.with_context(|| format!("the campaign ended early; {}", resume()))?;
    let answer = question.answer(&plan, &strategy, &result)?;
    let text = write_products(&folder, Q::COMMAND, plan.name(), &answer, &result.runs)?;
    if let Some(path) = json {
        whole_file::replace(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    say(&format!("\n{}\n\n", answer.sentence))?;
    say(&format!("Results in {}: open {}\n", folder.path().display(), folder.path().join("report.html").display()))?;
    Ok(match result.end {
        CampaignEnd::Stopped(signal) => ExitCode::from(signal.exit_code()),
        CampaignEnd::Ended(_) if exit_code => ExitCode::from(answer.exit_code),
        CampaignEnd::Ended(_) => ExitCode::SUCCESS,
    })
}

/// Opens the campaign in `dir`, which must ask the same kind of question.
fn open_campaign<Q: Question>(
    dir: &Path,
    ask: impl FnOnce(Option<Q>) -> Q,
) -> anyhow::Result<(CampaignFolder, CampaignFile, ExperimentPlan, Q)> {
    let (folder, mut campaign, plan) = CampaignFolder::open(dir)?;
    let command = &campaign.command;
    anyhow::ensure!(
        command == Q::COMMAND,
        "{} is a campaign of `metawrk {command}`. Continue it with `metawrk {command} --resume {}`",
        dir.display(),
        dir.display()
    );
    let question = campaign.question.clone().try_into();
    let question = question.with_context(|| format!("invalid [question] in the campaign.toml of {}", dir.display()))?;
    let question = ask(Some(question));
    question.strategy(&plan)?;
    let asked = toml::Table::try_from(&question)?;
    if asked != campaign.question {
        campaign.question = asked;
        folder.update(&campaign)?;
    }
    Ok((folder, campaign, plan, question))
}

/// Shows the progress line, and a line for each run.
struct Observer<'a> {
    line: StatusLine,
    plan: &'a ExperimentPlan,
}

impl CampaignObserver for Observer<'_> {
    fn show_progress(&mut self, progress: &CampaignProgress) {
        self.line.show(&progress.to_line());
    }

    fn show_run(&mut self, run: &RunOutcome) {
        // If standard output is closed, the campaign goes on.
        let _ = say(&format!("{}\n", describe_run(run, self.plan)));
    }
}

/// `run 1: 300 requests/s, outage 20s: METASTABLE, goodput of the last 30s: 2.4 %`
fn describe_run(run: &RunOutcome, plan: &ExperimentPlan) -> String {
    let outage = match run.cell().outage {
        Time::ZERO => "without a fault".to_owned(),
        outage => format!("outage {outage}"),
    };
    let (number, rate) = (run.record.run, run.cell().describe_rate());
    // A system that recovered is observed from then on, which may be shorter.
    let window = plan.windows_at(run.cell().rate).last.min(run.end.since(run.last_from));
    let window = Time::from_secs(window.as_secs_f64().round() as u64);
    let last = run.last.map(|last| format!(", goodput of the last {window}: {:.1} %", 100.0 * last.share()));
    format!("run {number}: {rate} requests/s, {outage}: {}{}", run.verdict.name, last.unwrap_or_default())
}
