//! The options that searches share.

use crate::lab::search::MIN_PRECISION;
use crate::units::{Time, UnitError, parse_count, parse_number};

/// When a search ends.
#[derive(clap::Args)]
#[command(next_help_heading = "Search")]
pub struct EndOptions {
    /// End once the 90 % interval's upper end is at most this multiple of the lower one [default: 1.3 for outages, 1.1 for
    /// rates]
    #[arg(long, value_name = "RATIO", value_parser = parse_precision)]
    pub precision: Option<f64>,

    /// End after this many runs [default: 20]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub max_runs: Option<usize>,
}

/// Parses the ratio of an interval's ends.
pub fn parse_precision(text: &str) -> Result<f64, String> {
    match parse_number(text) {
        Ok(ratio) if ratio >= MIN_PRECISION => Ok(ratio),
        _ => Err(format!("`{text}` is not a ratio. Write a number of at least {MIN_PRECISION}, such as 1.1")),
    }
}

/// Parses a range of outages: `50ms..10s`.
pub fn parse_outages(text: &str) -> Result<(Time, Time), String> {
    parse_range(text, str::parse, "50ms..10s")
}

/// Parses a range of rates: `100..2k`.
pub fn parse_rates(text: &str) -> Result<(f64, f64), String> {
    parse_range(text, parse_number, "100..2k")
}

fn parse_range<T>(text: &str, parse: impl Fn(&str) -> Result<T, UnitError>, example: &str) -> Result<(T, T), String> {
    let (low, high) =
        text.split_once("..").ok_or_else(|| format!("`{text}` is not a range. Write one like {example}"))?;
    let parse = |end: &str| parse(end).map_err(|error| error.to_string());
    Ok((parse(low)?, parse(high)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_two_ends() {
        assert_eq!(parse_outages("50ms..10s"), Ok((Time::from_millis(50), Time::from_secs(10))));
        assert_eq!(parse_rates("100..2k"), Ok((100.0, 2000.0)));
        assert_eq!(parse_rates("100").unwrap_err(), "`100` is not a range. Write one like 100..2k");
        assert!(parse_outages("50..x").unwrap_err().contains("`x` is not a time"));
    }

    #[test]
    fn a_precision_is_a_ratio_above_one() {
        assert_eq!(parse_precision("1.1"), Ok(1.1));
        for text in ["1", "1.01", "10%", "-2"] {
            assert!(parse_precision(text).unwrap_err().contains("at least 1.02"), "{text}");
        }
    }
}
