//! The faults of a plan.

use super::error::InvalidSetting;
use super::phases::{DAY, Outage, find_baseline};
use super::settings::{Fault, Phases};
use super::system::System;
use super::windows::VerdictWindows;
use crate::fault::{CheckContext, FaultSpec, InvalidKey};
use crate::units::{Instant, Time};

/// A fault, when it is applied, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedFault {
    pub at: Instant,
    /// `None` for a fault that ends by itself.
    pub lasts: Option<Time>,
    pub spec: FaultSpec,
}

impl PlannedFault {
    /// When it is removed; the latest time for a fault that ends by itself.
    pub fn end(&self) -> Instant {
        self.at.plus(self.lasts.or(self.spec.spec().ends_within()).unwrap_or(Time::ZERO))
    }

    /// When it is applied, and for how long: `at 15s for 20s`.
    pub fn when(&self) -> String {
        match self.lasts {
            Some(lasts) => format!("at {} for {lasts}", self.at),
            None => format!("at {}", self.at),
        }
    }

    /// The settings of this fault, as in an experiment file.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    pub fn to_settings(&self) -> Result<Fault, toml::ser::Error> {
        let mut keys = toml::Table::try_from(&self.spec)?;
        keys.remove("kind");
        let at = Some(self.at.since(Instant::START));
        Ok(Fault { kind: self.spec.kind().to_owned(), at, lasts: self.lasts, keys })
    }
}

/// # Errors
/// [`InvalidSetting`] for a fault that the system does not allow, that comes too early, or that overlaps another one on
/// the same target.
pub fn resolve_faults(
    faults: &[Fault],
    system: &System,
    phases: &Phases,
    windows: VerdictWindows,
    rate: f64,
) -> Result<Vec<PlannedFault>, InvalidSetting> {
    let default_at = phases.warmup.plus(find_baseline(phases, windows));
    let earliest = phases.warmup.plus(windows.min_baseline);
    let mut planned: Vec<PlannedFault> = Vec::new();
    for (i, fault) in faults.iter().enumerate() {
        let refuse = |key: &str, why: String| Err(InvalidSetting::new(format!("fault.{i}.{key}"), why));
        let invalid = |InvalidKey { key, why }| InvalidSetting::new(format!("fault.{i}.{key}"), why);
        let spec = FaultSpec::read(&fault.kind, &fault.keys).map_err(invalid)?;
        let at = fault.at.unwrap_or(default_at);
        let lasts = fault.lasts;
        if lasts.is_none() && spec.spec().ends_within().is_none() {
            return refuse("kind", format!("a {} fault needs the key `for`, such as for = \"20s\"", spec.kind()));
        }
        if lasts == Some(Time::ZERO) || at.plus(lasts.unwrap_or(Time::ZERO)) > DAY {
            return refuse("for", "must be above 0, and the fault must end within 24h".to_owned());
        }
        if at < earliest {
            let why = format!("must be at {earliest} or later, after the warm-up and the shortest baseline");
            return refuse("at", why);
        }
        let new = PlannedFault { at: Instant::START.plus(at), lasts, spec };
        let target = new.spec.spec().target();
        let overlaps =
            |other: &PlannedFault| other.spec.spec().target() == target && new.at < other.end() && other.at < new.end();
        if planned.iter().any(overlaps) {
            return refuse("at", format!("overlaps an earlier fault {}. Change at or for.", target.in_words()));
        }
        let proxy = |fault: &PlannedFault| match &fault.spec {
            FaultSpec::Link(link) => link.spec().proxy().cloned(),
            FaultSpec::Load(_) | FaultSpec::Kept(_) => None,
        };
        if let Some(own) = proxy(&new)
            && let Some(other) =
                planned.iter().filter_map(proxy).find(|other| other.listen == own.listen && *other != own)
        {
            return refuse("to", format!("must be \"{}\", as an earlier fault on {} has it", other.to, own.listen));
        }
        let context = CheckContext {
            lasts: new.end().since(new.at),
            rate,
            has_testbed: matches!(system, System::Testbed(_)),
            has_engine: system.engine().is_some(),
        };
        new.spec.check(&context).map_err(invalid)?;
        planned.push(new);
    }
    Ok(planned)
}

/// Refuses a `for` that has no effect. Results of earlier versions may have one.
pub fn refuse_durations(faults: &[PlannedFault]) -> Result<(), InvalidSetting> {
    let ends_by_itself = |fault: &PlannedFault| fault.lasts.is_some() && fault.spec.spec().ends_within().is_some();
    let Some(i) = faults.iter().position(ends_by_itself) else { return Ok(()) };
    let kind = faults[i].spec.kind();
    let why = format!(
        "a {kind} fault has no length: the container is started again at once, and the fault lasts until it is back. \
         Leave it out, or use kind = \"stop\" for a container that stays down for a time"
    );
    Err(InvalidSetting::new(format!("fault.{i}.for"), why))
}

/// The outage that the faults cause.
pub fn find_outage(faults: &[PlannedFault]) -> Outage {
    Outage {
        longest: faults.iter().filter_map(|fault| fault.lasts).max().unwrap_or(Time::ZERO),
        end: faults.iter().map(PlannedFault::end).max(),
    }
}
