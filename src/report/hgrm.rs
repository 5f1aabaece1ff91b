//! The percentile spectrum of a histogram in HdrHistogram's text format, for its plotter and for wrk2's text report.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use crate::stats::spectrum;

/// The number of lines for each halving of the distance to 100 %.
const TICKS: u32 = 5;

/// The text of a `.hgrm` file with HdrHistogram's footer. The histogram is in us, the text in ms.
pub fn format_spectrum(h: &Histogram<u64>) -> String {
    let mut text = format!("{:>12} {:>12} {:>12} {:>12}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for tick in spectrum(h, TICKS) {
        let (ms, beyond) = (tick.value as f64 / 1e3, 1.0 / (1.0 - tick.quantile));
        let _ = writeln!(text, "{ms:>12.3} {:>12.6} {:>12} {beyond:>12.2}", tick.quantile, tick.count);
    }
    let (mean, stdev) = (h.mean() / 1e3, h.stdev() / 1e3);
    let max = if h.is_empty() { 0.0 } else { h.lowest_equivalent(h.max()) as f64 / 1e3 };
    let _ = writeln!(text, "#[Mean    = {mean:>12.3}, StdDeviation   = {stdev:>12.3}]");
    let _ = writeln!(text, "#[Max     = {max:>12.3}, Total count    = {:>12}]", h.len());
    let _ = writeln!(text, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", h.buckets(), sub_buckets(h));
    text
}

/// The number of sub-buckets in each power of two: the least power of two that is not below 2 * 10^digits.
fn sub_buckets(h: &Histogram<u64>) -> u64 {
    (2 * 10u64.pow(u32::from(h.sigfig()))).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::latency_histogram;

    #[test]
    fn the_spectrum_has_four_columns_between_header_and_footer() {
        let mut h = latency_histogram();
        [800, 900, 1000, 5000].iter().for_each(|us| h.saturating_record(*us));
        insta::assert_snapshot!(format_spectrum(&h), @r"
               Value   Percentile   TotalCount 1/(1-Percentile)

               0.800     0.000000            1         1.00
               0.800     0.100000            1         1.11
               0.800     0.200000            1         1.25
               0.900     0.300000            2         1.43
               0.900     0.400000            2         1.67
               0.900     0.500000            2         2.00
               1.000     0.550000            3         2.22
               1.000     0.600000            3         2.50
               1.000     0.650000            3         2.86
               1.000     0.700000            3         3.33
               1.000     0.750000            3         4.00
               5.003     0.775000            4         4.44
               5.003     1.000000            4          inf
        #[Mean    =        1.925, StdDeviation   =        1.778]
        #[Max     =        5.000, Total count    =            4]
        #[Buckets =           27, SubBuckets     =         2048]
        ");
    }

    #[test]
    fn the_spectrum_of_an_empty_histogram_is_zeros() {
        insta::assert_snapshot!(format_spectrum(&latency_histogram()), @r"
               Value   Percentile   TotalCount 1/(1-Percentile)

               0.000     1.000000            0          inf
        #[Mean    =        0.000, StdDeviation   =        0.000]
        #[Max     =        0.000, Total count    =            0]
        #[Buckets =           27, SubBuckets     =         2048]
        ");
    }
}
