//! The blocks of `-L` and `-U`.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::columns::padded_time;
use crate::stats::{spectrum, value_at_percentile};

pub(super) const RECORDED: &str = "Recorded Latency";
pub(super) const UNCORRECTED: &str = "Uncorrected Latency (measured without taking delayed starts into account)";

const PERCENTS: [f64; 8] = [50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999, 100.0];

/// The percentiles, the spectrum (ms), and HdrHistogram's footer.
pub(super) fn write(text: &mut String, title: &str, h: &Histogram<u64>) {
    let _ = writeln!(text, "  Latency Distribution (HdrHistogram - {title})");
    for percent in PERCENTS {
        let at = padded_time(value_at_percentile(h, percent) as f64, 10);
        let _ = writeln!(text, "{percent:>7.3}%{at}");
    }
    let _ = writeln!(text, "\n  Detailed Percentile spectrum:");
    let _ = writeln!(text, "{:>12} {:>12} {:>12} {:>12}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for tick in spectrum(h, 5) {
        let (ms, beyond) = (tick.value as f64 / 1e3, 1.0 / (1.0 - tick.quantile));
        let _ = writeln!(text, "{ms:>12.3} {:>12.6} {:>12} {beyond:>12.2}", tick.quantile, tick.count);
    }
    let (mean, stdev) = (h.mean() / 1e3, h.stdev() / 1e3);
    let max = if h.is_empty() { 0.0 } else { h.lowest_equivalent(h.max()) as f64 / 1e3 };
    let _ = writeln!(text, "#[Mean    = {mean:>12.3}, StdDeviation   = {stdev:>12.3}]");
    let _ = writeln!(text, "#[Max     = {max:>12.3}, Total count    = {:>12}]", h.len());
    let _ = writeln!(text, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", h.buckets(), sub_buckets(h));
    let _ = writeln!(text, "{}", "-".repeat(58));
}

/// How finely a histogram divides each power of two: the least power of two that tells 2 * 10^digits apart.
fn sub_buckets(h: &Histogram<u64>) -> u64 {
    (2 * 10u64.pow(u32::from(h.sigfig()))).next_power_of_two()
}
