//! The command line of a load: the options of all three programs called wrk2, and further ones, grouped by topic.
//!
//! [`Args::plans`](super::plans) turns them into load plans.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgAction;
use clap::builder::ArgPredicate;

use crate::arrivals::{ArrivalProcess, Profile};
use crate::cli::parts::PartOptions;
use crate::cli::progress_options::ProgressOptions;
use crate::load::plan::{OnTimeout, Retries, Spin, Timestamps, WhenBusy};
use crate::threshold::{AbortCondition, Condition, Thresholds};
use crate::units::{Time, parse_count, parse_number};

/// Heading of the options that are about the program itself.
pub const GENERAL: &str = "General";

const SHORT_HELP: &str = "\
Numbers accept the suffixes k, M and G (2k = 2000). Times accept the units us, ms, s, m and h; a time without a unit \
is in seconds. --help lists all options, with examples and exit codes.";

const LONG_HELP: &str = "\
Numbers accept the suffixes k, M and G (2k = 2000). Times accept the units us, ms, s, m and h; a time without a unit \
is in seconds.

Examples:
  wrk2 -t2 -c100 -d30s -R2000 -L http://127.0.0.1:8080/         2000 requests/s for 30 s, and the latency spectrum
  wrk2 -R2k -s post.lua http://127.0.0.1:8080/                  requests that a Lua script makes
  wrk2 -R100 -n1000 -X PUT --body-file a.json -H 'Content-Type: application/json' http://127.0.0.1:8080/a
  wrk2 -R100..2k -d5m --when-busy open http://127.0.0.1:8080/   a rate that rises, and new connections for all
  wrk2 -R2k --fail-if 'p99>50ms' --fail-if 'errors>1%' --junit wrk2.xml http://127.0.0.1:8080/
  wrk2 -R2k --record requests.parquet --json - http://127.0.0.1:8080/

Exit codes:
  0    the load completed
  1    error or invalid usage
  2    not all of several generators were ready, and nothing was sent
  3    the report has a warning, and --strict is given
  4    a threshold failed (--fail-if, --abort-if)
  130  ended by SIGINT, with a full report
  143  ended by SIGTERM, with a full report
  129  ended by SIGHUP, with a full report";

/// Target and options of a load.
#[derive(Debug, clap::Args)]
// As in wrk, the last of repeated options counts, and long options may be shortened (`--lat`), as getopt allows.
#[command(version, args_override_self = true, infer_long_args = true)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = SHORT_HELP, after_long_help = LONG_HELP)]
pub struct Args {
    /// Target URL. With several URLs, each one gets its own threads, connections and rate
    #[arg(value_name = "URL", required_unless_present = "args")]
    pub url: Vec<OsString>,

    /// Passed to the script's init(args) after the URL. Arguments before -- that have no scheme:// are passed too
    #[arg(value_name = "ARG", last = true)]
    pub args: Vec<OsString>,

    #[command(flatten)]
    pub load: LoadOptions,
    #[command(flatten)]
    pub pacing: PacingOptions,
    #[command(flatten)]
    pub connection: ConnectionOptions,
    #[command(flatten)]
    pub failure: FailureOptions,
    #[command(flatten)]
    pub latency: LatencyOptions,
    #[command(flatten)]
    pub threshold: ThresholdOptions,
    #[command(flatten)]
    pub output: OutputOptions,
    #[command(flatten)]
    pub parts: PartOptions,
    /// Be one of several generators that srun, mpirun or Kubernetes starts with this command line. The first one runs at
    /// this address, starts the load, and prints the report
    #[arg(long, value_name = "HOST:PORT", help_heading = "Several generators")]
    pub join: Option<String>,
    #[command(flatten)]
    pub dsb: DeathStarBenchOptions,
    #[command(flatten)]
    pub general: GeneralOptions,
}

/// The duration of a load that ends with its last request.
const LONGEST: &str = "8784h";

/// Rate, duration, concurrency and content of a load.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Load")]
pub struct LoadOptions {
    /// Total number of connections, spread over the threads
    #[arg(short, long, value_name = "N", value_parser = parse_count, default_value = "10")]
    pub connections: usize,

    /// Duration of the load. At its end, requests in flight get up to --drain to finish
    #[arg(
        short,
        long,
        value_name = "T",
        default_value = "10s",
        default_value_if("max_requests", ArgPredicate::IsPresent, LONGEST)
    )]
    pub duration: Time,

    /// Number of worker threads
    #[arg(short, long, value_name = "N", value_parser = parse_count, default_value = "2")]
    pub threads: usize,

    /// Request rate over all threads, in requests per second (required). A profile changes the rate over time:
    /// 100..1000 or 100@10s,500@20s,100
    #[arg(short = 'R', long, value_name = "N")]
    pub rate: Option<Profile>,

    /// Lua script that every thread runs: a file, or the built-in compose-post
    #[arg(short, long, value_name = "FILE")]
    pub script: Option<PathBuf>,

    /// End the load after N requests, for each URL. Without --duration, it lasts as long as they take
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_count)]
    pub max_requests: Option<usize>,

    /// Method of the requests [default: GET, or POST with a body]
    #[arg(short = 'X', long, value_name = "METHOD")]
    pub method: Option<String>,

    /// Body of the requests. Content-Length is added, Content-Type is not: see --header
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file", allow_hyphen_values = true)]
    pub body: Option<OsString>,

    /// File with the body of the requests
    #[arg(long, value_name = "FILE")]
    pub body_file: Option<PathBuf>,

    /// Header to add to every request, as "Name: value". Can be repeated
    #[arg(short = 'H', long, value_name = "HEADER", allow_hyphen_values = true)]
    pub header: Vec<OsString>,
}

