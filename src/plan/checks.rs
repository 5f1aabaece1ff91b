//! What makes an experiment possible, section by section.

use std::ops::RangeInclusive;

use bytesize::ByteSize;

use super::settings::{DOCKER, Fault, FaultKind, MonitorKind, Settings};
use super::{InvalidSetting, Windows, impossible, surge};
use crate::arrivals::Rate;
use crate::load::plan::{OnTimeout, PlanError};
use crate::testbed::TestbedPlanError;
use crate::units::{Instant, Time};

const DAY: Time = Time::from_secs(24 * 3600);
/// The components of the testbed.
const COMPONENTS: [&str; 3] = ["compose-post", "post-storage", "post-db"];

/// Windows hold 5 bins of 50 requests: below, a day holds none. Above, no generator gets.
const RATES: RangeInclusive<f64> = 1e-3..=1e6;
/// Of a run: judging it and drawing it takes some 200 bytes of memory for each.
const MOST_REQUESTS: f64 = 1e8;

/// What an engine takes; the smallest is a hundredth of the least period.
const CPUS: RangeInclusive<f64> = 0.01..=1024.0;
const LEAST_MEMORY: ByteSize = ByteSize::mib(6);
const ENGINES: [&str; 3] = ["unix://", "tcp://", "http://"];
const NO_ENGINE: &str = "the [target] has no engine: engine = \"docker\" is the one of your environment";
/// Of a surge. Below, it is hard to tell from none.
const FACTORS: RangeInclusive<f64> = 1.1..=100.0;
/// Of a link: what requests through it can show within seconds. A look at a delay takes four times as long.
const DELAYS: RangeInclusive<Time> = Time::from_millis(10)..=Time::from_secs(5);
const LOSSES: RangeInclusive<f64> = 0.01..=0.9;
const BANDWIDTHS: RangeInclusive<u64> = 1 << 10..=10 << 20;

/// The longest that a look at a surge may take: it is a step of a fault, which soon counts as one that hangs.
const MOST_SURGE_WINDOW: Time = Time::from_secs(20);

/// A fault's removal may take this long to be verified without shortening the observation.
const VERIFICATION: Time = Time::from_secs(5);

pub fn load(s: &Settings) -> Result<(), InvalidSetting> {
    let rate = s.load.rate;
    if !(rate > 0.0 && rate.is_finite()) {
        return Err(impossible("load.rate", format!("must be above 0 requests/s, not {rate}")));
    }
    if !RATES.contains(&rate) {
        return Err(impossible("load.rate", format!("must be between 0.001 and 1000000 requests/s, not {rate}")));
    }
    Ok(())
}

/// What the load finds impossible, by the key that it has in an experiment.
pub fn of_load(error: PlanError) -> InvalidSetting {
    let key = match &error {
        PlanError::Target(_) => "target.url",
        PlanError::Rate(_) => "load.rate",
        PlanError::FewConnections { .. } => "load.connections",
        PlanError::Range { option: "duration", .. } => "phases.duration",
        PlanError::Range { option: "warmup", .. } => "phases.warmup",
        PlanError::Range { option: "drain", .. } => "load.timeout",
        PlanError::Range { option, .. } | PlanError::Conflict { option, .. } => {
            return impossible(format!("load.{option}"), error.to_string());
        }
    };
    impossible(key, error.to_string())
}

/// What the testbed finds impossible, by the key that it has in an experiment.
pub fn of_testbed(error: TestbedPlanError) -> InvalidSetting {
    match &error {
        TestbedPlanError::Leaky(..) => impossible("testbed.budget", error.to_string()),
        TestbedPlanError::Range { what, .. } => impossible(format!("testbed.{what}"), error.to_string()),
    }
}

pub fn phases(s: &Settings, windows: Windows) -> Result<(), InvalidSetting> {
    let times = [("phases.warmup", s.phases.warmup), ("phases.baseline", s.phases.baseline)];
    if let Some((key, _)) = times.into_iter().find(|(_, time)| *time > DAY) {
        return Err(impossible(key, "must be at most 24h"));
    }
    if s.phases.baseline < windows.least_baseline {
        // In ms, since ns are nothing to type.
        let least = Time(windows.least_baseline.0.next_multiple_of(1_000_000));
        return Err(impossible(
            "phases.baseline",
            format!("must be at least {least} at {} requests/s, to hold 5 bins of 50 requests or 1s", s.load.rate),
        ));
    }
    if s.phases.observe.is_some_and(|observe| observe < windows.last || observe > DAY) {
        return Err(impossible("phases.observe", format!("must be between {} and 24h", windows.last)));
    }
    if s.verdict.slo.is_some_and(|slo| slo == Time::ZERO || slo > Time::from_secs(3600)) {
        return Err(impossible("verdict.slo", "must be above 0 and at most 1h"));
    }
    Ok(())
}

