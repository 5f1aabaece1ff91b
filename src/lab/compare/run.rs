//! What is compared of a run: its phases, second by second.

use serde::Serialize;

use super::metric::Metric;
use crate::record::RequestRecord;
use crate::record::digest::{SparseHistogram, THREE_DIGITS};
use crate::units::{Instant, Time};
use crate::verdict::Verdict;

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedRun {
    /// The file or folder that it was read from.
    pub name: String,
    /// Of an experiment.
    pub verdict: Option<ComparedVerdict>,
    /// Settings by their keys.
    pub settings: Vec<(String, String)>,
    /// Whether it has an SLO, and so a goodput.
    pub has_slo: bool,
    pub phases: Vec<Phase>,
}

/// How an experiment ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedVerdict {
    /// `RECOVERED`, `INVALID: why`
    pub name: String,
    pub exit_code: u8,
    /// From the removal of the fault to the recovery.
    pub recovery_s: Option<f64>,
}

impl ComparedVerdict {
    /// The run was INVALID.
    pub fn proves_nothing(&self) -> bool {
        self.exit_code == Verdict::Invalid(Vec::new()).exit_code()
    }
}

/// The requests that were due in a part of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    pub name: PhaseName,
    pub content: PhaseContent,
}

/// The parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// All after the warm-up, without a fault.
    Load,
    /// After the warm-up, before the first fault took effect.
    Baseline,
    /// From then to the verified removal of the last fault.
    Fault,
    AfterFault,
}

impl PhaseName {
    pub fn text(self) -> &'static str {
        match self {
            PhaseName::Load => "load",
            PhaseName::Baseline => "baseline",
            PhaseName::Fault => "fault",
            PhaseName::AfterFault => "after fault",
        }
    }
}

/// What is known of a phase.
#[derive(Clone, Debug, PartialEq)]
pub enum PhaseContent {
    Seconds(Vec<Second>),
    /// Only the statistics of the whole, from a file that has no more. Times are in us.
    Summary {
        requests: u64,
        values: Vec<(Metric, f64)>,
    },
}

/// The requests that were due in one second, or in a few.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Second {
    pub due: u64,
    /// Answered with a status below 400 within the SLO. 0 without an SLO.
    pub good: u64,
    /// Not answered with a status below 400 within the client's timeout.
    pub errors: u64,
    /// Response times, those included that are only lower bounds.
    pub response_us: SparseHistogram<THREE_DIGITS>,
    pub response_sum_us: u64,
    /// The least lower bound.
    pub least_bound_us: Option<u64>,
}

impl Second {
    fn add(&mut self, record: &RequestRecord, slo: Option<Time>) {
        self.due += 1;
        self.errors += u64::from(record.has_error());
        let Some(response) = record.response_sample() else { return };
        self.good += u64::from(record.is_success() && slo.is_some_and(|slo| response <= slo));
        let us = response.round_to_us();
        self.response_us.add(us);
        self.response_sum_us += us;
        if record.is_lower_bound() {
            self.least_bound_us = Some(self.least_bound_us.map_or(us, |least| least.min(us)));
        }
    }

    fn merge(&mut self, other: &Second) {
        self.due += other.due;
        self.good += other.good;
        self.errors += other.errors;
        self.response_us.merge(&other.response_us);
        self.response_sum_us += other.response_sum_us;
        self.least_bound_us = [self.least_bound_us, other.least_bound_us].into_iter().flatten().min();
    }
}

/// Sorts the records of a run into phases and seconds.
#[derive(Clone, Debug)]
pub struct PhaseSorter {
    slo: Option<Time>,
    /// When the first fault took effect, and when the last one was removed. `None` without a fault.
    fault: Option<(Instant, Option<Instant>)>,
    phases: Vec<(PhaseName, Vec<Second>)>,
}

/// More seconds are merged with their neighbours, so that a long run does not take long to compare.
const MOST_SECONDS: usize = 300;

impl PhaseSorter {
    pub fn new(slo: Option<Time>, fault: Option<(Instant, Option<Instant>)>) -> PhaseSorter {
        let names: &[PhaseName] = match fault {
            None => &[PhaseName::Load],
            Some(_) => &[PhaseName::Baseline, PhaseName::Fault, PhaseName::AfterFault],
        };
        PhaseSorter { slo, fault, phases: names.iter().map(|name| (*name, Vec::new())).collect() }
    }

    /// Adds the last attempt of a request. Other attempts, and those of the warm-up, do not count.
    pub fn add(&mut self, record: &RequestRecord) {
        if !record.is_last() || record.is_warmup() {
            return;
        }
        let (phase, from) = match self.fault {
            None => (0, Instant::START),
            Some((from, _)) if record.due < from => (0, Instant::START),
            Some((_, Some(to))) if record.due >= to => (2, to),
            Some((from, _)) => (1, from),
        };
        let seconds = &mut self.phases[phase].1;
        let second = (record.due.since(from).0 / 1_000_000_000) as usize;
        if seconds.len() <= second {
            seconds.resize(second + 1, Second::default());
        }
        seconds[second].add(record, self.slo);
    }

    /// The phases that have requests.
    pub fn finish(self) -> Vec<Phase> {
        let phase = |(name, mut seconds): (PhaseName, Vec<Second>)| {
            // The warm-up.
            let first = seconds.iter().position(|second| second.due > 0)?;
            seconds.drain(..first);
            let together = seconds.len().div_ceil(MOST_SECONDS);
            let merge = |seconds: &[Second]| {
                seconds[1..].iter().fold(seconds[0].clone(), |mut sum, second| {
                    sum.merge(second);
                    sum
                })
            };
            let seconds = seconds.chunks(together).map(merge).collect();
            Some(Phase { name, content: PhaseContent::Seconds(seconds) })
        };
        self.phases.into_iter().filter_map(phase).collect()
    }
}
