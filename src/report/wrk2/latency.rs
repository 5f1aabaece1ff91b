//! The latency distributions of `-L` and `-U`.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::columns::pad_time;
use crate::report::hgrm;
use crate::stats::value_at_percentile;

pub(super) const RECORDED: &str = "Recorded Latency";
/// The title for the sums over several URLs.
pub(super) const RECORDED_OVERALL: &str = "Recorded Overall Latency";
pub(super) const UNCORRECTED: &str = "Uncorrected Latency (measured without taking delayed starts into account)";

const PERCENTS: [f64; 8] = [50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999, 100.0];

/// Writes the percentiles, the spectrum (in ms) with HdrHistogram's footer, and a rule of `width` characters.
pub(super) fn write_distribution(text: &mut String, title: &str, h: &Histogram<u64>, width: usize) {
    let _ = writeln!(text, "  Latency Distribution (HdrHistogram - {title})");
    for percent in PERCENTS {
        let at = pad_time(value_at_percentile(h, percent) as f64, 10);
        let _ = writeln!(text, "{percent:>7.3}%{at}");
    }
    let _ = write!(text, "\n  Detailed Percentile spectrum:\n{}{}\n", hgrm::format_spectrum(h), "-".repeat(width));
}
