use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use super::line::Line;
use crate::experiment::progress::Progress;
use crate::experiment::run_experiment;
use crate::out::{say, warn};
use crate::plan;
use crate::plan::config::Overrides;
use crate::report::generator::GeneratorReport;
use crate::report::statistics::RunStatistics;
use crate::report::{ReportData, read_report_data, write_report};
use crate::signals::{Signals, StopSignal};
use crate::units::{Time, format_wrk_time, parse_count, parse_number};
use crate::verdict::VerdictText;

/// An experiment, and what one varies most of it.
#[derive(clap::Args)]
pub struct Args {
    /// The experiment's TOML file; without one, the embedded testbed
    file: Option<PathBuf>,

    #[command(flatten)]
    changes: Changes,

    /// Exit with the verdict's own code (see the README)
    #[arg(long)]
    exit_code: bool,
}

/// What one varies most of an experiment.
#[derive(clap::Args)]
pub struct Changes {
    /// Requests per second
    #[arg(long, value_name = "N", value_parser = parse_number)]
    rate: Option<f64>,

    /// How long each fault lasts; 0s leaves all faults out
    #[arg(long, value_name = "T")]
    outage: Option<Time>,

    /// Length of the whole load
    #[arg(long, value_name = "T")]
    duration: Option<Time>,

    /// Connections to begin with
    #[arg(long, value_name = "N", value_parser = parse_count)]
    connections: Option<usize>,

    /// Seed of the random arrivals
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// The experiment's name, which the results folder bears
    #[arg(long)]
    name: Option<String>,

    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
}

impl Changes {
    /// What changes in the file, and where results go.
    pub fn resolve(self) -> (Overrides, PathBuf) {
        let Changes { rate, outage, duration, connections, seed, name, out } = self;
        (Overrides { name, rate, connections, seed, outage, duration, out: Some(out.clone()) }, out)
    }
}

/// A results folder.
#[derive(clap::Args)]
pub struct ReportArgs {
    /// The results folder, such as results/latest
    dir: PathBuf,

    /// Exit with the verdict's own code (see the README)
    #[arg(long)]
    exit_code: bool,
}

/// Runs an experiment, and reports on it.
///
/// # Errors
/// Where the plan is none, no load began, or the results could not be kept.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (overrides, out) = args.changes.resolve();
    let plan = plan::config::read_plan(args.file.as_deref(), &overrides)?;
    say(&format!("{}: {} requests/s, at most {}\n", plan.name, plan.load.rate, plan.duration()))?;
    let line = Line::new();
    let ran = run_experiment(&plan, &out, &mut |progress| line.show(describe(progress)));
    drop(line);
    let ran = match ran {
        Ok(ran) => ran,
        Err(error) => {
            let Some(by) = error.stopped() else { return Err(error.into()) };
            warn(&error.to_string());
            return Ok(ExitCode::from(by.exit_code()));
        }
    };
    let late = Late::listen()?;
    let data = draw(&ran.dir)?;
    say(&format!("Results in {}: open {}\n", ran.dir.display(), ran.dir.join("report.html").display()))?;
    if let Some(failure) = &ran.failure {
        anyhow::bail!("the run was cut short: {failure}");
    }
    Ok(match ran.stopped.or(late.heard()) {
        Some(by) => ExitCode::from(by.exit_code()),
        None => code(args.exit_code, &data),
    })
}

/// Draws the report of a results folder again.
///
/// # Errors
/// Where the folder does not hold what a report takes.
pub fn report(args: ReportArgs) -> anyhow::Result<ExitCode> {
    let data = draw(&args.dir)?;
    Ok(code(args.exit_code, &data))
}

fn code(asked: bool, data: &ReportData) -> ExitCode {
    if asked { ExitCode::from(data.explanation.exit_code) } else { ExitCode::SUCCESS }
}