/// When requests are sent.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Arrivals and pacing")]
pub struct PacingOptions {
    /// Seed of the random gaps between requests (see --dist)
    #[arg(long, value_name = "N", default_value = "1", hide_short_help = true)]
    pub seed: u64,

    /// What to do if a request is due and all connections are busy: wait for a free connection, pipeline it behind
    /// other requests, or open a new connection
    #[arg(long, value_name = "HOW", value_enum, default_value = "wait")]
    pub when_busy: WhenBusy,

    /// Limit on the send rate after a stall, as a multiple of the rate. Only with --when-busy wait [default: no limit]
    #[arg(long, value_name = "X", value_parser = parse_number, hide_short_help = true)]
    pub catch_up: Option<f64>,

    /// When threads busy-wait for a due time: never, always (uses a full core per thread), or auto (only for the
    /// usual wake-up latency, at most a tenth of a core per thread). --spin alone means always
    #[arg(
        long, value_name = "WHEN", value_enum, num_args = 0..=1, require_equals = true, default_value = "auto",
        default_missing_value = "always"
    )]
    pub spin: Spin,

    /// Let requests be late by up to this, to save CPU time: those due within it are sent together. At most 5ms
    #[arg(long, value_name = "T", default_value = "0s", hide_short_help = true)]
    pub slack: Time,

    /// Call the script's request() at the due time. By default, the next request is built before it is due
    #[arg(long, hide_short_help = true)]
    pub no_ahead: bool,
}

/// Connections, TLS and HTTP/2.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connections and protocol")]
pub struct ConnectionOptions {
    /// Limit on the total number of connections with --when-busy open [default: 10k, or --connections if higher]
    #[arg(long, value_name = "N", value_parser = parse_count, hide_short_help = true)]
    pub max_connections: Option<usize>,

    /// Verify the certificates of https servers with the certificate authorities of this system
    #[arg(long)]
    pub verify: bool,

    /// Verify the certificates of https servers with the certificate authorities in this PEM file
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub cacert: Option<PathBuf>,

    /// Connect to this unix socket. The URL, with any host, still gives the path and the Host header
    #[arg(long, value_name = "PATH")]
    pub unix_socket: Option<PathBuf>,

    /// Certificate of the client, for https servers that ask for one: a PEM file
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub cert: Option<PathBuf>,

    /// Private key of --cert, a PEM file [default: in the file of --cert]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub key: Option<PathBuf>,

    /// Name to ask https servers for (SNI), and to verify, in place of the host of the URL
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub sni: Option<String>,

    /// Use HTTP/2
    #[arg(long)]
    pub http2: bool,

    /// Limit on concurrent requests per connection with --http2 [default: 100]
    #[arg(long, value_name = "N", value_parser = parse_count, hide_short_help = true)]
    pub streams: Option<usize>,
}

/// Requests that take too long or fail.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Timeouts and retries")]
pub struct FailureOptions {
    /// Count a request as timed out if it takes longer than this
    // wrk2 accepts these abbreviations, which could be --timestamps here.
    #[arg(short = 'T', long, aliases = ["ti", "tim", "time"], value_name = "T", default_value = "2s")]
    pub timeout: Time,

    /// What to do at a timeout: wait for the response anyway, or abandon the request and close its connection
    #[arg(long, value_name = "HOW", value_enum, default_value = "wait")]
    pub on_timeout: OnTimeout,

    /// How long requests in flight may take to finish after the end of --duration
    /// [default: 2s, or --timeout if that is shorter]
    #[arg(long, value_name = "T", hide_short_help = true)]
    pub drain: Option<Time>,

    /// Retry a request up to N times if it gets no response or a status of 500 or above. The wait before a retry is T
    /// first, and doubles each time [default: 0]
    #[arg(long, value_name = "N[@T]", value_parser = parse_retries)]
    pub retries: Option<Retries>,
}

/// Which latencies are recorded and printed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Latency")]
pub struct LatencyOptions {
    /// Print the latency distribution
    // wrk2 accepts this abbreviation, which could be --listen here.
    #[arg(short = 'L', long = "latency", alias = "l")]
    pub distribution: bool,

