//! The blocks of `-L` and `-U`.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::columns::padded_time;
use crate::report::hgrm;
use crate::stats::value_at_percentile;

pub(super) const RECORDED: &str = "Recorded Latency";
/// Over several URLs.
pub(super) const RECORDED_OVERALL: &str = "Recorded Overall Latency";
pub(super) const UNCORRECTED: &str = "Uncorrected Latency (measured without taking delayed starts into account)";

const PERCENTS: [f64; 8] = [50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999, 100.0];

/// The percentiles, the spectrum (ms) with HdrHistogram's footer, and a rule `width` wide.
pub(super) fn write(text: &mut String, title: &str, h: &Histogram<u64>, width: usize) {
    let _ = writeln!(text, "  Latency Distribution (HdrHistogram - {title})");
    for percent in PERCENTS {
        let at = padded_time(value_at_percentile(h, percent) as f64, 10);
        let _ = writeln!(text, "{percent:>7.3}%{at}");
    }
    let _ = write!(text, "\n  Detailed Percentile spectrum:\n{}{}\n", hgrm::text(h), "-".repeat(width));
}
