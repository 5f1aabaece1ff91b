//! wrk2's report of what one load left, or several.

use std::slice;

use crate::load::{Latencies, Left, Loaded, calibrated_interval};
use crate::record::event::Generator;
use crate::record::{Account, Errors};
use crate::report::generator::{GeneratorBlock, Lag};
use crate::report::wrk2::{Calibration, Report, Show, Tally, text};
use crate::stats::Moments;
use crate::units::Time;

/// What loads left, summed up.
pub struct Sum {
    pub latencies: Latencies,
    pub account: Account,
    pub generator: Generator,
    /// Whole responses that arrived before the end of arrivals, and their bytes.
    in_time: (u64, u64),
    req_per_sec: Moments,
    /// Answers to nothing that was asked.
    unasked: u64,
    /// How long requests were scheduled, in ns.
    pub duration: u64,
    /// When the last thread was done, in ns since the start of load.
    ended: u64,
    threads: usize,
    planned_rate: f64,
    warmup: Time,
}

impl Sum {
    pub fn of(loads: &[Loaded]) -> Sum {
        let threads = || loads.iter().flat_map(|loaded| &loaded.threads);
        let total = |of: fn(&Left) -> u64| threads().map(of).sum::<u64>();
        let mut latencies = Latencies::default();
        let mut account = Account::default();
        threads().for_each(|thread| latencies.merge(&thread.latencies));
        threads().for_each(|thread| account.merge(&thread.account));
        let intervals = threads().flat_map(|thread| thread.rates.rates());
        let rates: Vec<f64> = intervals.flat_map(|(rate, n)| std::iter::repeat_n(rate, n as usize)).collect();
        Sum {
            latencies,
            account,
            generator: generator(loads),
            in_time: (total(|thread| thread.in_time.0), total(|thread| thread.in_time.1)),
            req_per_sec: Moments::of(&rates),
            unasked: total(|thread| thread.unasked),
            duration: loads.iter().map(Loaded::duration).max().unwrap_or(0),
            ended: threads().map(|thread| thread.ended).max().unwrap_or(0),
            threads: threads().count(),
            planned_rate: loads.iter().map(|loaded| loaded.plan.rate).sum(),
            warmup: loads.iter().map(|loaded| loaded.plan.warmup).max().unwrap_or(Time::ZERO),
        }
    }

    /// There is a reason to distrust the numbers.
    pub fn is_doubtful(&self) -> bool {
        self.unmeasured().is_some() || !self.block().warnings().is_empty()
    }

    /// What stands after `Transfer/sec:`.
    fn own_lines(&self) -> String {
        self.unmeasured().into_iter().fold(self.block().text(), |text, warning| format!("{text}  warning: {warning}\n"))
    }

    fn unmeasured(&self) -> Option<String> {
        (self.duration < self.warmup.0)
            .then(|| format!("the run ended within its warm-up of {}, so no latency was measured", self.warmup))
    }

    /// The generator's conduct.
    pub fn block(&self) -> GeneratorBlock {
        GeneratorBlock {
            account: self.account,
            sent: self.account.scheduled - self.account.unsent,
            planned_rate: self.planned_rate,
            arrivals_ns: self.duration,
            elapsed_ns: self.ended,
            threads: self.threads as u16,
            lag: Lag::of(&self.latencies.send_lag, 1),
            own: self.generator.clone(),
        }
    }

    fn tally(&self, show: Show) -> Tally<'_> {
        Tally {
            response: &self.latencies.response,
            service: show.uncorrected.then_some(&self.latencies.service),
            req_per_sec: self.req_per_sec,
            sent: self.account.scheduled - self.account.unsent,
            requests: self.in_time.0,
            runtime: Time(self.duration),
            bytes: self.in_time.1,
            errors: Errors {
                connect: self.generator.connect_errors,
                read: self.account.errors.read + self.unasked,
                ..self.account.errors
            },
        }
    }
}

/// The generators' accounts of themselves as one's.
fn generator(loads: &[Loaded]) -> Generator {
    loads.iter().map(Loaded::generator).fold(Generator::default(), |sum, one| Generator {
        cpu_ns: sum.cpu_ns + one.cpu_ns,
        connections_opened: sum.connections_opened + one.connections_opened,
        in_flight_max: sum.in_flight_max + one.in_flight_max,
        connect_errors: sum.connect_errors + one.connect_errors,
        bound_reached: sum.bound_reached || one.bound_reached,
        records_dropped: sum.records_dropped + one.records_dropped,
    })
}

/// The text, but for what is said before the load begins.
pub fn report(loads: &[Loaded], sum: &Sum, show: Show, latencies_file: Option<&str>) -> String {
    let each: Vec<Sum> = match loads {
        [_] => Vec::new(),
        several => several.iter().map(|loaded| Sum::of(slice::from_ref(loaded))).collect(),
    };
    let targets: Vec<(String, Tally)> =
        loads.iter().zip(&each).map(|(loaded, sum)| (loaded.plan.url.clone(), sum.tally(show))).collect();
    text(&Report {
        calibration: &loads.iter().flat_map(calibration).collect::<Vec<_>>(),
        latencies_file,
        total: sum.tally(show),
        targets: &targets,
        show,
        own: &sum.own_lines(),
    })
}

fn calibration(loaded: &Loaded) -> Vec<Calibration> {
    let warm = loaded.plan.warmup > Time::ZERO && loaded.duration() > loaded.plan.warmup.0;
    let of = |thread: &Left| Calibration {
        mean_latency_ms: thread.calibration.mean() / 1e3,
        interval_ms: calibrated_interval(&thread.calibration) / 1_000_000,
    };
    loaded.threads.iter().filter(|_| warm).map(of).collect()
}
