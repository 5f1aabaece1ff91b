use super::cause_advice::advice;
use super::generator::{GeneratorReport, ResponseTimes};
use crate::load::plan::WarmupBy;
use crate::option_name::{CommandInUse, OptionName};
use crate::record::{CauseCount, ErrorCause, ErrorCounts};
use crate::stats::ratio;
use crate::units::{Instant, Time, format_wrk_time};

/// A reason to distrust the numbers of a run. [`Warning::describe`] says what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// answered + failed + unanswered + unsent differs from scheduled.
    Unbalanced { scheduled: u64, sum: u64 },
    /// The generator sent late: a percentile of the send lag, and the response time at the same percentile.
    SendLag { percentile: u8, lag: Time, response: Option<Time> },
    /// Fewer requests were sent than scheduled: the share that was sent, in percent.
    Shortfall { sent_percent: f64, cause: ShortfallCause },
    /// The generator threads have no CPU time left: percent of a core that each used.
    Cpu { percent_per_thread: f64 },
    /// The generator threads were ready to run, and other programs had their cores: percent of the run.
    CoreWait { percent: f64 },
    /// Requests, in percent, that were due and waited for a connection.
    Waited { percent: f64, reason: WaitReason },
    /// Connections of the plan were down. With the most frequent cause; none if the server ended them without an answer.
    ConnectionsDown { planned: u64, never_up: u64, up_mean: f64, cause: Option<ErrorCause> },
    /// Errors that the generator or its settings caused.
    Errors(CauseCount),
    /// Requests, in percent, that were due and waited because of the limit on catching up.
    HeldBack { percent: f64 },
    /// The share of response times that are lower bounds, in percent, and which percentiles are.
    LowerBounds { percent: f64, percentiles: String },
    /// Requests, in percent, that were due in the warm-up and still in the backlog at its end. They are left out of the
    /// histograms if the warm-up goes by the due time.
    WarmupBacklog { percent: f64 },
    /// The run ended in its warm-up.
    OnlyWarmup { warmup: Time },
    /// Responses, in percent, without the kernel timestamps that the plan wants.
    Timestamps { percent: f64 },
    /// The number of attempts that are missing from the raw records.
    RecordsDropped(u64),
    /// Over half of the attempts of a load ended with an error.
    MostlyErrors { percent: f64, errors: ErrorCounts },
    /// The server of a load answered nothing successfully any more since this instant.
    Silent { since: Instant, lasted: Time },
}

/// Why fewer requests were sent than scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortfallCause {
    /// All connections were busy.
    ConnectionsBusy,
    /// Connections of the plan were down.
    ConnectionsDown,
    /// Connections broke or were refused, most often for this cause.
    ConnectionsBroken(ErrorCause),
    /// The script put requests off with `delay`, or did not return.
    Script,
    /// The generator was too slow.
    Generator,
}

/// Why requests waited for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// Every connection was busy.
    Busy,
    /// Connections of the plan were down.
    Down,
    /// The server's limit of HTTP/2 streams on a connection.
    Streams(usize),
}

/// A send lag of this share of the reported response time, at the same percentile, is visible in the report: a tenth.
const VISIBLE_SHARE: u64 = 10;
/// Send lag below these limits is no reason for a warning, however short the response times are: a healthy generator on a
/// quiet machine has a median of up to 0.07 ms and a 99th percentile of up to 0.4 ms (docs/performance.md).
const USUAL_SEND_LAG_P50: Time = Time(100_000);
const USUAL_SEND_LAG_P99: Time = Time(500_000);
/// With fewer samples the 99th percentile depends on one or two requests.
const MIN_SAMPLES_P99: u64 = 200;
/// A longer 99th percentile of the send lag is a reason for a warning even where that of the response times is far longer,
/// unless the median response time is too: then the lag is visible nowhere.
const MAX_SEND_LAG: Time = Time::from_millis(10);
/// A lower share of sent requests, in percent, is a shortfall.
const MIN_SENT_PERCENT: f64 = 98.0;
/// A thread that uses more of a core, in percent, has no reserve for bursts.
const MAX_CPU_PERCENT: f64 = 85.0;

/// A thread that has no core for more of the run, in percent, also reads answers late, which no send lag shows.
const MAX_CORE_WAIT_PERCENT: f64 = 10.0;

