//! What differs between two runs, and whether that may be chance.

use serde::Serialize;

use super::measure::PhaseMeasure;
use super::metric::{ChangeKind, Metric};
use super::run::{ComparedRun, ComparedVerdict, Phase, PhaseContent, PhaseName};
use crate::arrivals::RandomStream;
use crate::lab::statistics::block_bootstrap::{BlockBootstrap, find_percentile_interval};
use crate::lab::statistics::interval::{Confidence, Interval};

/// Two runs side by side. Serialized, it is the file of `--json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub schema: u32,
    pub a: RunDetails,
    pub b: RunDetails,
    /// Settings that are not the same.
    pub settings: Vec<SettingDifference>,
    /// Of the intervals of single values.
    pub confidence: f64,
    pub phases: Vec<PhaseComparison>,
    /// Whether the verdict of B is worse than that of A. `None` unless both are experiments that prove something.
    pub verdict: Option<Finding>,
}

/// A run in a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunDetails {
    pub name: String,
    /// Of an experiment.
    pub verdict: Option<ComparedVerdict>,
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingDifference {
    pub key: String,
    /// `None` where the setting is not set.
    pub a: Option<String>,
    pub b: Option<String>,
}

/// A phase that both runs have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseComparison {
    pub name: PhaseName,
    pub requests: [u64; 2],
    pub rows: Vec<Row>,
}

/// One metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub metric: Metric,
    /// In us, or as a share.
    pub a: Value,
    pub b: Value,
    pub change: Change,
    pub finding: Finding,
}

/// A value and its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Value {
    pub value: f64,
    /// `None` without an interval.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// The true value is at least this.
    pub is_lower_bound: bool,
}

/// B over A, or B minus A.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Change {
    pub kind: ChangeKind,
    pub value: f64,
    /// The interval that decides: all intervals of changes together hold the truth with the confidence of the comparison.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// Whether B differs from A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    Better,
    Worse,
    /// The difference may be chance.
    NoDifference,
    /// There are too few samples, or only a summary.
    Unknown,
}

const CONFIDENCE: Confidence = Confidence::P95;
/// How often the seconds of a phase are resampled.
const REPLICATES: usize = 2000;
/// The same runs always give the same intervals.
const SEED: u64 = 1;

impl Comparison {
    /// Compares B with A.
    pub fn new(a: &ComparedRun, b: &ComparedRun) -> Comparison {
        let pair = |of_a: &Phase| {
            let of_b = b.phases.iter().find(|other| other.name == of_a.name)?;
            let sides = [Side::new(&of_a.content, a.has_slo, 0), Side::new(&of_b.content, b.has_slo, 1)];
            Some((of_a.name, sides))
        };
        let pairs: Vec<(PhaseName, [Side; 2])> = a.phases.iter().filter_map(pair).collect();
        let tested = pairs.iter().flat_map(|(_, sides)| (0..METRICS).filter(|&at| is_tested(sides, at))).count();
        // All changes together have the confidence of the comparison, by Bonferroni's inequality.
        let each = 1.0 - (1.0 - CONFIDENCE.as_share()) / tested.max(1) as f64;
        let each = Confidence::try_from(each).unwrap_or(CONFIDENCE);
        let phase = |(name, sides): &(PhaseName, [Side; 2])| PhaseComparison {
            name: *name,
            requests: [sides[0].requests, sides[1].requests],
            rows: (0..METRICS).filter_map(|at| Row::new(sides, at, each)).collect(),
        };
        let details = |run: &ComparedRun| RunDetails { name: run.name.clone(), verdict: run.verdict.clone() };
        Comparison {
            schema: 1,
            a: details(a),
            b: details(b),
            settings: list_differences(&a.settings, &b.settings),
            confidence: CONFIDENCE.as_share(),
            phases: pairs.iter().map(phase).collect(),
            verdict: compare_verdicts(a.verdict.as_ref(), b.verdict.as_ref()),
        }
    }

    /// What got worse: response times by more than the factor `1 + tolerance`, and all else at all.
    pub fn list_worse(&self, tolerance: f64) -> Vec<String> {
        let is_worse = |row: &&Row| {
            let is_beyond = match row.change.kind {
                ChangeKind::Ratio => row.change.low.is_some_and(|low| low > 1.0 + tolerance),
                ChangeKind::Difference => true,
            };
            row.finding == Finding::Worse && is_beyond
        };
        let verdict = (self.verdict == Some(Finding::Worse)).then(|| "the verdict".to_owned());
        verdict.into_iter().chain(self.name_rows(is_worse)).collect()
    }

    /// The names of the rows that are so: `p99`, or `p99 (after fault)`.
    pub fn name_rows(&self, is_so: impl Fn(&&Row) -> bool) -> Vec<String> {
        let name = |phase: &PhaseComparison, row: &Row| match phase.name {
            PhaseName::Load => row.metric.text().to_owned(),
            other => format!("{} ({})", row.metric.text(), other.text()),
        };
        let mut names = Vec::new();
        for phase in &self.phases {
            names.extend(phase.rows.iter().filter(&is_so).map(|row| name(phase, row)));
        }
        names
    }

