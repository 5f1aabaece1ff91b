//! Instants, spans of time, and numbers as people write them: times (`20s`, `1.5ms`), SI counts (`2k`), and the short
//! forms of wrk.
//!
//! The program computes with [`Time`] and [`Instant`], in whole nanoseconds. A printed time parses to the same time.

use std::fmt;
use std::str::FromStr;

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A span of time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// An instant on a run's clock, in nanoseconds since the start of load.
///
/// [`Instant::NEVER`] stands for an instant that never came. Sums and differences saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable, Serialize, Deserialize)]
#[repr(transparent)]
#[serde(transparent)]
pub struct Instant(pub u64);

impl Instant {
    /// The start of load.
    pub const START: Instant = Instant(0);
    /// The greatest instant. It represents an instant that never came or never will.
    pub const NEVER: Instant = Instant(u64::MAX);

    /// The instant, or `None` where it is [`Instant::NEVER`].
    pub const fn known(self) -> Option<Instant> {
        if self.0 == u64::MAX { None } else { Some(self) }
    }

    /// The instant `span` after this one.
    #[inline]
    pub const fn plus(self, span: Time) -> Instant {
        Instant(self.0.saturating_add(span.0))
    }

    /// The instant `span` before this one; [`Instant::START`] at the earliest.
    #[inline]
    pub const fn minus(self, span: Time) -> Instant {
        Instant(self.0.saturating_sub(span.0))
    }

    /// The span from `earlier` to this instant; zero where `earlier` is later.
    #[inline]
    pub const fn since(self, earlier: Instant) -> Time {
        Time(self.0.saturating_sub(earlier.0))
    }

    /// The seconds since the start of load.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// Why a text is not a time or a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the variants mean")]
pub enum UnitError {
    #[error(
        "`{0}` is not a time. Write a number and a unit, such as 500us, 20ms, 1.5s, 2m or 1h; a number alone is in seconds"
    )]
    Time(String),
    #[error("`{0}` is not a number. Write digits, optionally followed by k, M or G (2k = 2000)")]
    Number(String),
    #[error("`{0}` is not a count. Write a whole number of at least 1, optionally followed by k or M (2k = 2000)")]
    Count(String),
}

impl Time {
    /// No time.
    pub const ZERO: Time = Time(0);

    /// A span of `ms` milliseconds.
    pub const fn from_millis(ms: u64) -> Time {
        Time(ms * 1_000_000)
    }

    /// A span of `s` seconds.
    pub const fn from_secs(s: u64) -> Time {
        Time(s * 1_000_000_000)
    }

    /// The span in seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The span in us, rounded to the nearest. Histograms and files use the same rule, so that their numbers agree.
    #[inline]
    pub const fn round_to_us(self) -> u64 {
        self.0.saturating_add(500) / 1000
    }

    /// The same span as a [`std::time::Duration`].
    pub const fn std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0)
    }

    /// `self + other`, or the greatest time where that overflows.
    pub const fn plus(self, other: Time) -> Time {
        Time(self.0.saturating_add(other.0))
    }

    /// `self - other`, or zero where that would be negative.
    pub const fn minus(self, other: Time) -> Time {
        Time(self.0.saturating_sub(other.0))
    }

    /// `self * n`, or the greatest time where that overflows.
    pub const fn times(self, n: u64) -> Time {
        Time(self.0.saturating_mul(n))
    }
}