/// All warnings about a run, the most serious first.
pub fn find_warnings(report: &GeneratorReport) -> Vec<Warning> {
    let a = &report.account;
    let sent_percent = 100.0 * ratio(report.sent as f64, a.scheduled as f64);
    let bounds = &report.bounds;
    let (cpu, core_wait) = (report.cpu_percent_per_thread(), report.core_wait_percent());
    let broken = a.errors.connect.max(report.own.connect_errors) + a.errors.read + a.errors.write;
    let own = &report.own;
    let is_down = report.connections_missing();
    let cause = match own.bound_reached {
        _ if own.script_unsent * 2 > a.unsent => ShortfallCause::Script,
        _ if is_down => ShortfallCause::ConnectionsDown,
        _ if broken * 10 > a.unsent => {
            ShortfallCause::ConnectionsBroken(own.causes.main(|_| true).map_or(ErrorCause::Other, |main| main.cause))
        }
        true => ShortfallCause::ConnectionsBusy,
        false => ShortfallCause::Generator,
    };
    // Requests that were never sent waited too, if they waited for a connection.
    let unsent = if cause == ShortfallCause::ConnectionsBusy { a.unsent } else { 0 };
    let waited = 100.0 * ratio((report.own.waited - report.own.held_back + unsent) as f64, a.scheduled as f64);
    let held_back = 100.0 * ratio(report.own.held_back as f64, a.scheduled as f64);
    let left_out = if report.warmup_by == WarmupBy::Due { report.own.late_warmup } else { 0 };
    let late = 100.0 * ratio(left_out as f64, a.scheduled as f64);
    let reason = match report.fewest_streams {
        _ if is_down => WaitReason::Down,
        Some(streams) => WaitReason::Streams(streams),
        None => WaitReason::Busy,
    };
    let timestamps = report.own.timestamps_missing + report.own.timestamps;
    let untimed = 100.0 * ratio(report.own.timestamps_missing as f64, timestamps as f64);
    let is_short = a.scheduled > 0 && sent_percent < MIN_SENT_PERCENT;
    let down = (is_down && (is_short || waited >= 1.0 || own.connections_never_up > 0)).then(|| {
        let cause = own.causes.main(ErrorCause::is_of_connect).map(|main| main.cause);
        Warning::ConnectionsDown {
            planned: own.connections_planned,
            never_up: own.connections_never_up,
            up_mean: own.connections_up_mean,
            cause: cause.filter(|_| own.connect_errors >= own.connections_unused),
        }
    });
    let told = match (&down, cause) {
        (Some(Warning::ConnectionsDown { cause, .. }), _) => *cause,
        (_, ShortfallCause::ConnectionsBroken(cause)) if is_short => Some(cause),
        _ => None,
    };
    let own_errors =
        own.causes.sorted().into_iter().filter(|one| one.cause.is_of_generator() && Some(one.cause) != told);
    let sum = a.answered + a.failed + a.unanswered + a.unsent;
    [
        (!a.balances()).then_some(Warning::Unbalanced { scheduled: a.scheduled, sum }),
        send_lag_warning(report),
        is_short.then_some(Warning::Shortfall { sent_percent, cause }),
        down,
        (cpu > MAX_CPU_PERCENT && !report.spins).then_some(Warning::Cpu { percent_per_thread: cpu }),
        (core_wait > MAX_CORE_WAIT_PERCENT).then_some(Warning::CoreWait { percent: core_wait }),
        (waited >= 1.0).then_some(Warning::Waited { percent: waited, reason }),
        (held_back >= 1.0).then_some(Warning::HeldBack { percent: held_back }),
        (bounds.percent >= 1.0)
            .then(|| Warning::LowerBounds { percent: bounds.percent, percentiles: bounds.which_percentiles() }),
        (late >= 1.0).then_some(Warning::WarmupBacklog { percent: late }),
        (report.arrivals < report.warmup).then_some(Warning::OnlyWarmup { warmup: report.warmup }),
        (report.requires_timestamps && untimed >= 1.0).then_some(Warning::Timestamps { percent: untimed }),
        mostly_errors(report),
        silence(report),
        (report.own.records_dropped > 0).then_some(Warning::RecordsDropped(report.own.records_dropped)),
    ]
    .into_iter()
    .flatten()
    .chain(own_errors.map(Warning::Errors))
    .collect()
}

/// The warning about the generator's own lateness, if it is visible in the reported response times. What the slack allows
/// is no lateness.
fn send_lag_warning(report: &GeneratorReport) -> Option<Warning> {
    let lag = report.send_lag;
    let response = report.response;
    let late = |lag: Time| lag.minus(report.slack);
    let is_visible = |lag: Time, response: Time| late(lag).times(VISIBLE_SHARE) > response;
    let at = |percentile, lag_ns, usual, response: fn(ResponseTimes) -> Time| {
        let (lag, response) = (Time(lag_ns), response(report.response?));
        let is_late = late(lag) > usual && is_visible(lag, response);
        is_late.then_some(Warning::SendLag { percentile, lag, response: Some(response) })
    };
    let far_too_late = || {
        let lag = Time(lag.p99_ns);
        let is_late = late(lag) > MAX_SEND_LAG && response.is_none_or(|response| is_visible(lag, response.p50));
        is_late.then_some(Warning::SendLag { percentile: 99, lag, response: response.map(|response| response.p99) })
    };
    let has_p99 = response.is_some_and(|response| response.count >= MIN_SAMPLES_P99);
    at(99, lag.p99_ns, USUAL_SEND_LAG_P99, |response| response.p99)
        .filter(|_| has_p99)
        .or_else(|| at(50, lag.p50_ns, USUAL_SEND_LAG_P50, |response| response.p50))
        .or_else(far_too_late)
}