/// Judges what a folder holds, writes all products, and prints the verdict with the generator's own conduct.
fn draw(dir: &Path) -> anyhow::Result<ReportData> {
    let (_, data) = read_report_data(dir)?;
    let written = write_report(&data, dir).with_context(|| format!("the data in {} is whole", dir.display()));
    let conduct = GeneratorReport::of(&data, &RunStatistics::of(&data)).to_text();
    say(&format!("{}{}{conduct}\n", verdict(&data.explanation), warnings(&data)))?;
    written?;
    Ok(data)
}

fn verdict(verdict: &VerdictText) -> String {
    let lines = |lines: &[String]| lines.iter().map(|line| format!("  {line}\n")).collect::<String>();
    let next = if verdict.next.is_empty() { "" } else { "\nNext:\n" };
    format!("\n{}\n{}{next}{}\n", verdict.name, lines(&verdict.because), lines(&verdict.next))
}

fn warnings(data: &ReportData) -> String {
    data.warnings.iter().map(|(at, text)| format!("Warning: {text} (at {:.1} s)\n\n", at.as_secs_f64())).collect()
}

/// Hears SIGINT and SIGTERM while the report is drawn. The first lets it be finished, a second does not.
struct Late(Arc<Mutex<Option<StopSignal>>>);

impl Late {
    fn listen() -> std::io::Result<Late> {
        let heard = Arc::new(Mutex::new(None));
        let note = Arc::clone(&heard);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _guard = runtime.enter();
            Signals::new()?
        };
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            let by = runtime.block_on(signals.next());
            *note.lock().unwrap_or_else(PoisonError::into_inner) = Some(by);
            warn("drawing the report; once more to leave it: `metawrk report` can draw it later");
            std::process::exit(runtime.block_on(signals.next()).exit_code().into());
        })?;
        Ok(Late(heard))
    }

    fn heard(&self) -> Option<StopSignal> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe(s: &Progress) -> String {
    let time = |time: Option<Time>| time.map_or_else(|| "-".to_owned(), |t| format_wrk_time(t.0 as f64 / 1e3));
    let goodput = s.interval.goodput.map_or_else(|| "-".to_owned(), |g| format!("{:.0}%", 100.0 * g));
    let mut text = format!(
        "{:>3.0}s {} ({:.0}s left)  {:.0}/s of {:.0}/s answered  goodput {goodput}  p50 {} p99 {}  {} in flight",
        s.at.as_secs_f64(),
        s.phase,
        s.left.as_secs_f64().ceil(),
        s.interval.answered,
        s.offered,
        time(s.interval.p50),
        time(s.interval.p99),
        s.in_flight,
    );
    if let Some((used, limit)) = s.interval.memory {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        text.push_str(&format!("  memory {:.0}", mib(used)));
        limit.inspect(|limit| text.push_str(&format!("/{:.0}", mib(*limit))));
        text.push_str(" MiB");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::progress::{IntervalStats, Phase};
    use crate::units::Instant;

    #[test]
    fn the_line_says_how_it_goes() {
        let mut progress = Progress {
            phase: Phase::Fault,
            at: Instant(17_400_000_000),
            left: Time::from_millis(17_600),
            offered: 300.0,
            in_flight: 612,
            interval: IntervalStats::default(),
        };
        insta::assert_snapshot!(describe(&progress), @" 17s fault (18s left)  0/s of 300/s answered  goodput -  p50 - p99 -  612 in flight");
        progress.interval = IntervalStats {
            answered: 41.2,
            p50: Some(Time::from_millis(12)),
            p99: Some(Time::from_millis(4200)),
            goodput: Some(0.125),
            memory: Some((130 << 20, Some(140 << 20))),
        };
        insta::assert_snapshot!(describe(&progress), @" 17s fault (18s left)  41/s of 300/s answered  goodput 12%  p50 12.00ms p99 4.20s  612 in flight  memory 130/140 MiB");
    }
}
