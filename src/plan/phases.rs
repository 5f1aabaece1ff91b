//! The phases of a plan, and the SLO.

use super::error::InvalidSetting;
use super::settings::{Phases, VerdictSettings};
use super::windows::VerdictWindows;
use crate::units::{Instant, Time};

/// The lengths of an experiment's phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedPhases {
    /// Requests due in the warm-up are not judged.
    pub warmup: Time,
    pub baseline: Time,
    /// H: the time that the system has to recover after the faults.
    pub observe: Time,
    /// The length of the whole load. The run ends earlier once the observation is over.
    pub duration: Time,
}

/// What the length of the load depends on.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// The length of the longest fault; zero without faults.
    pub longest: Time,
    /// The end of the last fault, if there is one.
    pub end: Option<Instant>,
}

/// No phase and no load may be longer.
pub const DAY: Time = Time::from_secs(24 * 3600);
/// Verifying the removal of a fault may take this long without shortening the observation.
pub const VERIFICATION: Time = Time::from_secs(5);
/// Where the load must be short, verifying the removal has this long.
pub const MIN_VERIFICATION: Time = Time::from_secs(1);
/// A system that was stuck for less may only be slow to recover.
const MIN_STUCK: Time = Time::from_secs(10);
const MAX_SLO_SETTING: Time = Time::from_secs(3600);

/// Refuses phases that are not possible, independently of the faults.
pub fn check_phases(phases: &Phases, windows: VerdictWindows, rate: f64) -> Result<(), InvalidSetting> {
    let baseline = find_baseline(phases, windows);
    for (key, time) in [("phases.warmup", phases.warmup), ("phases.baseline", baseline)] {
        if time > DAY {
            return Err(InvalidSetting::new(key, format!("must be at most 24h, not {time}")));
        }
    }
    if baseline < windows.min_baseline {
        // Rounded up to ms, which are easier to type than ns.
        let min = Time(windows.min_baseline.0.next_multiple_of(1_000_000));
        let why = format!("must be at least {min} at {rate} requests/s: it must hold 5 bins of 50 requests or 1s each");
        return Err(InvalidSetting::new("phases.baseline", why));
    }
    if phases.observe.is_some_and(|observe| observe < windows.last || observe > DAY) {
        let why = format!("must be between {} and 24h", windows.last);
        return Err(InvalidSetting::new("phases.observe", why));
    }
    Ok(())
}

/// The baseline of the plan. The default is as long as a baseline can be used: 10 s, or five bins.
pub fn find_baseline(phases: &Phases, windows: VerdictWindows) -> Time {
    phases.baseline.unwrap_or(windows.max_baseline)
}

/// # Errors
/// [`InvalidSetting`] for an SLO that is not possible.
pub fn resolve_slo(verdict: &VerdictSettings) -> Result<Option<Time>, InvalidSetting> {
    match verdict.slo {
        Some(slo) if slo == Time::ZERO || slo > MAX_SLO_SETTING => {
            Err(InvalidSetting::new("verdict.slo", format!("must be above 0 and at most 1h, not {slo}")))
        }
        slo => Ok(slo),
    }
}

/// # Errors
/// [`InvalidSetting`] for a time in which nothing can be seen.
pub fn resolve_early(verdict: &VerdictSettings) -> Result<Option<Time>, InvalidSetting> {
    match verdict.early {
        Some(stuck) if stuck < MIN_STUCK || stuck > DAY => {
            Err(InvalidSetting::new("verdict.early", format!("must be between {MIN_STUCK} and 24h, not {stuck}")))
        }
        early => Ok(early),
    }
}

impl PlannedPhases {
    /// Fills in the times that the file leaves out.
    ///
    /// H = max(60 s, 3 x outage, 20 x the timeout after which the client abandons an attempt). The load lasts until a
    /// system that recovers at the end of H is known to have recovered: recovery window, watch, and a bin. If only the
    /// duration is set, H is the time that remains, and the shortest one if nothing remains: then a late recovery is
    /// watched for less time.
    ///
    /// # Errors
    /// [`InvalidSetting`] if the duration is too short for the faults and the windows.
    pub fn resolve(
        phases: &Phases,
        windows: VerdictWindows,
        outage: Outage,
        abandons_after: Option<Time>,
    ) -> Result<PlannedPhases, InvalidSetting> {
        let &Phases { warmup, observe, duration, .. } = phases;
        let baseline = find_baseline(phases, windows);
        let timeout = abandons_after.unwrap_or(Time::ZERO);
        let default_observe = Time::from_secs(60).max(outage.longest.times(3)).max(timeout.times(20)).max(windows.last);
        let too_short = |why: String| Err(InvalidSetting::new("phases.duration", why));
        let Some(end) = outage.end else {
            let min = warmup.plus(windows.min_baseline);
            let observe = observe.unwrap_or(default_observe);
            let duration = duration.unwrap_or(warmup.plus(baseline).plus(observe));
            if duration < min {
                return too_short(format!("must be at least {min}, including the warm-up"));
            }
            return Ok(PlannedPhases { warmup, baseline, observe, duration });
        };
        let end = end.since(Instant::START);
        let around = end.plus(VERIFICATION).plus(windows.recovery).plus(windows.watch).plus(windows.bin);
        let min = end.plus(MIN_VERIFICATION).plus(observe.unwrap_or(windows.last));
        let (observe, duration) = match (duration, observe) {
            (Some(duration), _) if duration < min => {
                return too_short(format!(
                    "must be at least {min} to observe the recovery. Make it longer, or the fault shorter."
                ));
            }
            (Some(duration), observe) => (observe.unwrap_or(duration.minus(around).max(windows.last)), duration),
            (None, observe) => {
                let observe = observe.unwrap_or(default_observe);
                (observe, around.plus(observe))
            }
        };
        Ok(PlannedPhases { warmup, baseline, observe, duration })
    }

    /// The settings of these phases, as in an experiment file.
    pub fn to_settings(self) -> Phases {
        let PlannedPhases { warmup, baseline, observe, duration } = self;
        Phases { warmup, baseline: Some(baseline), observe: Some(observe), duration: Some(duration) }
    }
}
