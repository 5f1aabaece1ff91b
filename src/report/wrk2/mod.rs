//! wrk2's text report, as parsers of the three wrk2s read it. Pure: numbers in, text out.
//!
//! The layout is theirs to the character; what differs is meant: never a `nan`, 0 where there is no sample.

mod columns;
mod latency;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use crate::record::ErrorCounts;
use crate::stats::{Moments, ratio, value_at_percentile, within_stdev};
use crate::units::{Time, wrk_binary, wrk_time};
use columns::{padded_metric, padded_time, whole_time};

/// What is said before the first request.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// One, or more with DSB's several URLs.
    pub urls: &'a [String],
    /// Of each URL.
    pub threads: usize,
    /// Of each URL.
    pub connections: usize,
    pub duration: Time,
}

/// What is said at the end.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// A thread's own, in order of threads; none where the run was too short for a warm-up.
    pub calibration: &'a [Calibration],
    /// Where `-P` wrote the latencies to.
    pub latencies_file: Option<&'a str>,
    /// Over all URLs.
    pub total: Tally<'a>,
    /// Each URL's own, where there are several. Empty for one URL.
    pub targets: &'a [(String, Tally<'a>)],
    pub show: Show,
    /// Lines of our own after `Transfer/sec:`, each with its line end. See [`super::generator::GeneratorBlock::text`].
    pub own: &'a str,
}

/// What the options ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Show {
    /// `-L`, or `-U`.
    pub latency: bool,
    /// `-U`.
    pub uncorrected: bool,
    /// An option that only DSB has was given: the third column is `99%`, not `Max`.
    pub dsb: bool,
    /// `-S`: each URL's report too.
    pub separate: bool,
    /// `-r`: the number of requests sent.
    pub sent: bool,
}

/// How theirs calibrated a thread over the warm-up; ours needs none, and says what it saw.
#[derive(Clone, Copy, Debug)]
pub struct Calibration {
    pub mean_latency_ms: f64,
    pub interval_ms: u64,
}

/// The numbers of one report: of a URL, or of all.
#[derive(Clone, Debug)]
pub struct Tally<'a> {
    /// Response times (corrected), in us.
    pub response: &'a Histogram<u64>,
    /// Service times (uncorrected), in us.
    pub service: Option<&'a Histogram<u64>>,
    /// Of samples of one thread's responses per second.
    pub req_per_sec: Moments,
    pub sent: u64,
    /// Whole responses that arrived in `runtime`.
    pub requests: u64,
    pub runtime: Time,
    /// Read in `runtime`.
    pub bytes: u64,
    pub errors: ErrorCounts,
}

/// The text to print before the load starts.
pub fn header(header: &Header) -> String {
    let mut text = String::new();
    for url in header.urls {
        let _ = writeln!(text, "Running {} test @ {url}", whole_time(header.duration));
        let _ = writeln!(text, "  {} threads and {} connections", header.threads, header.connections);
        if header.urls.len() > 1 {
            text.push('\n');
        }
    }
    text
}

/// The text to print at the end, before what the script's `done()` prints.
pub fn text(report: &Report) -> String {
    blocks(report).concat()
}

/// The same in parts: one for each URL that is reported on apart (with `-S`), behind each of which the script's `done()`
/// may print, and the last one.
pub fn blocks(report: &Report) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut text = String::new();
    for c in report.calibration {
        let mean = ratio(c.mean_latency_ms, 1.0);
        let _ =
            writeln!(text, "  Thread calibration: mean lat.: {mean:.3}ms, rate sampling interval: {}ms", c.interval_ms);
    }
    if let Some(file) = report.latencies_file {
        let _ = writeln!(text, "Latencies recorded to file: {file}");
    }
    let rule = "-".repeat(WIDE);
    for (url, tally) in report.targets.iter().filter(|_| report.show.separate) {
        let _ = writeln!(text, "\n{rule}\nTest Results @ {url} ");
        body(&mut text, tally, report.show, Place::OneOfSeveral);
        blocks.push(std::mem::take(&mut text));
    }
    let place = if report.targets.is_empty() { Place::Only } else { Place::Overall };
    if place == Place::Overall {
        let _ = writeln!(text, "\n{rule}\n{}Overall Statistics{}\n{rule}", "-".repeat(27), "-".repeat(26));
    }
    body(&mut text, &report.total, report.show, place);
    text.push_str(report.own);
    blocks.push(text);
    blocks
}

