//! Progress as JSON: one object per line and second.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::{MemoryUse, Phase, Progress, ProgressEvent, ProgressOutput};
use crate::out::warn;
use crate::record::ErrorCounts;
use crate::units::{Instant, Time};

/// Writes one JSON object per line and second.
pub struct JsonOutput {
    /// `None` after an error.
    writer: Option<Box<dyn Write>>,
}

impl JsonOutput {
    /// Writes to standard error.
    pub fn to_stderr() -> JsonOutput {
        JsonOutput { writer: Some(Box::new(io::stderr())) }
    }

    /// Writes to a file.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> anyhow::Result<JsonOutput> {
        let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(JsonOutput { writer: Some(Box::new(file)) })
    }
}

impl ProgressOutput for JsonOutput {
    fn show(&mut self, progress: &Progress) {
        let Some(writer) = &mut self.writer else { return };
        // In one write, so that a reader never sees half a line.
        let line = serde_json::to_string(&ProgressLine::of(progress)).map_err(io::Error::from);
        let written = line.and_then(|line| writer.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            self.writer = None;
            warn(&format!("cannot write progress as JSON: {error}. The run continues without it."));
        }
    }
}

/// A line.
#[derive(Serialize)]
struct ProgressLine<'a> {
    at_ns: Instant,
    duration_ns: u64,
    phase: Phase,
    left_ns: u64,
    offered_per_s: f64,
    sent_per_s: f64,
    answered_per_s: Option<f64>,
    good_per_s: Option<f64>,
    in_flight: u64,
    connections: Option<u64>,
    errors: Option<ErrorCounts>,
    p50_ns: Option<u64>,
    p99_ns: Option<u64>,
    send_lag_p99_ns: Option<u64>,
    goodput: Option<f64>,
    memory: Option<&'a MemoryUse>,
    generators: Option<Generators<'a>>,
    events: &'a [ProgressEvent],
}

#[derive(Serialize)]
struct Generators<'a> {
    active: u16,
    all: u16,
    worst_send_lag_ns: Option<u64>,
    worst_send_lag_on: Option<&'a str>,
}

impl ProgressLine<'_> {
    fn of(p: &Progress) -> ProgressLine<'_> {
        let requests = p.requests.as_ref();
        let ns = |time: Option<Time>| time.map(|time| time.0);
        ProgressLine {
            at_ns: p.at,
            duration_ns: p.duration.0,
            phase: p.phase,
            left_ns: p.left.0,
            offered_per_s: p.offered,
            sent_per_s: p.sent,
            answered_per_s: requests.map(|requests| requests.answered),
            good_per_s: requests.map(|requests| requests.good),
            in_flight: p.in_flight,
            connections: p.connections,
            errors: requests.map(|requests| requests.errors),
            p50_ns: ns(requests.and_then(|requests| requests.p50)),
            p99_ns: ns(requests.and_then(|requests| requests.p99)),
            send_lag_p99_ns: ns(requests.and_then(|requests| requests.send_lag)),
            goodput: p.goodput,
            memory: p.memory.as_ref(),
            generators: p.parts.as_ref().map(|parts| Generators {
                active: parts.active,
                all: parts.parts,
                worst_send_lag_ns: parts.send_lag.as_ref().map(|(lag, _)| lag.0),
                worst_send_lag_on: parts.send_lag.as_ref().map(|(_, node)| node.as_str()),
            }),
            events: &p.events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::PartsProgress;
    use crate::progress::example;

    #[test]
    fn a_line_has_every_value_with_its_unit() {
        let parts = PartsProgress { active: 1, parts: 2, send_lag: Some((Time(5), "node7".into())) };
        let progress = Progress { parts: Some(parts), ..example() };
        insta::assert_snapshot!(serde_json::to_string_pretty(&ProgressLine::of(&progress)).unwrap());
    }

    #[test]
    fn a_failed_write_does_not_end_the_run() {
        let mut output = JsonOutput::create(Path::new("/dev/full")).unwrap();
        output.show(&example());
        output.show(&example());
        assert!(output.writer.is_none());
    }
}
