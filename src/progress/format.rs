//! The fields of progress as text.

use super::{Phase, Progress, RequestProgress};
use crate::record::ErrorCounts;
use crate::units::{Time, format_three_digits, format_wrk_count, format_wrk_time};

/// The fields of a line, in order of worth: the last ones are dropped first.
pub fn format_fields(p: &Progress) -> Vec<String> {
    let parts = p.parts.as_ref().map(|parts| format!("{} of {}", parts.active, parts.parts));
    let mut fields: Vec<String> = parts.into_iter().chain(format_stage(p)).collect();
    if let Some(requests) = &p.requests {
        fields.push(format!("{}/s good", format_rate(requests.good)));
        fields.push(format!("p50 {} p99 {}", format_time(requests.p50), format_time(requests.p99)));
        fields.push(format!("{} errors", count_errors(requests.errors)));
    }
    fields.push(format!("{} in flight", p.in_flight));
    fields.extend(p.goodput.map(|goodput| format!("goodput {:.0}%", 100.0 * goodput)));
    fields.extend(format_memory(p));
    fields.extend(format_send_lag(p));
    fields.extend(p.requests.as_ref().and_then(format_causes));
    fields
}

/// ` 17s of 120s` and `299/s of 300/s`, or ` 17s fault (18s left)` if the phase does not last as long as the load.
fn format_stage(p: &Progress) -> [String; 2] {
    let at = p.at.as_secs_f64().floor();
    let rates = format!("{}/s of {}/s", format_rate(p.sent), format_rate(p.offered));
    match p.phase {
        Phase::Load => [format!("{at:>3}s of {}", p.duration), rates],
        Phase::Drain => [format!("{at:>3}s of {}", p.duration), "waiting for the last responses".to_owned()],
        Phase::FaultRemoval => [format!("{at:>3}s {}", p.phase), rates],
        phase => [format!("{at:>3}s {phase} ({:.0}s left)", p.left.as_secs_f64().ceil()), rates],
    }
}

/// `41.2`, `300`, `80.00k`
pub fn format_rate(rate: f64) -> String {
    if rate < 9_999.5 { format_three_digits(rate) } else { format_wrk_count(rate) }
}

pub fn format_time(time: Option<Time>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format_wrk_time(time.0 as f64 / 1e3))
}

/// `memory 130/140 MiB`
pub fn format_memory(p: &Progress) -> Option<String> {
    let memory = p.memory.as_ref()?;
    let mib = |bytes: u64| format!("{:.0}", bytes as f64 / f64::from(1 << 20));
    let limit = memory.limit_bytes.map_or_else(String::new, |limit| format!("/{}", mib(limit)));
    Some(format!("memory {}{limit} MiB", mib(memory.used_bytes)))
}

/// Of several generators the worst, and where it was.
fn format_send_lag(p: &Progress) -> Option<String> {
    match &p.parts {
        Some(parts) => {
            let (lag, node) = parts.send_lag.as_ref()?;
            Some(format!("worst send lag {} on {node}", format_time(Some(*lag))))
        }
        None => Some(format!("send lag p99 {}", format_time(Some(p.requests.as_ref()?.send_lag?)))),
    }
}

/// The errors since the start of load, all kinds together.
pub fn count_errors(errors: ErrorCounts) -> u64 {
    error_kinds(errors).into_iter().map(|(_, count)| count).sum()
}

/// Each kind of error with its count.
pub fn error_kinds(errors: ErrorCounts) -> [(&'static str, u64); 5] {
    let ErrorCounts { connect, read, write, timeout, status } = errors;
    [("connect", connect), ("read", read), ("write", write), ("timeout", timeout), ("status", status)]
}

/// `timeout 1010, status 2`
fn format_causes(requests: &RequestProgress) -> Option<String> {
    let kinds = error_kinds(requests.errors).into_iter().filter(|(_, count)| *count > 0);
    let texts: Vec<String> = kinds.map(|(kind, count)| format!("{kind} {count}")).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::PartsProgress;
    use crate::progress::example;
    use crate::units::Instant;

    fn text(progress: &Progress) -> String {
        format_fields(progress).join("  ")
    }

    #[test]
    fn the_line_of_an_experiment_names_its_phase() {
        let mut progress = example();
        insta::assert_snapshot!(text(&progress), @" 17s fault (18s left)  299/s of 300/s  41.2/s good  p50 12.00ms p99 4.20s  1012 errors  612 in flight  goodput 12%  memory 130/140 MiB  send lag p99 31.00us  timeout 1010, status 2");
        (progress.phase, progress.left) = (Phase::FaultRemoval, Time::ZERO);
        (progress.memory, progress.goodput) = (None, None);
        insta::assert_snapshot!(text(&progress), @" 17s removing faults  299/s of 300/s  41.2/s good  p50 12.00ms p99 4.20s  1012 errors  612 in flight  send lag p99 31.00us  timeout 1010, status 2");
    }

    #[test]
    fn the_line_of_a_load_shows_how_long_it_lasts() {
        let mut progress = Progress { phase: Phase::Load, memory: None, goodput: None, ..example() };
        progress.requests.as_mut().unwrap().errors = ErrorCounts::default();
        insta::assert_snapshot!(text(&progress), @" 17s of 120s  299/s of 300/s  41.2/s good  p50 12.00ms p99 4.20s  0 errors  612 in flight  send lag p99 31.00us");
        (progress.phase, progress.at) = (Phase::Drain, Instant(120_700_000_000));
        let requests = progress.requests.as_mut().unwrap();
        (requests.p50, requests.p99, requests.send_lag) = (None, None, None);
        insta::assert_snapshot!(text(&progress), @"120s of 120s  waiting for the last responses  41.2/s good  p50 - p99 -  0 errors  612 in flight");
    }

    #[test]
    fn the_line_of_several_generators_shows_the_worst_send_lag() {
        let parts = PartsProgress { active: 8, parts: 8, send_lag: Some((Time(400_000), "node7".into())) };
        let mut progress = Progress {
            phase: Phase::Load,
            sent: 79_998.0,
            offered: 80_000.0,
            requests: None,
            memory: None,
            goodput: None,
            parts: Some(parts.clone()),
            ..example()
        };
        insta::assert_snapshot!(text(&progress), @"8 of 8   17s of 120s  80.00k/s of 80.00k/s  612 in flight  worst send lag 400.00us on node7");
        progress.parts = Some(PartsProgress { active: 7, send_lag: None, ..parts });
        insta::assert_snapshot!(text(&progress), @"7 of 8   17s of 120s  80.00k/s of 80.00k/s  612 in flight");
    }
}
