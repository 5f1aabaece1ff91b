//! Response times by phase of an experiment: a percentile over a healthy system and its outage describes neither.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::ReportData;
use crate::record::digest::{Digest, Interval};
use crate::units::{Instant, Time, format_wrk_time};

/// What happened to the requests that were due in a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseSummary {
    pub name: PhaseName,
    pub from_ns: u64,
    pub to_ns: u64,
    /// Requests due in it.
    pub due: u64,
    /// Those of them that were answered with a status below 400 within the SLO.
    pub good: u64,
    /// Attempts that failed, or were answered with a status above 399, while it lasted.
    pub errors: u64,
    /// Response times, lower bounds included, to 1 %; 0 without one.
    pub p50_us: u64,
    pub p95_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

/// The phases of a run. The last window overlaps the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    Baseline,
    /// From the instant at which the first fault took effect to the verified removal of the last one.
    Fault,
    /// From then to the end of arrivals.
    AfterFault,
    /// All after the warm-up of a run without a fault.
    Load,
    /// The last 30 s of arrivals.
    LastWindow,
}

const LAST_WINDOW: Time = Time::from_secs(30);

impl PhaseName {
    fn text(self) -> &'static str {
        match self {
            PhaseName::Baseline => "baseline",
            PhaseName::Fault => "fault",
            PhaseName::AfterFault => "after fault",
            PhaseName::Load => "load",
            PhaseName::LastWindow => "last 30 s",
        }
    }
}

/// The phases that the run had.
pub fn summarize_phases(data: &ReportData) -> Vec<PhaseSummary> {
    let end = data.arrivals_end;
    let from = data.faults.iter().map(|fault| fault.from).min();
    let removed: Option<Vec<Instant>> = data.faults.iter().map(|fault| fault.to).collect();
    let to = removed.and_then(|removed| removed.into_iter().max());
    let mut phases = Vec::new();
    let mut add = |name, from: Instant, to: Instant| phases.extend((from < to).then_some((name, from, to)));
    match from {
        Some(from) => {
            let baseline = data.baseline.unwrap_or((data.warmup_end, from));
            add(PhaseName::Baseline, baseline.0, baseline.1);
            add(PhaseName::Fault, from, to.unwrap_or(end).min(end));
            add(PhaseName::AfterFault, to.unwrap_or(end), end);
        }
        None => add(PhaseName::Load, data.warmup_end, end),
    }
    let before = phases.last().map_or(Instant::START, |(_, from, _)| *from);
    if end.minus(LAST_WINDOW) > before {
        phases.push((PhaseName::LastWindow, end.minus(LAST_WINDOW), end));
    }
    phases.into_iter().map(|(name, from, to)| summarize(&data.digest, name, from, to)).collect()
}

/// Sums up the intervals whose middle lies in the phase: an interval lasts 1 s, or longer in a long run.
fn summarize(digest: &Digest, name: PhaseName, from: Instant, to: Instant) -> PhaseSummary {
    let width = digest.intervals.width.0;
    let mut sum = Interval::default();
    for (interval, number) in digest.intervals.list.iter().zip(0..) {
        let middle = Instant(number * width + width / 2);
        if from <= middle && middle < to {
            sum.merge(interval);
        }
    }
    let at = |percent| sum.response_us.value_at_percentile(percent).unwrap_or(0);
    PhaseSummary {
        name,
        from_ns: from.0,
        to_ns: to.0,
        due: sum.due,
        good: sum.good,
        errors: sum.errors,
        p50_us: at(50.0),
        p95_us: at(95.0),
        p99_us: at(99.0),
        max_us: at(100.0),
    }
}

/// The head of the columns of [`phase_cells`].
pub const PHASE_HEAD: [&str; 8] = ["", "due", "good", "errors", "p50", "p95", "p99", "max"];

/// The cells of a row of a table.
pub fn phase_cells(phase: &PhaseSummary) -> [String; 8] {
    let time = |us: u64| if us == 0 { "-".to_owned() } else { format_wrk_time(us as f64) };
    let good = match phase.due {
        0 => "-".to_owned(),
        due => format!("{:.1} %", 100.0 * phase.good as f64 / due as f64),
    };
    [
        phase.name.text().to_owned(),
        phase.due.to_string(),
        good,
        phase.errors.to_string(),
        time(phase.p50_us),
        time(phase.p95_us),
        time(phase.p99_us),
        time(phase.max_us),
    ]
}

/// The phases as lines of text; nothing without one.
pub fn format_phases(phases: &[PhaseSummary]) -> String {
    if phases.is_empty() {
        return String::new();
    }
    let mut text = String::from("Response times by phase:\n");
    let mut line = |cells: [&str; 8]| {
        let [name, due, good, errors, p50, p95, p99, max] = cells;
        let _ = writeln!(text, "  {name:<11} {due:>8} {good:>8} {errors:>8} {p50:>9} {p95:>9} {p99:>9} {max:>9}");
    };
    line(PHASE_HEAD);
    phases.iter().map(phase_cells).for_each(|cells| line(cells.each_ref().map(String::as_str)));
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::synthetic;

    #[test]
    fn an_outage_is_told_from_what_was_before_and_after_it() {
        let phases = summarize_phases(&synthetic::metastable().report());
        assert_eq!(
            phases.iter().map(|phase| phase.name).collect::<Vec<_>>()[..2],
            [PhaseName::Baseline, PhaseName::Fault]
        );
        let [baseline, fault, after] = &phases[..3] else { panic!("{phases:?}") };
        assert!(baseline.good > fault.good && baseline.p99_us < fault.p99_us, "{phases:?}");
        assert_eq!(after.to_ns, phases.last().unwrap().to_ns);
        insta::assert_snapshot!(format_phases(&phases));
    }

    #[test]
    fn an_empty_run_has_no_phases() {
        assert_eq!(summarize_phases(&synthetic::empty().report()), []);
        assert_eq!(format_phases(&[]), "");
    }
}
