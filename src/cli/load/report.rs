//! wrk2's text of what one load left, or several, and what the script's `done` is told of it.

use std::slice;

use crate::load::{DoneArguments, LoadResult};
use crate::report::load_totals::LoadTotals;
use crate::report::wrk2::{Wrk2Options, Wrk2Report, Wrk2Statistics, format_report};
use crate::script::{DoneErrors, DoneSummary};

/// The text, but for what is said before the load begins.
pub fn report(
    loads: &[LoadResult],
    numbers: &LoadTotals,
    options: Wrk2Options,
    latencies_file: Option<&str>,
    stopped: bool,
) -> String {
    let each: Vec<LoadTotals> = match loads {
        [_] => Vec::new(),
        several => several.iter().map(of_one).collect(),
    };
    let targets: Vec<(String, Wrk2Statistics)> =
        loads.iter().zip(&each).map(|(loaded, numbers)| (loaded.plan.url.clone(), numbers.wrk2_statistics())).collect();
    let mut generator = numbers.generator.to_text();
    if let Some(planned) = loads.iter().map(|load| load.plan.duration).max().filter(|_| stopped) {
        generator.push_str(&format!(
            "  stopped     by a signal, after {:.2} s of {planned}\n",
            numbers.runtime.as_secs_f64()
        ));
    }
    format_report(&Wrk2Report {
        calibration: &numbers.calibration,
        latencies_file,
        total: numbers.wrk2_statistics(),
        targets: &targets,
        options,
        generator: &generator,
    })
}

/// What `done` is told of its load.
pub fn told(loaded: &LoadResult) -> DoneArguments {
    let numbers = of_one(loaded);
    let errors = numbers.errors;
    let samples = loaded.threads.iter().flat_map(|thread| thread.rates.rates());
    DoneArguments {
        summary: DoneSummary {
            duration: numbers.runtime.0 / 1000,
            requests: numbers.answered_in_time,
            bytes: numbers.bytes_in_time,
            errors: DoneErrors {
                connect: errors.connect,
                read: errors.read,
                write: errors.write,
                status: errors.status,
                timeout: errors.timeout,
            },
        },
        rates: samples.flat_map(|(rate, n)| std::iter::repeat_n(rate, n as usize)).collect(),
        latency: numbers.latencies.response,
    }
}

fn of_one(loaded: &LoadResult) -> LoadTotals {
    LoadTotals::of(slice::from_ref(loaded))
}