/// All requests of a load that lasts for `duration` must find room in memory.
pub fn requests(planned: &Rate, duration: Time) -> Result<(), InvalidSetting> {
    let requests = planned.cumulated(Instant::START.plus(duration));
    if requests <= MOST_REQUESTS {
        return Ok(());
    }
    let why = format!(
        "makes {requests:.0} requests in {duration}, and a report holds at most {MOST_REQUESTS:.0}: lower it, or shorten the load"
    );
    Err(impossible("load.rate", why))
}

/// When the last fault is to be gone, if there is one.
pub fn faults(s: &Settings, windows: Windows) -> Result<Option<Time>, InvalidSetting> {
    let default_at = s.phases.warmup.plus(s.phases.baseline);
    let earliest = s.phases.warmup.plus(windows.least_baseline);
    let mut spans: Vec<(&Fault, Time, Time)> = Vec::new();
    for (i, fault) in s.fault.iter().enumerate() {
        let at = fault.at.unwrap_or(default_at);
        let end = at.plus(fault.lasts);
        if fault.lasts == Time::ZERO || end > DAY {
            return Err(impossible(format!("fault.{i}.for"), "must be above 0, and over within 24h"));
        }
        if at < earliest {
            let why = format!("must be at {earliest} or later: before it come the warm-up and the least baseline");
            return Err(impossible(format!("fault.{i}.at"), why));
        }
        let same = |other: &Fault| match &fault.container {
            Some(_) => other.container == fault.container,
            None => other.kind == fault.kind || other.kind.is_on_link() && fault.kind.is_on_link(),
        };
        if spans.iter().any(|&(other, from, to)| same(other) && at < to && from < end) {
            let why = if fault.container.is_some() { "on its container" } else { "of its kind, or on the same link" };
            return Err(impossible(format!("fault.{i}.at"), format!("overlaps an earlier fault {why}")));
        }
        of_fault(s, fault).map_err(|(key, why)| impossible(format!("fault.{i}.{key}"), why))?;
        magnitude(s, i, fault)?;
        spans.push((fault, at, end));
    }
    Ok(spans.into_iter().map(|(_, _, end)| end).max())
}

/// What a fault is done to, and how much of it there is: each kind has keys of its own.
fn of_fault(s: &Settings, fault: &Fault) -> Result<(), (&'static str, String)> {
    let Fault { kind, container, network, cpus, limit, .. } = fault;
    let name = kind.name();
    if kind.is_on_link() && s.testbed.is_none() {
        return Err(("kind", "only the [testbed] has a link".to_owned()));
    }
    let keys = [
        ("container", container.is_some(), kind.is_on_container(), "its name, compose service or id"),
        ("cpus", cpus.is_some(), *kind == FaultKind::Throttle, "so many CPUs, such as 0.2"),
        ("limit", limit.is_some(), *kind == FaultKind::MemoryLimit, "a size, such as 64MiB"),
    ];
    for (key, given, wanted, what) in keys {
        match (given, wanted) {
            (true, false) => return Err((key, format!("a {name} has none"))),
            (false, true) => return Err(("kind", format!("a {name} needs `{key}`: {what}"))),
            _ => {}
        }
    }
    if network.is_some() && !matches!(kind, FaultKind::Disconnect | FaultKind::Blackhole) {
        return Err(("network", format!("a {name} has none")));
    }
    if cpus.is_some_and(|cpus| !CPUS.contains(&cpus)) {
        return Err(("cpus", format!("must be between {} and {}", CPUS.start(), CPUS.end())));
    }
    if limit.is_some_and(|limit| limit < LEAST_MEMORY) {
        return Err(("limit", format!("must be at least {LEAST_MEMORY}, which an engine asks for")));
    }
    if container.is_some() && engine(s).is_none() {
        return Err(("container", NO_ENGINE.to_owned()));
    }
    Ok(())
}

/// How much of it there is, for the kinds that come in sizes.
fn magnitude(s: &Settings, i: usize, fault: &Fault) -> Result<(), InvalidSetting> {
    let key = |key: &str| format!("fault.{i}.{key}");
    let bandwidth = fault.bandwidth.map(|size| size.0.0);
    // The key of each, the kind that takes it, whether it is there, and whether it can be.
    let sizes = [
        ("factor", FaultKind::Surge, fault.factor.map(|factor| FACTORS.contains(&factor)), "between 1.1 and 100"),
        ("delay", FaultKind::LinkDelay, fault.delay.map(|delay| DELAYS.contains(&delay)), "between 10ms and 5s"),
        ("loss", FaultKind::LinkLoss, fault.loss.map(|share| LOSSES.contains(&share)), "between 0.01 and 0.9"),
        ("bandwidth", FaultKind::LinkBandwidth, bandwidth.map(|b| BANDWIDTHS.contains(&b)), "between 1KiB and 10MiB"),
    ];
    for (name, kind, given, range) in sizes {
        match given {
            None if kind == fault.kind => {
                return Err(impossible(key("kind"), format!("takes a {name}, {range}")));
            }
            Some(_) if kind != fault.kind => {
                return Err(impossible(key(name), format!("is for kind = \"{}\"", kind.name())));
            }
            Some(false) => return Err(impossible(key(name), format!("must be {range}"))),
            None | Some(true) => {}
        }
    }
    // In ms, since ns are nothing to type.
    match surge(s, fault).map(|size| Time(size.window().0.next_multiple_of(1_000_000))) {
        Some(least) if least > MOST_SURGE_WINDOW => {
            let why = format!(
                "adds so few requests at this rate that only {least} would show them, and {MOST_SURGE_WINDOW} is the most"
            );
            Err(impossible(key("factor"), why + ": raise it, or the rate"))
        }
        Some(least) if fault.lasts < least => {
            let why = format!("must be at least {least} at this rate, so that the surge shows in what is sent");
            Err(impossible(key("for"), why))
        }
        _ => Ok(()),
    }
}