/// More errors than this, in percent of the attempts, are a warning.
const MAX_ERROR_PERCENT: f64 = 50.0;
/// A load that ended without a successful answer for this share of its duration met a server that is gone: a tenth.
const SILENT_SHARE: u64 = 10;
/// So many requests must have been due in that time.
const MIN_SILENT_REQUESTS: f64 = 10.0;

/// The warning about a load whose attempts mostly failed. An experiment has a verdict for that, and timeouts are what an
/// overloaded system shows.
fn mostly_errors(report: &GeneratorReport) -> Option<Warning> {
    let errors = report.account.errors;
    let failed = errors.status + errors.connect + errors.read + errors.write;
    let percent = 100.0 * ratio(failed as f64, report.account.attempts as f64);
    let is_load = report.command == CommandInUse::Load;
    (is_load && percent > MAX_ERROR_PERCENT).then_some(Warning::MostlyErrors { percent, errors })
}

/// The warning about a load whose server stopped to answer before the end.
fn silence(report: &GeneratorReport) -> Option<Warning> {
    let since = report.last_success?;
    let lasted = Instant::START.plus(report.arrivals).since(since);
    let is_long = lasted.times(SILENT_SHARE) > report.arrivals;
    let had_requests = lasted.as_secs_f64() * report.scheduled_rate() >= MIN_SILENT_REQUESTS;
    (is_long && had_requests).then_some(Warning::Silent { since, lasted })
}

