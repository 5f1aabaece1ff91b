use crate::units::{Time, format_wrk_count, format_wrk_time};

/// A time of `us` microseconds in a column of `width` characters. As in wrk, digits stand below digits: a space follows
/// a unit of one letter.
pub(super) fn pad_time(us: f64, width: usize) -> String {
    pad(&format_wrk_time(us), width)
}

/// The same for a count.
pub(super) fn pad_metric(n: f64, width: usize) -> String {
    pad(&format_wrk_count(n), width)
}

fn pad(text: &str, width: usize) -> String {
    let letters = text.chars().rev().take_while(char::is_ascii_alphabetic).count();
    let pad = 2usize.saturating_sub(letters);
    format!("{text:>0$}{1:2$}", width.saturating_sub(pad), "", pad)
}

/// The duration in wrk's first line: without decimals, in minutes from 51 s on, in hours from 51 min on. A duration that
/// is not a whole number of seconds is written exactly; wrk2 does not have such durations.
pub(super) fn format_whole_time(duration: Time) -> String {
    const SECOND: u64 = 1_000_000_000;
    if !duration.0.is_multiple_of(SECOND) {
        return duration.to_string();
    }
    let seconds = (duration.0 / SECOND) as f64;
    match seconds {
        s if s < 51.0 => format!("{s:.0}s"),
        s if s / 60.0 < 51.0 => format!("{:.0}m", s / 60.0),
        s => format!("{:.0}h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_aligned() {
        let times = [57.77, 848.0, 11.28e6, 2e8].map(|us| pad_time(us, 10));
        assert_eq!(times, ["   57.77us", "  848.00us", "   11.28s ", "    3.33m "]);
        let counts = [258.66, 900.0, 0.0].map(|n| pad_metric(n, 9));
        assert_eq!(counts, [" 258.66  ", "   0.90k ", "   0.00  "]);
    }

    #[test]
    fn whole_seconds_have_no_decimals() {
        let of = |s| format_whole_time(Time::from_secs(s));
        assert_eq!([of(1), of(12), of(50), of(60), of(120), of(7200)].join(" "), "1s 12s 50s 1m 2m 2h");
        assert_eq!(format_whole_time(Time::from_millis(500)), "500ms");
    }
}