/// Whose containers the plan names.
fn engine(s: &Settings) -> Option<&str> {
    s.target.as_ref()?.engine.as_deref()
}

pub fn target(s: &Settings) -> Result<(), InvalidSetting> {
    match engine(s) {
        Some(engine) if engine != DOCKER && !ENGINES.iter().any(|scheme| engine.starts_with(scheme)) => {
            let why = format!("must be \"{DOCKER}\", or an engine's address: unix:///PATH or tcp://HOST:PORT");
            Err(impossible("target.engine", why))
        }
        _ => Ok(()),
    }
}

pub fn monitors(s: &Settings) -> Result<(), InvalidSetting> {
    for (i, monitor) in s.monitor.iter().enumerate() {
        let refuse = |key: &str, why: String| Err(impossible(format!("monitor.{i}.{key}"), why));
        match (monitor.kind, &monitor.component, &monitor.container) {
            (MonitorKind::Process, Some(component), None) => {
                if s.testbed.is_none() || !COMPONENTS.contains(&component.as_str()) {
                    let why = format!("is no component of a [testbed]; those are {}", COMPONENTS.join(", "));
                    return refuse("component", why);
                }
            }
            (MonitorKind::Container, None, Some(_)) => {
                if engine(s).is_none() {
                    return refuse("container", NO_ENGINE.to_owned());
                }
            }
            (MonitorKind::Process, None, _) => return refuse("kind", "a process needs `component`".to_owned()),
            (MonitorKind::Container, _, None) => return refuse("kind", "a container needs `container`".to_owned()),
            (MonitorKind::Process, _, Some(_)) => return refuse("container", "a process has none".to_owned()),
            (MonitorKind::Container, Some(_), _) => return refuse("component", "a container has none".to_owned()),
        }
        if s.monitor[..i].iter().any(|other| other.source() == monitor.source()) {
            return refuse(monitor.kind.key(), "has a monitor already".to_owned());
        }
        if !(Time::from_millis(10)..=Time::from_secs(60)).contains(&monitor.every) {
            return refuse("every", "must be between 10ms and 60s".to_owned());
        }
    }
    Ok(())
}

/// H, and the length of the load.
///
/// H = max(60 s, 3 x outage, 20 x client timeout if there is one that the client acts on). The load lasts until a system
/// that recovers at the very end of H is known to: recovery window, watch, and a bin. A set duration gives H what it
/// leaves room for.
pub fn spans(s: &Settings, windows: Windows, faults_end: Option<Time>) -> Result<(Time, Time), InvalidSetting> {
    let outage = s.fault.iter().map(|fault| fault.lasts).max().unwrap_or(Time::ZERO);
    let abandons = s.load.on_timeout.unwrap_or(OnTimeout::Abandon) == OnTimeout::Abandon;
    let timeout = s.load.timeout.filter(|_| abandons).unwrap_or(Time::ZERO);
    let usual = Time::from_secs(60).max(outage.times(3)).max(timeout.times(20)).max(windows.last);
    let Some(faults_end) = faults_end else {
        let least = s.phases.warmup.plus(windows.least_baseline);
        let observe = s.phases.observe.unwrap_or(usual);
        let duration = s.phases.duration.unwrap_or(s.phases.warmup.plus(s.phases.baseline).plus(observe));
        if duration < least {
            return Err(impossible("phases.duration", format!("must be at least {least}, warm-up included")));
        }
        return Ok((observe, duration));
    };
    let around = faults_end.plus(VERIFICATION).plus(windows.recovery).plus(windows.watch).plus(windows.bin);
    let (least, given) = (around.plus(s.phases.observe.unwrap_or(windows.last)), s.phases.duration);
    match (given, s.phases.observe) {
        (Some(duration), _) if duration < least => {
            let why = format!("must be at least {least} with this fault: until it is gone, and long enough to judge");
            Err(impossible("phases.duration", why))
        }
        (Some(duration), observe) => Ok((observe.unwrap_or(duration.minus(around)), duration)),
        (None, observe) => {
            let observe = observe.unwrap_or(usual);
            Ok((observe, around.plus(observe)))
        }
    }
}
