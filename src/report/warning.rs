use std::fmt;

use super::generator::GeneratorBlock;
use crate::stats::ratio;
use crate::units::{Time, wrk_time};

/// A reason to distrust a run's numbers. Its text says what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// The parts don't sum up to what was scheduled.
    Unbalanced { scheduled: u64, sum: u64 },
    /// The generator itself sent late: 99th percentile of the send lag, in ns.
    SendLag { p99_ns: u64 },
    /// Fewer requests were sent than scheduled, in percent of these.
    Behind { sent_percent: f64, cause: Cause },
    /// The generator's threads had no CPU time left: percent of a core each.
    Cpu { percent_per_thread: f64 },
    /// So many requests, in percent, were due when every connection was busy; with HTTP/2, since the server takes only so
    /// many streams on each.
    Waited { percent: f64, fewest_streams: Option<usize> },
    /// So many values of the response times are lower bounds, in percent.
    LowerBounds { percent: f64 },
    /// So many requests, in percent of all, that were due within the warm-up were still open at its end.
    WarmupHides { percent: f64 },
    /// The run ended within its warm-up, of so many ns.
    OnlyWarmup { warmup_ns: u64 },
    /// Attempts that are missing from the records.
    RecordsDropped(u64),
}

/// Why fewer requests were sent than scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// All connections were busy.
    Busy,
    /// Connections failed, or were refused.
    Broken,
    Generator,
}

/// Above this the generator's lateness shows in the latencies.
const LAG_NS: u64 = 10_000_000;
/// A rate is off when it is off by more than this.
const BEHIND_PERCENT: f64 = 98.0;
/// A thread that is busier than this has no reserve for bursts.
const CPU_PERCENT: f64 = 85.0;

impl Warning {
    /// All that `block` gives reason for, the gravest first.
    pub fn of(block: &GeneratorBlock) -> Vec<Warning> {
        let a = &block.account;
        let sent_percent = 100.0 * ratio(block.sent as f64, a.scheduled as f64);
        let bounds = 100.0 * ratio(a.lower_bounds as f64, a.scheduled as f64);
        let cpu = block.cpu_percent_per_thread();
        let broken = a.errors.connect.max(block.own.connect_errors) + a.errors.read + a.errors.write;
        let cause = match block.own.bound_reached {
            _ if broken * 10 > a.unsent => Cause::Broken,
            true => Cause::Busy,
            false => Cause::Generator,
        };
        // What was never sent waited too, if that was for a connection.
        let unsent = if cause == Cause::Busy { a.unsent } else { 0 };
        let waited = 100.0 * ratio((block.own.waited + unsent) as f64, a.scheduled as f64);
        let hidden = 100.0 * ratio(block.own.late_warmup as f64, a.scheduled as f64);
        let sum = a.answered + a.failed + a.unanswered + a.unsent;
        [
            (!a.balances()).then_some(Warning::Unbalanced { scheduled: a.scheduled, sum }),
            (block.lag.p99_ns > LAG_NS).then_some(Warning::SendLag { p99_ns: block.lag.p99_ns }),
            (a.scheduled > 0 && sent_percent < BEHIND_PERCENT).then_some(Warning::Behind { sent_percent, cause }),
            (cpu > CPU_PERCENT && !block.spins).then_some(Warning::Cpu { percent_per_thread: cpu }),
            (waited >= 1.0).then_some(Warning::Waited { percent: waited, fewest_streams: block.fewest_streams }),
            (bounds >= 1.0).then_some(Warning::LowerBounds { percent: bounds }),
            (hidden >= 1.0).then_some(Warning::WarmupHides { percent: hidden }),
            (block.arrivals_ns < block.warmup_ns).then_some(Warning::OnlyWarmup { warmup_ns: block.warmup_ns }),
            (block.own.records_dropped > 0).then_some(Warning::RecordsDropped(block.own.records_dropped)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Unbalanced { scheduled, sum } => write!(
                f,
                "{scheduled} requests were scheduled and {sum} accounted for: records are missing, so every share \
                 here is off; see whether the disk was full, and run again"
            ),
            Warning::SendLag { p99_ns } => write!(
                f,
                "the generator itself sent 1 % of the requests more than {} late, and that is in the latencies: \
                 lower --rate, raise --threads up to the number of cores, or give it a machine of its own",
                wrk_time(*p99_ns as f64 / 1e3)
            ),
            Warning::Behind { sent_percent, cause: Cause::Busy } => write!(
                f,
                "only {sent_percent:.1} % of the scheduled requests were sent, since all connections were busy: the \
                 system saw less load than planned; raise --connections, or use --when-busy open"
            ),
            Warning::Behind { sent_percent, cause: Cause::Generator } => write!(
                f,
                "only {sent_percent:.1} % of the scheduled requests were sent: the system saw less load than \
                 planned; raise --threads or lower --rate"
            ),
            Warning::Behind { sent_percent, cause: Cause::Broken } => write!(
                f,
                "only {sent_percent:.1} % of the scheduled requests were sent, since connections kept breaking, and each \
                 waits a little longer before it is made again: see what ends them at the server"
            ),
            Warning::Cpu { percent_per_thread } => write!(
                f,
                "the generator's threads were busy {percent_per_thread:.0} % of the time: raise --threads up to the \
                 number of cores, or lower --rate"
            ),
            Warning::Waited { percent, fewest_streams: Some(streams) } => write!(
                f,
                "{percent:.1} % of the requests waited for a free stream, so the server's bound of {streams} streams a connection limited the \
                 load (and may be what kept the system stable): raise --connections"
            ),
            Warning::Waited { percent, fewest_streams: None } => write!(
                f,
                "{percent:.1} % of the requests waited for a free connection, so the bound on connections limited the load (and may be \
                 what kept the system stable): raise --connections (or --streams with --http2, or --max-connections with --when-busy open)"
            ),
            Warning::LowerBounds { percent } => write!(
                f,
                "{percent:.1} % of the response times are lower bounds, since those requests had no answer when the \
                 wait was cut short: read the percentiles above {:.1} % as \"at least\"",
                100.0 - percent
            ),
            Warning::WarmupHides { percent } => write!(
                f,
                "{percent:.1} % of the requests were due within the warm-up and still open at its end, so the system was \
                 behind already, and worse than the latencies here, which leave them out: --warmup 0s keeps all"
            ),
            Warning::OnlyWarmup { warmup_ns } => write!(
                f,
                "the run ended within its warm-up of {}, so no latency was measured: let it go on for longer, or \
                 shorten the warm-up",
                Time(*warmup_ns)
            ),
            Warning::RecordsDropped(n) => write!(
                f,
                "{n} attempts are missing from the raw records, since the disk was too slow (histograms are \
                 complete): write the results to a faster disk, or lower --rate"
            ),
        }
    }
}
