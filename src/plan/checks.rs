//! What makes an experiment possible, section by section.

use std::ops::RangeInclusive;

use super::settings::{DOCKER, MonitorKind, Settings};
use super::{InvalidSetting, PlannedFault, Windows, impossible};
use crate::arrivals::Rate;
use crate::fault::{CheckContext, FaultSpec, InvalidKey};
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

const ENGINES: [&str; 3] = ["unix://", "tcp://", "http://"];
const NO_ENGINE: &str = "the [target] has no engine: engine = \"docker\" is the one of your environment";

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
        TestbedPlanError::SpareMemory(..) => impossible("testbed.budget", error.to_string()),
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

/// The faults, found possible.
pub fn faults(s: &Settings, windows: Windows) -> Result<Vec<PlannedFault>, InvalidSetting> {
    let default_at = s.phases.warmup.plus(s.phases.baseline);
    let earliest = s.phases.warmup.plus(windows.least_baseline);
    let mut planned: Vec<PlannedFault> = Vec::new();
    for (i, fault) in s.fault.iter().enumerate() {
        let refuse = |key: &str, why: String| Err(impossible(format!("fault.{i}.{key}"), why));
        let invalid = |InvalidKey { key, why }| impossible(format!("fault.{i}.{key}"), why);
        let spec = FaultSpec::read(&fault.kind, &fault.keys).map_err(invalid)?;
        let planned_fault = PlannedFault { at: fault.at.unwrap_or(default_at), lasts: fault.lasts, spec };
        let PlannedFault { at, lasts, spec } = &planned_fault;
        if *lasts == Time::ZERO || planned_fault.end() > DAY {
            return refuse("for", "must be above 0, and over within 24h".to_owned());
        }
        if *at < earliest {
            return refuse(
                "at",
                format!("must be at {earliest} or later: before it come the warm-up and the least baseline"),
            );
        }
        let target = spec.spec().target();
        let overlaps = |other: &PlannedFault| {
            other.spec.spec().target() == target && *at < other.end() && other.at < planned_fault.end()
        };
        if planned.iter().any(overlaps) {
            return refuse("at", format!("overlaps an earlier fault {}", target.in_words()));
        }
        let context = CheckContext {
            lasts: *lasts,
            rate: s.load.rate,
            has_testbed: s.testbed.is_some(),
            has_engine: engine(s).is_some(),
        };
        spec.check(&context).map_err(invalid)?;
        planned.push(planned_fault);
    }
    Ok(planned)
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
