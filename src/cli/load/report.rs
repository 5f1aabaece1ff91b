//! wrk2's text report of one load or several, and the arguments of the script's `done`.

use std::slice;

use crate::load::{DoneArguments, LoadResult};
use crate::record::PartStats;
use crate::report::load_totals::LoadTotals;
use crate::report::parts::format_parts;
use crate::report::thresholds::format_thresholds;
use crate::report::wrk2::{Wrk2Options, Wrk2Report, Wrk2Statistics, format_report};
use crate::script::DoneSummary;
use crate::threshold::ThresholdResult;

/// What the report shows besides the numbers of the loads.
pub struct ReportContext<'a> {
    pub options: Wrk2Options,
    /// The file of `-P`, if it is written.
    pub latencies_file: Option<&'a str>,
    /// Where the figures will be, if some are drawn.
    pub figures: Option<String>,
    /// What ended the load early: a signal, or a condition.
    pub stopped: Option<&'a str>,
    pub thresholds: &'a [ThresholdResult],
    /// Each of several generators.
    pub parts: &'a [PartStats],
}

/// The report, without the header that is printed before the load starts.
pub fn report_text(loads: &[LoadResult], totals: &LoadTotals, context: ReportContext) -> String {
    let each: Vec<LoadTotals> = match loads {
        [_] => Vec::new(),
        several => several.iter().map(totals_of).collect(),
    };
    let targets: Vec<(String, Wrk2Statistics)> =
        loads.iter().zip(&each).map(|(load, totals)| (load.plan.url.clone(), totals.wrk2_statistics())).collect();
    let mut generator = totals.generator.to_text();
    generator.push_str(&format_parts(context.parts));
    if let (Some(planned), Some(by)) = (loads.iter().map(|load| load.plan.duration).max(), context.stopped) {
        generator
            .push_str(&format!("  stopped     by {by}, after {:.2} s of {planned}\n", totals.runtime.as_secs_f64()));
    }
    if let Some(figures) = context.figures {
        generator.push_str(&format!("  figures     {figures}\n"));
    }
    generator.push_str(&format_thresholds(context.thresholds));
    format_report(&Wrk2Report {
        calibration: &totals.calibration,
        latencies_file: context.latencies_file,
        total: totals.wrk2_statistics(),
        targets: &targets,
        options: context.options,
        generator: &generator,
    })
}

/// The arguments of the script's `done`.
pub fn done_arguments(load: &LoadResult) -> DoneArguments {
    let totals = totals_of(load);
    let samples = load.threads.iter().flat_map(|thread| thread.rates.rates());
    DoneArguments {
        summary: DoneSummary {
            duration: totals.runtime,
            requests: totals.answered_in_time,
            bytes: totals.bytes_in_time,
            errors: totals.errors,
        },
        rates: samples.flat_map(|(rate, n)| std::iter::repeat_n(rate, n as usize)).collect(),
        latency: totals.latencies.response,
    }
}

fn totals_of(load: &LoadResult) -> LoadTotals {
    LoadTotals::of(slice::from_ref(load))
}
