//! The text report of wrk2, in the layout that parsers of the three programs named wrk2 expect.
//!
//! The layout equals wrk2's in every character, with two exceptions. wrk2 prints `nan` or `-nan` where there is no sample,
//! and this module prints 0. The block about the generator is added before the line `N requests in`, so that
//! `Requests/sec:` and `Transfer/sec:` stay the last two lines: users read those with `tail -n 2`.

mod columns;
mod latency;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use crate::record::ErrorCounts;
use crate::stats::{Moments, ratio, value_at_percentile, within_stdev};
use crate::units::{Time, format_wrk_bytes, format_wrk_time};
use columns::{format_whole_time, pad_metric, pad_time};

/// The report before the first request.
#[derive(Clone, Debug)]
pub struct Wrk2Header<'a> {
    /// One URL; several with the options of DeathStarBench.
    pub urls: &'a [String],
    /// For each URL.
    pub threads: usize,
    /// For each URL.
    pub connections: usize,
    pub duration: Time,
}

/// The report at the end.
#[derive(Clone, Debug)]
pub struct Wrk2Report<'a> {
    /// One entry for each thread; empty if the run was too short for a warm-up.
    pub calibration: &'a [ThreadCalibration],
    /// The file with all latencies (`-P`).
    pub latencies_file: Option<&'a str>,
    /// The sums over all URLs.
    pub total: Wrk2Statistics<'a>,
    /// Each of several URLs. Empty for one URL.
    pub targets: &'a [(String, Wrk2Statistics<'a>)],
    pub options: Wrk2Options,
    /// Lines before `N requests in`, each with its line end. See [`super::generator::GeneratorReport::to_text`].
    pub generator: &'a str,
}

/// The options that change the report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wrk2Options {
    /// `-L`, or `-U`.
    pub latency: bool,
    /// `-U`.
    pub uncorrected: bool,
    /// The command line has an option that only DeathStarBench's wrk2 has: the third column is `99%` instead of `Max`.
    pub dsb: bool,
    /// `-S`: report each URL too.
    pub separate: bool,
    /// `-r`: print the number of requests sent.
    pub sent: bool,
}

/// The calibration line of a thread. wrk2 calibrates in the warm-up; metawrk does not, and prints what it measured.
#[derive(Clone, Copy, Debug)]
pub struct ThreadCalibration {
    pub mean_latency_ms: f64,
    pub interval: Time,
}

/// The numbers of one URL, or the sums over all URLs.
#[derive(Clone, Debug)]
pub struct Wrk2Statistics<'a> {
    /// Response times (corrected), in us.
    pub response: &'a Histogram<u64>,
    /// Service times (uncorrected), in us.
    pub service: Option<&'a Histogram<u64>>,
    /// Samples of the responses per second of one thread.
    pub req_per_sec: Moments,
    pub sent: u64,
    /// Complete responses that arrived in `runtime`.
    pub requests: u64,
    pub runtime: Time,
    /// Bytes read in `runtime`.
    pub bytes: u64,
    pub errors: ErrorCounts,
}

/// The text to print before the load starts.
pub fn format_header(header: &Wrk2Header) -> String {
    let mut text = String::new();
    for url in header.urls {
        let _ = writeln!(text, "Running {} test @ {url}", format_whole_time(header.duration));
        let _ = writeln!(text, "  {} threads and {} connections", header.threads, header.connections);
        if header.urls.len() > 1 {
            text.push('\n');
        }
    }
    text
}

/// The text to print at the end, before the output of the script's `done()`.
pub fn format_report(report: &Wrk2Report) -> String {
    format_blocks(report).concat()
}

/// The parts of [`format_report`]: one for each URL with `-S`, then the sums over all URLs. The script's `done()` may
/// print after each part.
pub fn format_blocks(report: &Wrk2Report) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut text = String::new();
    for c in report.calibration {
        let (mean, interval) = (ratio(c.mean_latency_ms, 1.0), c.interval.0 / 1_000_000);
        let _ = writeln!(text, "  Thread calibration: mean lat.: {mean:.3}ms, rate sampling interval: {interval}ms");
    }
    if let Some(file) = report.latencies_file {
        let _ = writeln!(text, "Latencies recorded to file: {file}");
    }
    let rule = "-".repeat(WIDE);
    for (url, statistics) in report.targets.iter().filter(|_| report.options.separate) {
        let _ = writeln!(text, "\n{rule}\nTest Results @ {url} ");
        write_body(&mut text, statistics, report.options, ReportScope::OneOfSeveral, "");
        blocks.push(std::mem::take(&mut text));
    }
    let scope = if report.targets.is_empty() { ReportScope::OnlyUrl } else { ReportScope::Overall };
    if scope == ReportScope::Overall {
        let _ = writeln!(text, "\n{rule}\n{}Overall Statistics{}\n{rule}", "-".repeat(27), "-".repeat(26));
    }
    write_body(&mut text, &report.total, report.options, scope, report.generator);
    blocks.push(text);
    blocks
}

