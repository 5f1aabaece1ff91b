//! `metawrk twin map`: the predicted map of a system.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::REPLACE;
use crate::cli::search::parse_outages;
use crate::lab::twin_map::{TwinMapAnswer, draw_twin_map, format_runs};
use crate::out::say;
use crate::record::OutputFile;
use crate::record::folder::{create_numbered, sanitize};
use crate::report::figures::Drawing;
use crate::twin::map::{DEFAULT_OUTAGES, DEFAULT_SEEDS, TwinMap, TwinMapPlan};
use crate::twin::plan::{TwinOverrides, TwinPlan};
use crate::units::{Time, parse_count, parse_number};
use crate::whole_file;

const AFTER_HELP: &str = "\
Examples:
  metawrk twin map experiments/twin/retry-storm.toml
  metawrk twin map FILE --rates 140,200,260 --between 50ms..10s
  metawrk twin map FILE --seeds 20 --json - | jq .columns

Exit codes:
  0    success
  1    error or invalid usage";

/// The twin to map.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Twin file (TOML)
    file: PathBuf,

    /// Seed of the random arrivals and service times. The others follow it
    #[arg(long, value_name = "N", help_heading = REPLACE)]
    seed: Option<u64>,

    /// The rates of the columns, in requests per second. Default: nine, from just above the stable rate to 1.2 times the
    /// twin's rate, or a little below its capacity if that is less
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', value_parser = parse_number, help_heading = "Map")]
    rates: Option<Vec<f64>>,

    /// The range of outages to search [default: 20ms..30s]
    #[arg(long, value_name = "T..T", value_parser = parse_outages, help_heading = "Map")]
    between: Option<(Time, Time)>,

    /// Simulate each rate with this many seeds [default: 5]
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = "Map")]
    seeds: Option<usize>,

    /// Folder in which the results folder is created
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    out: PathBuf,

    /// Write map.json to this file, too. With -, JSON replaces the text on standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
}

/// Simulates the map, writes its files, and prints the answer.
///
/// # Errors
/// If the twin file is invalid, or a file cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { file, seed, rates, between, seeds, out, json } = args;
    let twin = TwinPlan::read(&file, &TwinOverrides { seed, ..TwinOverrides::default() })?;
    let outages = between.unwrap_or(DEFAULT_OUTAGES);
    anyhow::ensure!(
        Time::ZERO < outages.0 && outages.0 < outages.1,
        "--between {}..{}: the first outage must be above 0 and below the second",
        outages.0,
        outages.1
    );
    let seeds = seeds.map_or(DEFAULT_SEEDS, |seeds| seeds as u64);
    let plan = TwinMapPlan { rates, outages, seeds, stable_rate: true };
    let is_json_only = json.as_deref() == Some(Path::new("-"));
    let json = json.as_deref().map(OutputFile::create).transpose()?;
    let map = TwinMap::simulate(&twin, &plan).context("cannot simulate every rate and outage of the map")?;
    let answer = TwinMapAnswer::new(&twin, &plan, &map);
    let text = format!("{}\n", serde_json::to_string_pretty(&answer)?);
    let figure = draw_twin_map(&answer);
    let files = [
        ("map.png", figure.render_png()?),
        ("map.svg", figure.render_svg()?.into_bytes()),
        ("map.json", text.clone().into_bytes()),
        ("cells.csv", format_runs(&map.runs)?),
        ("twin.toml", toml::to_string(twin.settings())?.into_bytes()),
    ];
    let folder = write_files(&out, &format!("{}-twin-map", twin.name()), &files)?;
    if let Some(json) = json {
        json.write_and_finish(text.as_bytes())?;
    }
    if !is_json_only {
        say(&format!("{}: {}\n\n", answer.name, answer.sentence()))?;
        say(&format!("Results in {}: open {}\n", folder.display(), folder.join("map.png").display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the files into a new folder `<name>-<YYYYmmdd-HHMMSS>` in `out`.
fn write_files(out: &Path, name: &str, files: &[(&str, Vec<u8>)]) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let now = jiff::Zoned::now().datetime().strftime("%Y%m%d-%H%M%S").to_string();
    let folder = create_numbered(out, &format!("{}-{now}", sanitize(name)))?;
    for (file, bytes) in files {
        let path = folder.join(file);
        whole_file::replace(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(folder)
}
