//! Progress without a terminal: lines of a log.

use super::format::format_fields;
use super::{Phase, Progress, ProgressOutput};
use crate::out::warn;
use crate::units::{Instant, Time};

/// The interval of lines while nothing happens.
const INTERVAL: Time = Time::from_secs(10);

/// Writes a line to standard error for each event, at the start of each phase, and every 10 s.
#[derive(Debug, Default)]
pub struct LogOutput {
    phase: Option<Phase>,
    next: Instant,
}

impl LogOutput {
    /// The lines for this state.
    fn lines(&mut self, progress: &Progress) -> Vec<String> {
        let events = progress.events.iter();
        let mut lines: Vec<String> = events.map(|e| format!("{:>3.0}s {e}", e.at.as_secs_f64().floor())).collect();
        if self.phase != Some(progress.phase) || progress.at >= self.next {
            self.phase = Some(progress.phase);
            // Seconds are not exactly 1 s long.
            let second = progress.at.0 / 1_000_000_000;
            self.next = Instant(second * 1_000_000_000).plus(INTERVAL);
            lines.push(format_fields(progress).join("  "));
        }
        lines
    }
}

impl ProgressOutput for LogOutput {
    fn show(&mut self, progress: &Progress) {
        self.lines(progress).iter().for_each(|line| warn(line));
    }

    /// The records of several generators do not travel just for a line.
    fn needs_records(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::example;

    #[test]
    fn there_is_a_line_for_each_event_each_phase_and_every_10_s() {
        let mut log = LogOutput::default();
        let at = |seconds: u64, phase| Progress {
            at: Instant(seconds * 1_000_000_000),
            phase,
            events: Vec::new(),
            requests: None,
            ..example()
        };
        let with_event = Progress { requests: None, ..example() };
        let states = [
            at(1, Phase::WarmUp),
            at(2, Phase::WarmUp),
            at(10, Phase::WarmUp),
            at(11, Phase::WarmUp),
            with_event,
            at(18, Phase::Fault),
            at(27, Phase::Fault),
        ];
        let lines: Vec<String> = states.iter().flat_map(|state| log.lines(state)).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
          1s warm-up (18s left)  299/s of 300/s  612 in flight  goodput 12%  memory 130/140 MiB
         11s warm-up (18s left)  299/s of 300/s  612 in flight  goodput 12%  memory 130/140 MiB
         16s link-cut took effect: no answer through the link
         17s fault (18s left)  299/s of 300/s  612 in flight  goodput 12%  memory 130/140 MiB
         27s fault (18s left)  299/s of 300/s  612 in flight  goodput 12%  memory 130/140 MiB
        ");
    }
}