/// The width of horizontal rules for several URLs.
const WIDE: usize = 71;
/// The width of horizontal rules for one URL.
const NARROW: usize = 58;

#[derive(Clone, Copy, PartialEq)]
enum ReportScope {
    OnlyUrl,
    OneOfSeveral,
    Overall,
}

fn write_body(
    text: &mut String,
    statistics: &Wrk2Statistics,
    options: Wrk2Options,
    scope: ReportScope,
    generator: &str,
) {
    if options.sent {
        let _ = writeln!(text, "Sent {} requests\n", statistics.sent);
    }
    write_thread_stats(text, statistics, options.dsb);
    if options.latency || options.uncorrected {
        let (title, width) = match scope {
            ReportScope::OnlyUrl => (latency::RECORDED, NARROW),
            ReportScope::OneOfSeveral => (latency::RECORDED, WIDE),
            ReportScope::Overall => (latency::RECORDED_OVERALL, WIDE),
        };
        latency::write_distribution(text, title, statistics.response, width);
        if let Some(service) = statistics.service.filter(|_| options.uncorrected) {
            text.push('\n');
            latency::write_distribution(text, latency::UNCORRECTED, service, width);
        }
    }
    text.push_str(generator);
    let overall = if scope == ReportScope::Overall { "Overall " } else { "" };
    let runtime_us = statistics.runtime.0 as f64 / 1e3;
    let seconds = statistics.runtime.as_secs_f64();
    let read = format_wrk_bytes(statistics.bytes as f64);
    let _ =
        writeln!(text, "  {overall}{} requests in {}, {read} read", statistics.requests, format_wrk_time(runtime_us));
    let e = &statistics.errors;
    // DeathStarBench's wrk2 never prints the errors over all URLs. Without -S they would be lost, so print them then.
    let printed = scope == ReportScope::Overall && options.separate;
    if e.any_socket() && !printed {
        let _ = writeln!(
            text,
            "  Socket errors: connect {}, read {}, write {}, timeout {}",
            e.connect, e.read, e.write, e.timeout
        );
    }
    if e.status > 0 && !printed {
        let _ = writeln!(text, "  Non-2xx or 3xx responses: {}", e.status);
    }
    let pad = if scope == ReportScope::OneOfSeveral { "  " } else { "" };
    let _ = writeln!(text, "Requests/sec: {:>9.2}{pad}", ratio(statistics.requests as f64, seconds));
    let _ = writeln!(text, "Transfer/sec: {:>11}", format_wrk_bytes(ratio(statistics.bytes as f64, seconds)));
}

fn write_thread_stats(text: &mut String, statistics: &Wrk2Statistics, dsb: bool) {
    let h = statistics.response;
    let r = &statistics.req_per_sec;
    let (head, third_us, third_rate) = if dsb {
        ("99%", value_at_percentile(h, 99.0), r.p99)
    } else {
        // wrk2 prints the lowest value that the histogram counts as equal to the maximum; 0 if it is empty.
        ("Max", if h.is_empty() { 0 } else { h.lowest_equivalent(h.max()) }, r.max)
    };
    let _ = writeln!(text, "  Thread Stats{:>6}{:>11}{head:>8}{:>12}", "Avg", "Stdev", "+/- Stdev");
    let _ = writeln!(
        text,
        "    {:<10}{}{}{}{:>8.2}%",
        "Latency",
        pad_time(h.mean(), 8),
        pad_time(h.stdev(), 10),
        pad_time(third_us as f64, 9),
        within_stdev(h)
    );
    let _ = writeln!(
        text,
        "    {:<10}{}{}{}{:>8.2}%",
        "Req/Sec",
        pad_metric(r.mean, 8),
        pad_metric(r.stdev, 10),
        pad_metric(third_rate, 9),
        r.within_stdev
    );
}
