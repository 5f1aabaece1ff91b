use super::annotations::Annotations;
use super::axis::{Axis, format_count};
use crate::record::Sample;
use crate::record::digest::{Digest, Frame};
use crate::report::ReportData;
use crate::report::generator::GeneratorReport;
use crate::report::statistics::RunStatistics;
use crate::stats::ratio;
use crate::units::{Instant, Time};

/// The data that figures are drawn from.
pub struct FigureData<'a> {
    /// The line below each title: name, rate and verdict.
    pub(super) subtitle: String,
    pub(super) digest: &'a Digest,
    pub(super) samples: &'a [Sample],
    /// The memory for requests in the testbed's compose-post, in bytes.
    pub(super) budget: Option<u64>,
    /// The planned rate in requests per second.
    pub(super) rate: f64,
    pub(super) arrivals_end: Instant,
    /// The end of every time axis.
    pub(super) axis_end: Instant,
    /// The longest response time that counts as good; `None` for a plain load.
    pub(super) slo: Option<Time>,
    pub(super) annotations: Annotations,
}

impl<'a> FigureData<'a> {
    /// The data of an experiment.
    pub fn of_experiment(data: &'a ReportData, statistics: &RunStatistics) -> FigureData<'a> {
        FigureData {
            subtitle: format!("{}: {}", describe_run(&data.name, data.rate), data.explanation.name),
            digest: &data.digest,
            samples: &data.samples,
            budget: data.budget,
            rate: data.rate,
            arrivals_end: data.arrivals_end,
            axis_end: statistics.last_instant,
            slo: Some(data.slo),
            annotations: Annotations::of_experiment(data, statistics.last_instant),
        }
    }

    /// The data of a plain load, which has no fault, verdict or SLO. `digest` counts by its [`load_frame`].
    pub fn of_load(name: &str, generator: &GeneratorReport, digest: &'a Digest) -> FigureData<'a> {
        let Frame { arrivals_end, axis_end, .. } = *digest.frame();
        FigureData {
            subtitle: describe_run(name, generator.planned_rate),
            digest,
            samples: &[],
            budget: None,
            rate: generator.planned_rate,
            arrivals_end,
            axis_end,
            slo: None,
            annotations: Annotations::of_load(Instant::START.plus(generator.warmup), axis_end),
        }
    }

    /// The time axis, in seconds.
    pub(super) fn time_axis(&self) -> Axis {
        Axis::linear(0.0, self.axis_end.as_secs_f64())
    }
}

/// What the digest of a plain load counts by, for figures of its first `threads` threads.
pub fn load_frame(generator: &GeneratorReport, threads: u16) -> Frame {
    // An axis must not be empty, even if the run was stopped at once.
    let longest = generator.elapsed.max(generator.arrivals).max(Time::from_secs(1));
    Frame {
        // The records are marked instead: a load's warm-up may count by the end of a request.
        warmup_end: Instant::START,
        arrivals_end: Instant::START.plus(generator.arrivals),
        axis_end: Instant::START.plus(longest),
        threads,
        slo: None,
        judged: None,
    }
}

fn describe_run(name: &str, rate: f64) -> String {
    format!("{name}, {} requests/s", format_count(ratio(rate, 1.0)))
}