    /// Print the corrected and the uncorrected latency distribution (measured from the due time and from the send time)
    // wrk2 accepts this abbreviation, which could be --unix-socket here.
    #[arg(short = 'U', long = "u_latency", alias = "u")]
    pub uncorrected: bool,

    /// Record one latency for each batch of pipelined requests instead of one for each request
    // wrk2 accepts this abbreviation, which could be --body here.
    #[arg(short = 'B', long = "batch_latency", alias = "b", hide_short_help = true)]
    pub batch: bool,

    /// Which clock says when a response arrived: the kernel's, the generator's when it reads the response (user), or the
    /// kernel's unless the rate keeps the threads busy (auto)
    #[arg(long, value_name = "CLOCK", value_enum, default_value = "auto", hide_short_help = true)]
    pub timestamps: Timestamps,

    /// Exclude requests that end before this time from the latencies [default: 10s if --duration is longer, else 0s]
    #[arg(long, value_name = "T")]
    pub warmup: Option<Time>,
}

/// Conditions that the load must keep.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Thresholds")]
pub struct ThresholdOptions {
    /// Exit with code 4 if this holds at the end: p99>50ms, errors>1%, rate<95%, service.p99.9>1s. Can be repeated
    #[arg(long, value_name = "CONDITION")]
    pub fail_if: Vec<Condition>,

    /// End the load and exit with code 4 if this holds over the last 10s, or over the time after the @:
    /// errors>50%@5s. Can be repeated
    #[arg(long, value_name = "CONDITION", hide_short_help = true)]
    pub abort_if: Vec<AbortCondition>,

    /// The longest response time of a good answer, for conditions on goodput: goodput<99%
    #[arg(long, value_name = "T", hide_short_help = true)]
    pub slo: Option<Time>,
}

impl ThresholdOptions {
    pub fn thresholds(&self) -> Thresholds {
        Thresholds { fail_if: self.fail_if.clone(), abort_if: self.abort_if.clone() }
    }
}

/// What a load writes besides its text report.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// Write one row for each request to a .parquet or .csv file
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Write the report as JSON. With -, JSON replaces the text report on standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write the latency distribution for the plotter of HdrHistogram. With -, it replaces the text report on standard output
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub hgrm: Option<PathBuf>,

    /// Write whether each threshold was kept as JUnit XML, for CI systems
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub junit: Option<PathBuf>,

    /// Write a summary as Markdown, for CI systems. With -, it replaces the text report on standard output
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub markdown: Option<PathBuf>,

    /// Write the report as a page with figures. With -, it replaces the text report on standard output
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,

    /// Draw figures of the load into this folder
    #[arg(long, value_name = "DIR")]
    pub plot: Option<PathBuf>,

    #[command(flatten)]
    pub progress: ProgressOptions,

    /// Do not show the progress line (it is shown only if standard error is a terminal)
    #[arg(long, conflicts_with = "progress")]
    pub quiet: bool,

    /// Show progress as a full-screen view
    #[arg(long, conflicts_with_all = ["progress", "quiet"])]
    pub tui: bool,

    /// Exit with code 3 if the report has a warning about the validity of the results
    #[arg(long)]
    pub strict: bool,
}

impl OutputOptions {
    /// The files of `--record`, `--json`, `--hgrm`, `--junit`, `--markdown` and `--report`.
    pub fn data_files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.record, &self.json, &self.hgrm, &self.junit, &self.markdown, &self.report].into_iter().flatten()
    }
}

/// The options that only the wrk2 in DeathStarBench has. Each one changes the third column of the report to the 99th
/// percentile, as there.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "DeathStarBench options")]
pub struct DeathStarBenchOptions {
    /// Distribution of the gaps between requests. The mean gap is 1/rate [default: fixed]
    #[arg(short = 'D', long, value_name = "HOW", value_enum)]
    pub dist: Option<ArrivalProcess>,

    /// Write all latencies to latencies.txt, in microseconds, one line for each thread
    #[arg(short = 'P')]
    pub all_latencies: bool,

    /// Write the 99th percentile of every 0.2 s, in microseconds, to one file for each URL and thread: url0thread0.txt, ...
    #[arg(short = 'p', hide_short_help = true)]
    pub percentiles: bool,

    /// With several URLs, print the results of each URL too
    #[arg(short = 'S', long)]
    pub separate: bool,

    /// Print the number of requests sent
    #[arg(short = 'r', long, hide_short_help = true)]
    pub requests: bool,
}

/// Options about the program itself.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = GENERAL)]
pub struct GeneralOptions {
    /// Print the version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,

    /// Print this help: -h the usual options, --help all of them with examples and exit codes
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// `3`, or `3@100ms`.
fn parse_retries(text: &str) -> Result<Retries, String> {
    let invalid = || {
        format!("`{text}` is not a number of retries. Write N or N@T, where T is the first wait, for example 2@100ms.")
    };
    let (count, backoff) = text.split_once('@').unwrap_or((text, "0s"));
    Ok(Retries { count: count.parse().map_err(|_| invalid())?, backoff: backoff.parse().map_err(|_| invalid())? })
}
