//! The certificate: whether one system has two states at one load.
//!
//! `certify` observes three windows at the same rate: before the fault (W1), stuck after it (W2), and after the load
//! was shed until the backlog was gone (W3). If the system is healthy, broken and healthy again, and nothing but the
//! load was changed in between, it is bistable: Bronson et al., "Metastable Failures in Distributed Systems", HotOS
//! 2021.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::interval::{Confidence, Interval};
use super::wilson::Proportion;
use crate::units::Time;
use crate::verdict::{BROKEN, HEALTHY, MIN_BASELINE};

/// The confidence of the bounds that decide.
pub const CERTIFICATE_CONFIDENCE: Confidence = Confidence::P95;

/// A system that was healthy for this long after the shed was not broken for good. A system that lacks capacity looks
/// healthy until its queue has grown to the SLO, which takes about a second.
const BROKEN_AGAIN: Time = Time::from_secs(3);

/// What `certify` observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CertifyWindows {
    /// W1: before the fault. Its goodput is g0.
    pub baseline: Window,
    /// W2: after the fault was removed.
    pub stuck: Window,
    /// W3: `None` if the load was never shed, for example because the system recovered.
    pub after_shed: Option<ShedWindow>,
    /// Whether a restart between W1 and W2 is a cure. It is not if the fault itself ends processes, or if the fault did
    /// not affect the system.
    pub restart_cures: bool,
}

/// One window: its goodput, and which system gave it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// The requests that were due in the window, and how many of them were answered well and within the SLO.
    pub requests: Proportion,
    /// Observed at the end of the window, so that restarts in the window count as changes since the window before.
    pub identity: SystemIdentity,
}

/// The window after the shed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShedWindow {
    pub window: Window,
    /// Whether the backlog was at the baseline's level before the load came back.
    pub drained: bool,
    /// How long the system was healthy, from the start of the load after the shed on, in ns.
    pub healthy_ns: u64,
}

/// What makes a system the same one: its plan and its processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemIdentity {
    /// The hash of the plan that configured the system.
    pub plan_hash: String,
    /// The process of each component, by the component's name.
    pub processes: BTreeMap<String, ProcessIdentity>,
}

/// What makes a process the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    pub process_id: u32,
    /// When the process started, as its system says it: clock ticks since boot, or a container's start time. It is only
    /// compared.
    pub started: String,
    /// How often the container engine has restarted it. 0 for a process without a container.
    pub restarts: u64,
}

impl SystemIdentity {
    /// The components whose process is not the one of `earlier`: restarted, gone or new.
    pub fn restarted_since(&self, earlier: &SystemIdentity) -> Vec<String> {
        let names = earlier.processes.keys().chain(self.processes.keys());
        let mut restarted: Vec<String> =
            names.filter(|name| self.processes.get(*name) != earlier.processes.get(*name)).cloned().collect();
        restarted.sort();
        restarted.dedup();
        restarted
    }
}

/// What the three windows prove.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certificate {
    /// Healthy, stuck, and healthy again at the same rate, with the same processes.
    Bistable,
    /// The system was healthy after the fault: there was no second state.
    NotStuck,
    /// Shedding all load did not help.
    Permanent,
    /// It was healthy again, but these components had been restarted after the fault.
    CuredByRestart { components: Vec<String> },
    /// The windows prove none of these.
    Inconclusive(InconclusiveReason),
}

/// Why three windows prove nothing. Goodputs are shares of all requests, from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum InconclusiveReason {
    #[error("the plan changed between the windows. Keep the plan and the system's settings as they are")]
    PlanChanged,
    #[error(
        "the system was not healthy before the fault: goodput {:.1} %, less than {:.0} %. Lower the rate",
        100.0 * goodput, 100.0 * MIN_BASELINE
    )]
    UnhealthyBaseline { goodput: f64 },
    #[error("too few requests were due in {window} to judge it ({requests}). Make the window longer")]
    TooFewRequests { window: WindowName, requests: u64 },
    #[error("goodput in {window} was between healthy and broken ({})", percent(interval))]
    Between { window: WindowName, interval: Interval },
    #[error(
        "restarted before the end of W2, so that the two states are not those of one system: {}",
        components.join(", ")
    )]
    RestartedWhileStuck { components: Vec<String> },
    #[error("there was no time without load while the system was stuck")]
    NotShed,
    #[error(
        "the system was still broken after the time without load, but its backlog had not drained. Use a longer --shed"
    )]
    NotDrained,
    #[error(
        "the system was healthy for {:.0} s after the time without load, and then broken again without a fault. Either \
         it can carry this load only for so long, or something tipped it, such as another program that uses the CPUs. \
         Repeat this on an idle machine, or lower the rate",
        *healthy_ns as f64 / 1e9
    )]
    BrokenAgain { healthy_ns: u64 },
}

