//! A plain load in numbers: what its text report and its JSON say, of one URL or over several.

use super::generator::{GeneratorBlock, Lag};
use super::wrk2::{Calibration, Tally};
use crate::load::plan::Spin;
use crate::load::{LoadResult, WorkerResult, calibrated_interval};
use crate::record::event::GeneratorStats;
use crate::record::{Account, ErrorCounts, Latencies};
use crate::stats::Moments;
use crate::units::Time;

/// The numbers of one load, or of several that ran side by side.
#[derive(Clone, Debug)]
pub struct LoadNumbers {
    pub latencies: Latencies,
    /// Of answers per second and thread.
    pub req_per_sec: Moments,
    /// Answers, and their bytes, that arrived within `runtime`.
    pub in_time: (u64, u64),
    pub runtime: Time,
    pub errors: ErrorCounts,
    /// A thread's own, in order of threads; none where the run ended in its warm-up, or had none.
    pub calibration: Vec<Calibration>,
    pub block: GeneratorBlock,
}

impl LoadNumbers {
    /// Over all of `loads`.
    pub fn of(loads: &[LoadResult]) -> LoadNumbers {
        let threads = || loads.iter().flat_map(|load| &load.threads);
        let sum = |of: fn(&WorkerResult) -> u64| threads().map(of).sum::<u64>();
        let (mut account, mut latencies, mut own) =
            (Account::default(), Latencies::default(), GeneratorStats::default());
        for load in loads {
            account.merge(&load.account());
            latencies.merge(&load.latencies());
            own.merge(&load.generator());
        }
        let arrivals_ns = loads.iter().map(|load| load.duration().0).max().unwrap_or(0);
        let warmup_ns = loads.iter().map(|load| load.plan.warmup.0).max().unwrap_or(0);
        let calibrated = threads().filter(|_| warmup_ns > 0 && arrivals_ns > warmup_ns);
        let calibration = calibrated.map(|thread| Calibration {
            mean_latency_ms: thread.calibration.mean() / 1e3,
            interval_ms: calibrated_interval(&thread.calibration).0 / 1_000_000,
        });
        LoadNumbers {
            req_per_sec: Moments::of_counted(threads().flat_map(|thread| thread.rates.rates())),
            in_time: (sum(|thread| thread.in_time.0), sum(|thread| thread.in_time.1)),
            runtime: Time(arrivals_ns),
            // Where a request waits on while its connection is made again, only the generator knows of the attempts;
            // what a server says unasked belongs to no request.
            errors: ErrorCounts {
                connect: own.connect_errors,
                read: account.errors.read + sum(|thread| thread.unsolicited),
                ..account.errors
            },
            calibration: calibration.collect(),
            block: GeneratorBlock {
                sent: account.scheduled - account.unsent,
                account,
                planned_rate: loads.iter().map(|load| load.plan.planned_rate()).sum(),
                arrivals_ns,
                warmup_ns,
                elapsed_ns: threads().map(|thread| thread.ended.0).max().unwrap_or(0),
                threads: u16::try_from(threads().count()).unwrap_or(u16::MAX),
                lag: Lag::of(&latencies.send_lag, 1),
                own,
                spins: loads.iter().all(|load| load.plan.spin == Spin::Always),
                fewest_streams: loads.iter().filter_map(LoadResult::fewest_streams).min(),
            },
            latencies,
        }
    }

    /// What wrk2's report prints of them.
    pub fn tally(&self) -> Tally<'_> {
        Tally {
            response: &self.latencies.response,
            service: Some(&self.latencies.service),
            req_per_sec: self.req_per_sec,
            sent: self.block.sent,
            requests: self.in_time.0,
            runtime: self.runtime,
            bytes: self.in_time.1,
            errors: self.errors,
        }
    }
}