    /// Whether any difference could have been found.
    pub fn can_tell(&self) -> bool {
        !self.name_rows(|row| row.finding != Finding::Unknown).is_empty()
    }
}

const METRICS: usize = Metric::ALL.len();

/// A phase of one run, measured.
struct Side {
    requests: u64,
    values: [Option<f64>; METRICS],
    /// Of resamples; empty if the phase is too short, or only a summary.
    replicates: Vec<[Option<f64>; METRICS]>,
    measure: Option<PhaseMeasure>,
}

impl Side {
    fn new(content: &PhaseContent, has_slo: bool, stream: u64) -> Side {
        let measure = match content {
            PhaseContent::Seconds(seconds) => PhaseMeasure::new(seconds, has_slo),
            PhaseContent::Summary { requests, values } => {
                let value = |metric: Metric| values.iter().find(|(known, _)| *known == metric).map(|(_, value)| *value);
                let (requests, values) = (*requests, Metric::ALL.map(value));
                return Side { requests, values, replicates: Vec::new(), measure: None };
            }
        };
        let mut random = RandomStream::new(SEED, stream);
        let bootstrap = BlockBootstrap::new(measure.seconds());
        let draw = |bootstrap: BlockBootstrap| {
            (0..REPLICATES).map(|_| measure.measure(&bootstrap.draw(&mut random))).collect()
        };
        Side {
            requests: measure.requests(),
            values: measure.measure(&vec![1; measure.seconds()]),
            replicates: bootstrap.map(draw).unwrap_or_default(),
            measure: Some(measure),
        }
    }

    /// The replicates of a metric. `None` if they do not tell how much it varies.
    fn replicates(&self, at: usize) -> Option<Vec<f64>> {
        let is_enough = self.measure.as_ref().is_some_and(|measure| measure.has_enough(Metric::ALL[at]));
        let replicates = self.replicates.iter().map(|values| values[at]).collect::<Option<Vec<f64>>>()?;
        (is_enough && !replicates.is_empty()).then_some(replicates)
    }

    fn value(&self, at: usize) -> Option<Value> {
        let value = self.values[at]?;
        let interval = self.replicates(at).and_then(|all| find_percentile_interval(all, CONFIDENCE));
        let is_bound = |measure: &PhaseMeasure| measure.is_bound(Metric::ALL[at], value);
        Some(Value {
            value,
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
            is_lower_bound: self.measure.as_ref().is_some_and(is_bound),
        })
    }
}

fn is_tested(sides: &[Side; 2], at: usize) -> bool {
    sides.iter().all(|side| side.replicates(at).is_some())
}

impl Row {
    /// `None` unless both runs have the metric.
    fn new(sides: &[Side; 2], at: usize, confidence: Confidence) -> Option<Row> {
        let metric = Metric::ALL[at];
        let (a, b, kind) = (sides[0].value(at)?, sides[1].value(at)?, metric.change_kind());
        let replicates = sides[0].replicates(at).zip(sides[1].replicates(at));
        let interval = replicates.and_then(|(of_a, of_b)| {
            let changes = of_a.into_iter().zip(of_b).map(|(a, b)| kind.change(a, b)).collect();
            find_percentile_interval(changes, confidence)
        });
        let change = Change {
            kind,
            value: kind.change(a.value, b.value),
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
        };
        let finding = interval.map_or(Finding::Unknown, |interval| judge(metric, interval));
        Some(Row { metric, a, b, change, finding })
    }
}

fn judge(metric: Metric, change: Interval) -> Finding {
    let none = metric.change_kind().none();
    match (change.low > none, change.high < none) {
        (true, _) if metric.is_cost() => Finding::Worse,
        (true, _) => Finding::Better,
        (_, true) if metric.is_cost() => Finding::Better,
        (_, true) => Finding::Worse,
        _ => Finding::NoDifference,
    }
}

/// A system that recovered, or was never affected, is better than one that is stuck. Anything else is not ordered.
fn compare_verdicts(a: Option<&ComparedVerdict>, b: Option<&ComparedVerdict>) -> Option<Finding> {
    let (a, b) = (a?, b?);
    if [a, b].iter().any(|verdict| verdict.proves_nothing()) {
        return None;
    }
    Some(match (a.exit_code, b.exit_code) {
        (0, 1..) => Finding::Worse,
        (1.., 0) => Finding::Better,
        _ => Finding::NoDifference,
    })
}

/// Settings that are not the same, by their keys.
fn list_differences(a: &[(String, String)], b: &[(String, String)]) -> Vec<SettingDifference> {
    let find = |list: &[(String, String)], key: &str| {
        list.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    };
    let only_b = b.iter().filter(|(key, _)| find(a, key).is_none());
    let keys = a.iter().chain(only_b).map(|(key, _)| key);
    let difference = |key: &String| SettingDifference { key: key.clone(), a: find(a, key), b: find(b, key) };
    keys.map(difference).filter(|found| found.a != found.b).collect()
}
