use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::experiment::signals::Signals;
use crate::load::plan::WhenBusy;
use crate::load::{LoadPlan, LoadSettings, Loaded, Prepared, calibrated_interval};
use crate::out::{say, warn};
use crate::record::{Clock, Errors};
use crate::report::generator::{GeneratorBlock, Lag};
use crate::report::wrk2::{Calibration, Header, Report, Show, Tally, header, text};
use crate::script::Script;
use crate::stats::Moments;
use crate::units::{Time, parse_count, parse_number};

/// wrk2's command line.
#[derive(clap::Args)]
pub struct Args {
    /// Connections to keep open, in all
    #[arg(short, long, value_name = "N", value_parser = parse_count, default_value = "10")]
    connections: usize,

    /// Duration of the test
    #[arg(short, long, value_name = "T", default_value = "10s")]
    duration: Time,

    /// Number of threads to use
    #[arg(short, long, value_name = "N", value_parser = parse_count, default_value = "2")]
    threads: usize,

    /// Lua script to run in every thread: a file, or the name of a built-in one (compose-post)
    #[arg(short, long, value_name = "FILE")]
    script: Option<String>,

    /// Header to add to every request, as "Name: value" (repeatable)
    #[arg(short = 'H', long, value_name = "HEADER")]
    header: Vec<String>,

    /// Print the latency spectrum
    #[arg(short = 'L', long)]
    latency: bool,

    /// Count requests that take longer than this
    #[arg(short = 'T', long, value_name = "T", default_value = "2s")]
    timeout: Time,

    /// Requests per second, over all threads [required]
    #[arg(short = 'R', long, value_name = "N", value_parser = parse_number)]
    rate: Option<f64>,

    /// What a request does that is due when every connection is busy
    #[arg(long, value_name = "HOW", value_enum, default_value = "wait")]
    when_busy: WhenBusy,

    /// With --when-busy open: the most connections in all
    #[arg(long, value_name = "N", value_parser = parse_count, default_value = "10000")]
    max_connections: usize,

    /// Where load goes, and what the script's init(args) is given behind it
    #[arg(value_name = "URL", required = true)]
    url: String,

    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    args: Vec<String>,
}

/// wrk2 leaves its first 10 s, in which it calibrates, out of the histograms of runs that are longer.
const WARMUP: Time = Time::from_secs(10);

impl Args {
    fn plan(self) -> anyhow::Result<(LoadPlan, Show)> {
        let Some(rate) = self.rate else {
            bail!("Throughput MUST be specified with the --rate or -R option");
        };
        let headers = self.header.iter().map(|text| parse_header(text)).collect::<anyhow::Result<_>>()?;
        let settings = LoadSettings {
            threads: self.threads,
            connections: self.connections,
            duration: self.duration,
            script: self.script.as_deref().map(read_script).transpose()?,
            args: self.args,
            headers,
            when_busy: self.when_busy,
            max_connections: self.max_connections.max(self.connections),
            timeout: self.timeout,
            drain: self.timeout,
            warmup: if self.duration > WARMUP { WARMUP } else { Time::ZERO },
            ..LoadSettings::new(self.url, rate)
        };
        Ok((LoadPlan::new(settings)?, Show { latency: self.latency, ..Show::default() }))
    }
}

fn parse_header(text: &str) -> anyhow::Result<(String, String)> {
    let parts = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
    match parts.filter(|(name, _)| http::HeaderName::from_bytes(name.as_bytes()).is_ok()) {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => bail!("-H takes \"Name: value\", not `{text}`"),
    }
}