/// Rules of a report on several URLs are so wide, and those of a report on one.
const WIDE: usize = 71;
const NARROW: usize = 58;

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Only,
    OneOfSeveral,
    Overall,
}

fn body(text: &mut String, tally: &Tally, show: Show, place: Place) {
    if show.sent {
        let _ = writeln!(text, "Sent {} requests\n", tally.sent);
    }
    thread_stats(text, tally, show.dsb);
    if show.latency || show.uncorrected {
        let (title, width) = match place {
            Place::Only => (latency::RECORDED, NARROW),
            Place::OneOfSeveral => (latency::RECORDED, WIDE),
            Place::Overall => (latency::RECORDED_OVERALL, WIDE),
        };
        latency::write(text, title, tally.response, width);
        if let Some(service) = tally.service.filter(|_| show.uncorrected) {
            text.push('\n');
            latency::write(text, latency::UNCORRECTED, service, width);
        }
    }
    let overall = if place == Place::Overall { "Overall " } else { "" };
    let runtime_us = tally.runtime.0 as f64 / 1e3;
    let seconds = tally.runtime.as_secs_f64();
    let read = wrk_binary(tally.bytes as f64);
    let _ = writeln!(text, "  {overall}{} requests in {}, {read} read", tally.requests, wrk_time(runtime_us));
    let e = &tally.errors;
    // DSB's says nothing of errors over all; ours does, where nothing else would.
    let told = place == Place::Overall && show.separate;
    if e.any_socket() && !told {
        let _ = writeln!(
            text,
            "  Socket errors: connect {}, read {}, write {}, timeout {}",
            e.connect, e.read, e.write, e.timeout
        );
    }
    if e.status > 0 && !told {
        let _ = writeln!(text, "  Non-2xx or 3xx responses: {}", e.status);
    }
    let pad = if place == Place::OneOfSeveral { "  " } else { "" };
    let _ = writeln!(text, "Requests/sec: {:>9.2}{pad}", ratio(tally.requests as f64, seconds));
    let _ = writeln!(text, "Transfer/sec: {:>11}", wrk_binary(ratio(tally.bytes as f64, seconds)));
}

fn thread_stats(text: &mut String, tally: &Tally, dsb: bool) {
    let h = tally.response;
    let r = &tally.req_per_sec;
    let (head, third_us, third_rate) = if dsb {
        ("99%", value_at_percentile(h, 99.0), r.p99)
    } else {
        // Theirs prints the least value that the histogram can't tell from the greatest; empty, it is 0.
        ("Max", if h.is_empty() { 0 } else { h.lowest_equivalent(h.max()) }, r.max)
    };
    let _ = writeln!(text, "  Thread Stats{:>6}{:>11}{head:>8}{:>12}", "Avg", "Stdev", "+/- Stdev");
    let _ = writeln!(
        text,
        "    {:<10}{}{}{}{:>8.2}%",
        "Latency",
        padded_time(h.mean(), 8),
        padded_time(h.stdev(), 10),
        padded_time(third_us as f64, 9),
        within_stdev(h)
    );
    let _ = writeln!(
        text,
        "    {:<10}{}{}{}{:>8.2}%",
        "Req/Sec",
        padded_metric(r.mean, 8),
        padded_metric(r.stdev, 10),
        padded_metric(third_rate, 9),
        r.within_stdev
    );
}
