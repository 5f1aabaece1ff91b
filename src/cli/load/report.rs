//! wrk2's text of what one load left, or several, and what the script's `done` is told of it.

use std::slice;

use crate::load::{DoneArguments, LoadResult};
use crate::report::load::LoadNumbers;
use crate::report::wrk2::{Report, Show, Tally, text};
use crate::script::{DoneErrors, DoneSummary};

/// The text, but for what is said before the load begins.
pub fn report(
    loads: &[LoadResult],
    numbers: &LoadNumbers,
    show: Show,
    latencies_file: Option<&str>,
    stopped: bool,
) -> String {
    let each: Vec<LoadNumbers> = match loads {
        [_] => Vec::new(),
        several => several.iter().map(of_one).collect(),
    };
    let targets: Vec<(String, Tally)> =
        loads.iter().zip(&each).map(|(loaded, numbers)| (loaded.plan.url.clone(), numbers.tally())).collect();
    let mut own = numbers.block.text();
    if let Some(planned) = loads.iter().map(|load| load.plan.duration).max().filter(|_| stopped) {
        own.push_str(&format!(
            "  stopped     by a signal, after {:.2} s of {planned}\n",
            numbers.runtime.as_secs_f64()
        ));
    }
    text(&Report {
        calibration: &numbers.calibration,
        latencies_file,
        total: numbers.tally(),
        targets: &targets,
        show,
        own: &own,
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
            requests: numbers.in_time.0,
            bytes: numbers.in_time.1,
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

fn of_one(loaded: &LoadResult) -> LoadNumbers {
    LoadNumbers::of(slice::from_ref(loaded))
}
