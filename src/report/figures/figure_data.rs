use super::annotations::Annotations;
use super::axis::{Axis, format_count};
use crate::record::{RequestRecord, Sample};
use crate::report::ReportData;
use crate::report::generator::GeneratorReport;
use crate::report::statistics::RunStatistics;
use crate::stats::ratio;
use crate::units::{Instant, Time};

/// The data that figures are drawn from.
pub struct FigureData<'a> {
    /// The line below each title: name, rate and verdict.
    pub(super) subtitle: String,
    pub(super) requests: &'a [RequestRecord],
    pub(super) samples: &'a [Sample],
    /// The planned rate in requests per second.
    pub(super) rate: f64,
    /// Percentiles leave out requests that are due earlier, and those that are marked as part of the warm-up.
    pub(super) counted_from: Instant,
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
            requests: &data.requests,
            samples: &data.samples,
            rate: data.rate,
            counted_from: data.warmup_end,
            arrivals_end: data.arrivals_end,
            axis_end: statistics.last_instant,
            slo: Some(data.slo),
            annotations: Annotations::of_experiment(data, statistics.last_instant),
        }
    }

    /// The data of a plain load, which has no fault, verdict or SLO.
    pub fn of_load(name: &str, generator: &GeneratorReport, requests: &'a [RequestRecord]) -> FigureData<'a> {
        // An axis must not be empty, even if the run was stopped at once.
        let longest = generator.elapsed.max(generator.arrivals).max(Time::from_secs(1));
        let axis_end = Instant::START.plus(longest);
        let warmup_end = Instant::START.plus(generator.warmup);
        FigureData {
            subtitle: describe_run(name, generator.planned_rate),
            requests,
            samples: &[],
            rate: generator.planned_rate,
            counted_from: Instant::START,
            arrivals_end: Instant::START.plus(generator.arrivals),
            axis_end,
            slo: None,
            annotations: Annotations::of_load(warmup_end, axis_end),
        }
    }

    /// The time axis, in seconds.
    pub(super) fn time_axis(&self) -> Axis {
        Axis::linear(0.0, self.axis_end.as_secs_f64())
    }
}

fn describe_run(name: &str, rate: f64) -> String {
    format!("{name}, {} requests/s", format_count(ratio(rate, 1.0)))
}