fn read_script(name: &str) -> anyhow::Result<Script> {
    let path = PathBuf::from(name);
    if !path.exists()
        && let Some(script) = Script::built_in(name)
    {
        return Ok(script);
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read the script {name}"))?;
    Ok(Script { name: name.to_owned(), text })
}

/// Makes the load and prints wrk2's report. Ends early, with a full report, on SIGINT and SIGTERM.
///
/// # Errors
/// Where the plan is none, or load could not begin.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (plan, show) = args.plan()?;
    let prepared = Prepared::new(plan.clone(), None)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before anybody can know that load begins.
    let mut signals = {
        let _guard = runtime.enter();
        Signals::new()?
    };
    say(&header(&Header {
        urls: std::slice::from_ref(&plan.url),
        threads: plan.threads,
        connections: plan.connections,
        duration: plan.duration,
    }))?;
    let running = prepared.start(Clock::starting_in(Time::from_millis(1)));
    let control = running.control();
    let (loaded, code) = runtime.block_on(async move {
        let mut finished = tokio::task::spawn_blocking(move || running.finish());
        let by = tokio::select! {
            loaded = &mut finished => return anyhow::Ok((Some(loaded??), ExitCode::SUCCESS)),
            by = signals.next() => by,
        };
        control.stop();
        tokio::select! {
            loaded = &mut finished => Ok((Some(loaded??), ExitCode::from(by.exit_code()))),
            // Only a script that is stuck keeps a load from stopping at once.
            by = signals.next() => Ok((None, ExitCode::from(by.exit_code()))),
        }
    })?;
    runtime.shutdown_background();
    let Some(loaded) = loaded else {
        warn("stopped twice while the script was stuck: there is no report");
        return Ok(code);
    };
    say(&report(&loaded, show))?;
    match loaded.failure() {
        Some(error) => bail!("the run was ended by its script: {error}"),
        None => Ok(code),
    }
}

/// wrk2's text.
fn report(loaded: &Loaded, show: Show) -> String {
    let latencies = loaded.latencies();
    let account = loaded.account();
    let generator = loaded.generator();
    let sum = |of: fn(&crate::load::Left) -> u64| loaded.threads.iter().map(of).sum::<u64>();
    let duration = loaded.duration();
    let errors = Errors {
        connect: generator.connect_errors,
        read: account.errors.read + sum(|thread| thread.unasked),
        ..account.errors
    };
    let intervals = loaded.threads.iter().flat_map(|thread| thread.rates.rates());
    let rates: Vec<f64> = intervals.flat_map(|(rate, n)| std::iter::repeat_n(rate, n as usize)).collect();
    let calibration: Vec<Calibration> = loaded
        .threads
        .iter()
        .filter(|_| loaded.plan.warmup > Time::ZERO && duration > loaded.plan.warmup.0)
        .map(|thread| Calibration {
            mean_latency_ms: thread.calibration.mean() / 1e3,
            interval_ms: calibrated_interval(&thread.calibration) / 1_000_000,
        })
        .collect();
    let block = GeneratorBlock {
        account,
        sent: account.scheduled - account.unsent,
        planned_rate: loaded.plan.rate,
        arrivals_ns: duration,
        elapsed_ns: loaded.threads.iter().map(|thread| thread.ended).max().unwrap_or(0),
        threads: loaded.plan.threads as u16,
        lag: Lag::of(&latencies.send_lag, 1),
        own: generator,
    };
    let mut own = block.text();
    if duration < loaded.plan.warmup.0 {
        own.push_str(&format!(
            "  warning: the run ended within its warm-up of {}, so no latency was measured\n",
            loaded.plan.warmup
        ));
    }
    if let Some(streams) = loaded.fewest_streams() {
        own.push_str(&format!(
            "  warning: the server takes {streams} streams a connection, not {}; for more requests at once, raise --connections\n",
            loaded.plan.streams
        ));
    }
    text(&Report {
        calibration: &calibration,
        latencies_file: None,
        total: Tally {
            response: &latencies.response,
            service: None,
            req_per_sec: Moments::of(&rates),
            sent: block.sent,
            requests: sum(|thread| thread.in_time.0),
            runtime: Time(duration),
            bytes: sum(|thread| thread.in_time.1),
            errors,
        },
        targets: &[],
        show,
        own: &own,
    })
}