/// The name of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowName {
    Baseline,
    Stuck,
    AfterShed,
}

impl std::fmt::Display for WindowName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            WindowName::Baseline => "W1 (before the fault)",
            WindowName::Stuck => "W2 (after the fault)",
            WindowName::AfterShed => "W3 (after the time without load)",
        })
    }
}

fn percent(interval: &Interval) -> String {
    format!("{:.1}..{:.1} %", 100.0 * interval.low, 100.0 * interval.high)
}

/// How a window compares with the baseline's goodput g0.
#[derive(Clone, Debug, PartialEq)]
enum WindowState {
    /// At least 0.9 g0, by the lower bound.
    Healthy,
    /// At most 0.5 g0, by the upper bound.
    Broken,
    /// Neither.
    Unclear(InconclusiveReason),
}

impl Window {
    /// The goodput's interval, whose bounds decide.
    pub fn interval(&self) -> Interval {
        self.requests.interval(CERTIFICATE_CONFIDENCE)
    }

    fn state(&self, window: WindowName, g0: f64) -> WindowState {
        let interval = self.interval();
        let (share, healthy, broken) = (self.requests.share(), HEALTHY * g0, BROKEN * g0);
        if interval.low >= healthy {
            WindowState::Healthy
        } else if interval.high <= broken {
            WindowState::Broken
        } else if share >= healthy || share <= broken {
            // More requests would decide.
            let requests = self.requests.trials();
            WindowState::Unclear(InconclusiveReason::TooFewRequests { window, requests })
        } else {
            WindowState::Unclear(InconclusiveReason::Between { window, interval })
        }
    }
}

impl CertifyWindows {
    /// Judges the windows. Both bounds of Wilson's two-sided interval at [`CERTIFICATE_CONFIDENCE`] are used, so that
    /// the intervals that are shown are those that decide. g0 counts as known exactly.
    pub fn judge(&self) -> Certificate {
        self.try_judge().unwrap_or_else(Certificate::Inconclusive)
    }

    fn try_judge(&self) -> Result<Certificate, InconclusiveReason> {
        let (baseline, stuck) = (&self.baseline, &self.stuck);
        let g0 = baseline.requests.share();
        if self.later_windows().any(|window| window.identity.plan_hash != baseline.identity.plan_hash) {
            return Err(InconclusiveReason::PlanChanged);
        }
        if baseline.requests.trials() == 0 {
            return Err(InconclusiveReason::TooFewRequests { window: WindowName::Baseline, requests: 0 });
        }
        if g0 < MIN_BASELINE {
            return Err(InconclusiveReason::UnhealthyBaseline { goodput: g0 });
        }
        if let WindowState::Unclear(reason) = baseline.state(WindowName::Baseline, g0) {
            return Err(reason);
        }
        let restarted = stuck.identity.restarted_since(&baseline.identity);
        match stuck.state(WindowName::Stuck, g0) {
            WindowState::Healthy if restarted.is_empty() || !self.restart_cures => return Ok(Certificate::NotStuck),
            WindowState::Healthy => return Ok(Certificate::CuredByRestart { components: restarted }),
            WindowState::Unclear(reason) => return Err(reason),
            WindowState::Broken => {}
        }
        let Some(ShedWindow { window: after, drained, healthy_ns }) = &self.after_shed else {
            return Err(InconclusiveReason::NotShed);
        };
        match after.state(WindowName::AfterShed, g0) {
            WindowState::Broken if Time(*healthy_ns) >= BROKEN_AGAIN => {
                return Err(InconclusiveReason::BrokenAgain { healthy_ns: *healthy_ns });
            }
            WindowState::Broken if *drained => return Ok(Certificate::Permanent),
            WindowState::Broken => return Err(InconclusiveReason::NotDrained),
            WindowState::Unclear(reason) => return Err(reason),
            WindowState::Healthy => {}
        }
        let cured_by = after.identity.restarted_since(&stuck.identity);
        if !cured_by.is_empty() {
            return Ok(Certificate::CuredByRestart { components: cured_by });
        }
        if !restarted.is_empty() {
            return Err(InconclusiveReason::RestartedWhileStuck { components: restarted });
        }
        Ok(Certificate::Bistable)
    }

    fn later_windows(&self) -> impl Iterator<Item = &Window> {
        std::iter::once(&self.stuck).chain(self.after_shed.as_ref().map(|shed| &shed.window))
    }
}

#[cfg(test)]
mod tests;
