//! wrk2's command line, all three of them and ours: what can be typed, and how `--help` tells it.
//!
//! [`Args::plans`](super::plans) says what it comes to.

use std::path::PathBuf;

use clap::ArgAction;

use crate::arrivals::{ArrivalProcess, Profile};
use crate::load::plan::{OnTimeout, Retries, Spin, WhenBusy};
use crate::units::{Time, parse_count, parse_number};

/// A load to make.
#[derive(Debug, clap::Args)]
// Of an option given twice wrk takes the last; and getopt lets people shorten `--latency` to `--lat`.
#[command(version, args_override_self = true, infer_long_args = true)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = NUMBERS)]
pub struct Args {
    /// Where load goes; with several, each has its own -t threads, -c connections and -R rate
    #[arg(value_name = "URL", required_unless_present = "args")]
    pub url: Vec<String>,

    /// Given to the script's init(args) behind the URL, as is what has no scheme:// before the --
    #[arg(value_name = "ARG", last = true)]
    pub args: Vec<String>,

    #[command(flatten)]
    pub wrk2: GilTene,
    #[command(flatten)]
    pub dsb: DeathStarBench,
    #[command(flatten)]
    pub sending: Sending,
    #[command(flatten)]
    pub failing: Failing,
    #[command(flatten)]
    pub speaking: Speaking,
    #[command(flatten)]
    pub leaving: Leaving,
    #[command(flatten)]
    pub manner: Manner,
}

const NUMBERS: &str =
    "Numbers take k, M or G behind them (2k = 2000), times us, ms, s, m or h; a bare time is in seconds.";

/// The options of Gil Tene's wrk2.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "wrk2's options")]
pub struct GilTene {
    /// Connections to keep open, in all
    #[arg(short, long, value_name = "N", value_parser = parse_count, default_value = "10")]
    pub connections: usize,

    /// Duration of the test
    #[arg(short, long, value_name = "T", default_value = "10s")]
    pub duration: Time,

    /// Number of threads to use
    #[arg(short, long, value_name = "N", value_parser = parse_count, default_value = "2")]
    pub threads: usize,

    /// Requests per second over all threads [required]; or a profile: 100..1000, 100@10s,500@20s,100
    #[arg(short = 'R', long, value_name = "N")]
    pub rate: Option<Profile>,

    /// Lua script to run in every thread: a file, or the built-in compose-post
    #[arg(short, long, value_name = "FILE")]
    pub script: Option<String>,

    /// Header to add to every request, as "Name: value"; repeatable
    #[arg(short = 'H', long, value_name = "HEADER", allow_hyphen_values = true)]
    pub header: Vec<String>,

    /// Print the latency spectrum
    #[arg(short = 'L', long)]
    pub latency: bool,

    /// Print it, and the uncorrected one too: since sent, not since due
    #[arg(short = 'U', long = "u_latency")]
    pub uncorrected: bool,

    /// Count requests that take longer
    #[arg(short = 'T', long, value_name = "T", default_value = "2s")]
    pub timeout: Time,

    /// Measure whole batches of pipelined requests, not each request of them
    #[arg(short = 'B', long = "batch_latency")]
    pub batch_latency: bool,

    /// Print the version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,

    /// Print this help
    #[arg(short = 'h', long, action = ArgAction::HelpShort)]
    help: Option<bool>,
}

/// The options that only the wrk2 in DeathStarBench has.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "DeathStarBench's options")]
pub struct DeathStarBench {
    /// Distribution of the gaps between requests, with mean 1/rate [default: fixed]
    #[arg(short = 'D', long, value_name = "HOW", value_enum)]
    pub dist: Option<ArrivalProcess>,

    /// Write every latency to latencies.txt, in us, a line a thread
    #[arg(short = 'P')]
    pub all_latencies: bool,

    /// Write the 99th percentile of every 0.2 s to url<U>thread<T>.txt, in us
    #[arg(short = 'p')]
    pub percentiles: bool,

    /// With several URLs: report each one too
    #[arg(short = 'S', long)]
    pub separate: bool,

    /// Print the number of requests sent
    #[arg(short = 'r', long)]
    pub requests: bool,
}

/// When requests go.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Beyond wrk2: when requests go")]
pub struct Sending {
    /// A request due when all connections are busy waits for one, joins a pipeline, or opens one
    #[arg(long, value_name = "HOW", value_enum, default_value = "wait")]
    pub when_busy: WhenBusy,

    /// Most connections in all, with --when-busy open [default: 10k]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub max_connections: Option<usize>,

    /// Catch up at up to X times the rate, with --when-busy wait [default: 2]
    #[arg(long, value_name = "X", value_parser = parse_number)]
    pub catch_up: Option<f64>,

    /// Leave what is due before T out of the latencies [default: 10s if the test is longer]
    #[arg(long, value_name = "T")]
    pub warmup: Option<Time>,

    /// Seed of random gaps
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,

    /// Stay awake before a request is due: as long as the kernel wakes late (a tenth of a core a thread at most), or always
    #[arg(long, value_name = "WHEN", value_enum, num_args = 0..=1, require_equals = true, default_value = "auto", default_missing_value = "always")]
    pub spin: Spin,

    /// Call the script's request() only when a request is due
    #[arg(long)]
    pub no_ahead: bool,
}

/// What becomes of requests that fail.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Beyond wrk2: requests that fail")]
pub struct Failing {
    /// A request that outlives --timeout is waited for all the same, or failed
    #[arg(long, value_name = "HOW", value_enum, default_value = "wait")]
    pub on_timeout: OnTimeout,

    /// Make a failed request again up to N times, after a wait of T, then 2T, 4T, ...
    #[arg(long, value_name = "N[@T]", value_parser = parse_retries)]
    pub retries: Option<Retries>,
}

/// TLS and HTTP/2.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Beyond wrk2: TLS and HTTP/2")]
pub struct Speaking {
    /// Check the certificates of https servers
    #[arg(long)]
    pub verify: bool,

    /// Check them against the certificates in this PEM file; implies --verify
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,

    /// Speak HTTP/2
    #[arg(long)]
    pub http2: bool,

    /// Most requests at a time on a connection, with --http2
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub streams: Option<usize>,
}

/// What a run leaves besides its text.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Beyond wrk2: what a run leaves")]
pub struct Leaving {
    /// Write every request, to a .parquet or .csv file
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Write the report as JSON; to - in place of the text
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write the percentile spectrum for HdrHistogram's plotter
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,

    /// Draw the run into DIR
    #[arg(long, value_name = "DIR")]
    pub plot: Option<PathBuf>,
}

/// The program's own manner.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Beyond wrk2: the program")]
pub struct Manner {
    /// Show no progress, not even on a terminal
    #[arg(long)]
    pub quiet: bool,

    /// Exit with 3 after a warning that the numbers are not to be trusted
    #[arg(long)]
    pub strict: bool,
}

/// `3`, or `3@100ms`.
fn parse_retries(text: &str) -> Result<Retries, String> {
    let bad = || format!("`{text}` is no number of retries: write one, with a wait behind it if you like (2@100ms)");
    let (count, backoff) = text.split_once('@').unwrap_or((text, "0s"));
    Ok(Retries { count: count.parse().map_err(|_| bad())?, backoff: backoff.parse().map_err(|_| bad())? })
}
