//! The events of a run, in one place.

use crate::record::event::{ComponentState, GeneratorStats, RunEnd};
use crate::record::{Abort, Event, EventKind, FaultStep, RunOrigin};
use crate::units::{Instant, Time};

/// What the events of a run say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// Wall time of the clock's zero, RFC 3339; empty if the load never began.
    pub started: String,
    /// What made the results.
    pub origin: RunOrigin,
    /// When the baseline was judged invalid, and why; `None` if it was valid, or not judged.
    pub refused: Option<(Instant, String)>,
    /// In the order of the plan.
    pub faults: Vec<FaultHistory>,
    /// Components that died and did not restart.
    pub dead: Vec<String>,
    pub generator: GeneratorStats,
    /// When the process of the run had stood still, and for how long.
    pub stalls: Vec<(Instant, Time)>,
    /// The attempts that the run recorded; `None` if it was killed, or an earlier version wrote the events.
    pub recorded: Option<u64>,
    /// How the run ended, and the detail; `None` if it was killed.
    pub ending: Option<(RunEnd, String)>,
    /// The condition that ended the run early, if one did.
    pub abort: Option<Abort>,
}

/// One fault, as it was observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultHistory {
    /// When it was commanded.
    pub commanded: Option<Instant>,
    /// When it took effect.
    pub effective: Option<Instant>,
    /// When its removal was verified.
    pub removed: Option<Instant>,
    /// The detail of the last step that failed.
    pub failure: Option<String>,
    /// Warnings of its steps, and when they were given.
    pub warnings: Vec<(Instant, String)>,
}

impl Timeline {
    /// The timeline of a plan with `faults` faults. Events may come in any order.
    pub fn of(events: &[Event], faults: usize) -> Timeline {
        let mut events: Vec<&Event> = events.iter().collect();
        events.sort_by_key(|event| event.at);
        let mut timeline = Timeline { faults: vec![FaultHistory::default(); faults], ..Timeline::default() };
        events.into_iter().for_each(|event| timeline.add(event));
        timeline
    }

    fn add(&mut self, event: &Event) {
        let at = event.at;
        match &event.what {
            EventKind::Started { wall, origin } => {
                self.started = wall.clone();
                self.origin = origin.clone();
            }
            EventKind::Fault { fault, step, detail, warnings, .. } => {
                let Some(history) = self.faults.get_mut(*fault) else { return };
                history.warnings.extend(warnings.iter().map(|warning| (at, warning.clone())));
                match step {
                    FaultStep::Commanded => history.commanded = history.commanded.or(Some(at)),
                    FaultStep::Effective => history.effective = history.effective.or(Some(at)),
                    FaultStep::RemovalVerified if history.effective.is_some() => history.removed = Some(at),
                    FaultStep::Failed => history.failure = Some(detail.clone()),
                    FaultStep::RemovalCommanded | FaultStep::RemovalVerified => {}
                }
            }
            EventKind::Component { component, state, .. } => match state {
                ComponentState::Died if !self.dead.contains(component) => self.dead.push(component.clone()),
                ComponentState::Restarted => self.dead.retain(|dead| dead != component),
                ComponentState::Died | ComponentState::OutOfMemory => {}
            },
            EventKind::Baseline { valid: false, detail } => self.refused = Some((at, detail.clone())),
            EventKind::Baseline { valid: true, .. } | EventKind::Warning { .. } => {}
            EventKind::Stall { lasted_ns } => self.stalls.push((at, Time(*lasted_ns))),
            EventKind::Generator(generator) => self.generator = generator.clone(),
            EventKind::Recorded { rows } => self.recorded = Some(*rows),
            EventKind::Ended { how, detail, abort } => {
                self.ending = Some((*how, detail.clone()));
                self.abort = abort.clone();
            }
        }
    }

    /// When the first fault was commanded. From then on it may kill requests, which is some time before its effect is
    /// seen.
    pub fn tc(&self) -> Option<Instant> {
        self.faults.iter().filter_map(|fault| fault.commanded.or(fault.effective)).min()
    }

    /// The end of the baseline: tc, or the instant at which the run ended because its baseline was not valid.
    pub fn baseline_end(&self) -> Option<Instant> {
        self.tc().or(self.refused.as_ref().map(|(at, _)| *at))
    }

    /// The run ended before a fault was commanded, because its baseline was not valid: the judgement's detail.
    pub fn ended_by_baseline(&self) -> Option<&str> {
        self.refused.as_ref().filter(|_| self.tc().is_none()).map(|(_, detail)| detail.as_str())
    }

    /// When the first fault took effect.
    pub fn t0(&self) -> Option<Instant> {
        self.faults.iter().filter_map(|fault| fault.effective).min()
    }

    /// When the removal of the last fault was verified; `None` until all are removed.
    pub fn t1(&self) -> Option<Instant> {
        let removed: Option<Vec<Instant>> = self.faults.iter().map(|fault| fault.removed).collect();
        removed?.into_iter().max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_all_steps_of_a_fault_are_collected() {
        let event = |at_ns, step, warnings: &[&str]| Event {
            at: Instant(at_ns),
            what: EventKind::Fault {
                fault: 0,
                kind: "kill".into(),
                step,
                detail: "names as before".into(),
                warnings: warnings.iter().map(ToString::to_string).collect(),
            },
        };
        let events =
            [event(1, FaultStep::Effective, &[]), event(2, FaultStep::RemovalVerified, &["a; and so on", "b"])];
        let history = Timeline::of(&events, 1).faults.remove(0);
        assert_eq!(history.warnings, [(Instant(2), "a; and so on".to_owned()), (Instant(2), "b".to_owned())]);
        assert_eq!((history.removed, history.failure), (Some(Instant(2)), None));
    }
}