impl From<std::time::Duration> for Time {
    /// The same span, or the greatest time where that overflows.
    fn from(duration: std::time::Duration) -> Time {
        Time(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl FromStr for Time {
    type Err = UnitError;

    /// Parses a number and `ns`, `us`, `ms`, `s`, `m` or `h`. A bare number is in seconds, as in wrk.
    fn from_str(text: &str) -> Result<Time, UnitError> {
        let bad = || UnitError::Time(text.to_owned());
        // wrk accepts blanks too, as in `-d ' 2s'`.
        let text = text.trim();
        let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let scale = match unit.to_ascii_lowercase().as_str() {
            "ns" => 1.0,
            "us" => 1e3,
            "ms" => 1e6,
            "s" | "" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(bad()),
        };
        let ns = parse_decimal(digits).ok_or_else(bad)? * scale;
        // A limit of a century keeps sums of times far from overflow.
        if ns > 3.2e18 {
            return Err(bad());
        }
        Ok(Time(ns.round() as u64))
    }
}

impl fmt::Display for Instant {
    /// The span since the start of load.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Time(self.0).fmt(f)
    }
}

impl fmt::Display for Time {
    /// In the largest unit that shows it exactly: `20s`, `1500ms`, `250us`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
        let (scale, unit) = UNITS.into_iter().find(|(scale, _)| self.0.is_multiple_of(*scale)).unwrap_or((1, "ns"));
        write!(f, "{}{unit}", self.0 / scale)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Parses a number with an optional SI suffix: `100`, `2k`, `1.5M`, `1G` (powers of 1000).
///
/// # Errors
/// [`UnitError::Number`] for any other text.
pub fn parse_number(text: &str) -> Result<f64, UnitError> {
    let bad = || UnitError::Number(text.to_owned());
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(split);
    let scale = match suffix {
        "" => 1.0,
        "k" | "K" => 1e3,
        "m" | "M" => 1e6,
        "g" | "G" => 1e9,
        _ => return Err(bad()),
    };
    Ok(parse_decimal(digits).ok_or_else(bad)? * scale)
}

/// Parses a whole number of at least 1, with an optional suffix as in [`parse_number`].
///
/// # Errors
/// [`UnitError::Count`] for any other text.
pub fn parse_count(text: &str) -> Result<usize, UnitError> {
    let whole = |n: &f64| *n >= 1.0 && n.fract() == 0.0 && *n <= f64::from(u32::MAX);
    let n = parse_number(text).ok().filter(whole);
    n.map(|n| n as usize).ok_or_else(|| UnitError::Count(text.to_owned()))
}

/// Parses digits with at most one point. No sign, exponent or `inf`.
fn parse_decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.bytes().any(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A time of `us` microseconds as wrk prints it: `785.55us`, `1.37ms`, `12.96s`, `2.00m`.
/// wrk changes to the next unit at 0.85 of it (for minutes: at 51 s).
pub fn format_wrk_time(us: f64) -> String {
    format_scaled(us, &[("us", 1000.0), ("ms", 1000.0), ("s", 60.0), ("m", 60.0), ("h", f64::INFINITY)])
}

/// A count as wrk prints it: `258.66`, `0.90k`.
pub fn format_wrk_count(n: f64) -> String {
    format_scaled(n, &[("", 1000.0), ("k", 1000.0), ("M", 1000.0), ("G", 1000.0), ("T", f64::INFINITY)])
}

/// Bytes as wrk prints them: `103.99KB`, `1.22MB` (steps of 1024).
pub fn format_wrk_bytes(n: f64) -> String {
    format_scaled(n, &[("B", 1024.0), ("KB", 1024.0), ("MB", 1024.0), ("GB", 1024.0), ("TB", f64::INFINITY)])
}

fn format_scaled(mut n: f64, units: &[(&str, f64)]) -> String {
    let mut at = 0;
    while at + 1 < units.len() && n >= units[at].1 * 0.85 {
        n /= units[at].1;
        at += 1;
    }
    format!("{n:.2}{}", units[at].0)
}

/// Serializes sizes exactly: `124MiB`, `1500KiB`, `7B`. (`ByteSize` itself writes one decimal and so loses bytes.)
#[doc(hidden)]
pub mod exact_size {
    use bytesize::{ByteSize, KIB, MIB};
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(size: &ByteSize, serializer: S) -> Result<S::Ok, S::Error> {
        let (unit, name) =
            [(MIB, "MiB"), (KIB, "KiB")].into_iter().find(|(unit, _)| size.0.is_multiple_of(*unit)).unwrap_or((1, "B"));
        serializer.collect_str(&format_args!("{}{name}", size.0 / unit))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|_| de::Error::custom("write a size such as 124MiB"))
    }

    /// The same for an optional size.
    pub mod option {
        use super::*;

        pub fn serialize<S: Serializer>(size: &Option<ByteSize>, serializer: S) -> Result<S::Ok, S::Error> {
            match size {
                Some(size) => super::serialize(size, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

/// Rounds a rate to two significant digits, for advice.
pub fn round_rate(rate: f64) -> f64 {
    round_digits(rate, 2)
}

/// Rounds a number above 0 to so many significant digits. Other numbers stay as they are.
pub fn round_digits(value: f64, digits: i32) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return value;
    }
    let scale = 10f64.powi(value.log10().floor() as i32 + 1 - digits);
    let rounded = (value / scale).round() * scale;
    if scale < 1.0 { (rounded * 1e6).round() / 1e6 } else { rounded }
}

/// At most three significant digits, without trailing zeros after the decimal point.
pub fn format_three_digits(n: f64) -> String {
    let decimals = match n.abs() {
        n if n >= 99.95 => 0,
        n if n >= 9.995 => 1,
        n if n >= 0.9995 => 2,
        _ => 3,
    };
    let text = format!("{n:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_take_units_and_round_trip() {
        for (text, ns) in [
            ("2s", 2_000_000_000),
            ("2", 2_000_000_000),
            ("1.5ms", 1_500_000),
            ("250us", 250_000),
            ("7ns", 7),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
        ] {
            let time: Time = text.parse().unwrap();
            assert_eq!(time, Time(ns), "{text}");
            assert_eq!(time.to_string().parse::<Time>().unwrap(), time, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "s", "3x", "-1s", "1e3s", "1.2.3s", ".", "999999999h", "nan", "inf"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        for text in ["", "k", "1kk", "-3", "1e3", "nan", "inf"] {
            assert!(parse_number(text).is_err(), "{text}");
        }
        for text in ["0", "1.5", "10G", "x"] {
            assert_eq!(parse_count(text), Err(UnitError::Count(text.to_owned())));
        }
    }

    #[test]
    fn numbers_take_si_suffixes() {
        assert_eq!(parse_number("2k"), Ok(2000.0));
        assert_eq!(parse_number("1.5M"), Ok(1.5e6));
        assert_eq!(parse_count("1k"), Ok(1000));
    }

    #[test]
    fn numbers_above_zero_are_rounded() {
        assert_eq!([0.0, -3.0, 1234.0, 0.012_34].map(|value| round_digits(value, 2)), [0.0, -3.0, 1200.0, 0.012]);
    }

    #[test]
    fn wrk_forms_change_unit_where_wrk_does() {
        assert_eq!(
            [format_wrk_time(785.55), format_wrk_time(849.99), format_wrk_time(850.0)].join(" "),
            "785.55us 849.99us 0.85ms"
        );
        assert_eq!(
            [format_wrk_time(1.37e3), format_wrk_time(12.96e6), format_wrk_time(51e6), format_wrk_time(0.0)].join(" "),
            "1.37ms 12.96s 0.85m 0.00us"
        );
        assert_eq!([format_wrk_count(258.66), format_wrk_count(900.0)].join(" "), "258.66 0.90k");
        assert_eq!(
            [format_wrk_bytes(0.0), format_wrk_bytes(106_485.76), format_wrk_bytes(943_718.4)].join(" "),
            "0.00B 103.99KB 0.90MB"
        );
    }
}