impl Warning {
    /// What is wrong, its effect, and the remedy with the options of `command`.
    pub fn describe(&self, command: CommandInUse) -> String {
        let name = |option: OptionName| option.of(command).unwrap_or_default();
        let (rate, threads, connections) =
            (name(OptionName::Rate), name(OptionName::Threads), name(OptionName::Connections));
        match self {
            Warning::Unbalanced { scheduled, sum } => format!(
                "{scheduled} requests were scheduled, but {sum} are accounted for. Records are missing, and the \
                 shares in this report are wrong. Check whether the disk is full, and run again."
            ),
            Warning::SendLag { percentile, lag, response } => {
                let text = |time: Time| format_wrk_time(time.0 as f64 / 1e3);
                let response = response.map(|response| {
                    format!(", and that of the response times, which include the lag, is {}", text(response))
                });
                format!(
                    "the generator itself was late: the {percentile}th percentile of the send lag is {}{}. Stop other \
                     programs on the generator's cores, or give it cores of its own (taskset). Otherwise lower {rate}, \
                     raise {threads} up to the number of cores, or run the generator on a separate machine.",
                    text(*lag),
                    response.unwrap_or_default()
                )
            }
            Warning::Shortfall { sent_percent, cause: ShortfallCause::ConnectionsBusy } => format!(
                "only {sent_percent:.1} % of the scheduled requests were sent, because all connections were busy. The \
                 system received less load than planned. Raise {connections}, or use {}.",
                OptionName::WhenBusy.set_to("open", command).unwrap_or_default()
            ),
            Warning::Shortfall { sent_percent, cause: ShortfallCause::Script } => format!(
                "only {sent_percent:.1} % of the scheduled requests were sent, because the script put the others off \
                 beyond the end of the load with delay(), or did not return. The system received less load than planned. \
                 Let delay() return less, or let the load run for longer."
            ),
            Warning::Shortfall { sent_percent, cause: ShortfallCause::Generator } => format!(
                "only {sent_percent:.1} % of the scheduled requests were sent, because the generator was too slow. The \
                 system received less load than planned. Raise {threads} or lower {rate}."
            ),
            Warning::Shortfall { sent_percent, cause: ShortfallCause::ConnectionsDown } => format!(
                "only {sent_percent:.1} % of the scheduled requests were sent, because connections were down. The system \
                 received less load than planned."
            ),
            Warning::Shortfall { sent_percent, cause: ShortfallCause::ConnectionsBroken(cause) } => format!(
                "only {sent_percent:.1} % of the scheduled requests were sent, because connections broke or were \
                 refused ({}), and the generator waits longer before each new attempt to connect. {}",
                cause.words(),
                advice(*cause, command)
            ),
            Warning::ConnectionsDown { planned, never_up, up_mean, cause } => {
                let never = match never_up {
                    0 => String::new(),
                    n => format!("{n} of {planned} never came up, and "),
                };
                let (why, what) = match cause {
                    Some(cause) => (cause.words(), advice(*cause, command)),
                    None => (
                        "the server ended them before they carried an answer",
                        format!(
                            "It may limit the number of connections: lower {connections} to what it keeps, or raise its \
                             limit."
                        ),
                    ),
                };
                format!("connections were down: {never}{up_mean:.1} of {planned} were up on average ({why}). {what}")
            }
            Warning::Errors(one) => format!("{one}. {}", advice(one.cause, command)),
            Warning::Cpu { percent_per_thread } => format!(
                "the generator threads used {percent_per_thread:.0} % of a core each. Raise {threads} up to the number \
                 of cores, or lower {rate}."
            ),
            Warning::CoreWait { percent } => format!(
                "for {percent:.0} % of the run the generator threads had no core, because other programs used theirs. They \
                 read answers late too, and the response times and the waits for connections include that. Stop other \
                 programs on the generator's cores, or give it cores of its own (taskset)."
            ),
            Warning::Waited { percent, reason: WaitReason::Streams(streams) } => format!(
                "{percent:.1} % of the requests waited for a free stream. The server's limit of {streams} streams on a \
                 connection reduced the load, and may have kept the system stable. Raise {connections}."
            ),
            Warning::Waited { percent, reason: WaitReason::Busy } => format!(
                "{percent:.1} % of the requests waited for a free connection. The limit on connections reduced the \
                 load, and may have kept the system stable. {}",
                raise_connections(command)
            ),
            Warning::Waited { percent, reason: WaitReason::Down } => {
                format!("{percent:.1} % of the requests waited for a connection, because connections were down.")
            }
            Warning::HeldBack { percent } => format!(
                "{percent:.1} % of the requests were late and waited although a connection was free, because {} limits \
                 how fast a late schedule is caught up. Their response times include that wait. Leave the limit out to \
                 send late requests as soon as a connection is free.",
                name(OptionName::CatchUp)
            ),
            Warning::LowerBounds { percent, percentiles } => format!(
                "{percent:.1} % of the response times are lower bounds, because no response had arrived when the wait \
                 ended. Read {percentiles} as \"at least\"."
            ),
            Warning::WarmupBacklog { percent } => format!(
                "{percent:.1} % of the requests were due in the warm-up and still in the backlog at its end. The system \
                 was already overloaded, and the latencies in this report exclude these requests. Include them with \
                 {}.",
                OptionName::Warmup.set_to("0s", command).unwrap_or_default()
            ),
            Warning::OnlyWarmup { warmup } => format!(
                "no latency was measured, because the run ended in its warm-up of {warmup}. Let the run last \
                 longer than the warm-up, or shorten the warm-up with {}.",
                name(OptionName::Warmup)
            ),
            Warning::Timestamps { percent } => format!(
                "{percent:.1} % of the responses have no kernel timestamp. Their response times contain the time until the \
                 generator read them. The first responses after the start of the machine may have none; if most have none, \
                 the kernel makes none here: use {}.",
                OptionName::Timestamps.set_to("user", command).unwrap_or_default()
            ),
            Warning::MostlyErrors { percent, errors } => format!(
                "{percent:.1} % of the attempts ended with an error: {} answers with a status above 399, {} connect, {} read \
                 and {} write errors. The latencies are mostly those of errors. Check the URL, what the requests ask for, and \
                 the log of the server.",
                errors.status, errors.connect, errors.read, errors.write
            ),
            Warning::Silent { since, lasted } => format!(
                "the last successful answer came {:.1} s after the start, and none in the {:.1} s after it. The server died, \
                 hung or was cut off. Check its log.",
                since.as_secs_f64(),
                lasted.as_secs_f64()
            ),
            Warning::RecordsDropped(n) => {
                let where_to = match command {
                    CommandInUse::Load => "The histograms are complete. Write the records to a faster disk".to_owned(),
                    CommandInUse::Experiment => {
                        format!("Write the results to a faster disk with {}", name(OptionName::Out))
                    }
                };
                format!(
                    "{n} attempts are missing from the raw records, because the disk was too slow. {where_to}, or lower \
                     {rate}."
                )
            }
        }
    }
}

/// Names all options that may limit connections: a warning does not know which ones are in use.
fn raise_connections(command: CommandInUse) -> String {
    let name = |option: OptionName| option.of(command).unwrap_or_default();
    let open = OptionName::WhenBusy.set_to("open", command).unwrap_or_default();
    let streams = match OptionName::Streams.of(command) {
        Some(streams) => format!("{streams} with --http2, or "),
        None => String::new(),
    };
    format!("Raise {} (or {streams}{} with {open}).", name(OptionName::Connections), name(OptionName::MaxConnections))
}
