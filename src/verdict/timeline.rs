use crate::record::event::{ComponentState, Ending, Generator};
use crate::record::{Event, EventKind, Step};

/// What the events of a run say, in one place. Instants are ns on the run's clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// Wall time of the clock's zero, RFC 3339; empty if the load never began.
    pub started: String,
    /// By place in the plan.
    pub faults: Vec<FaultLife>,
    /// Components that died and did not come back.
    pub dead: Vec<String>,
    pub generator: Generator,
    /// `None` for a run that was killed.
    pub ending: Option<(Ending, String)>,
}

/// One fault, as it was observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultLife {
    pub effective: Option<u64>,
    pub removed: Option<u64>,
    /// What the last failed step said.
    pub failure: Option<String>,
    /// What its steps said that is no failure, and yet worth knowing, and when.
    pub warnings: Vec<(u64, String)>,
}

impl Timeline {
    /// Of a plan with so many `faults`. Events may come in any order.
    pub fn of(events: &[Event], faults: usize) -> Timeline {
        let mut events: Vec<&Event> = events.iter().collect();
        events.sort_by_key(|event| event.at.0);
        let mut all = Timeline { faults: vec![FaultLife::default(); faults], ..Timeline::default() };
        events.into_iter().for_each(|event| all.take(event));
        all
    }

    fn take(&mut self, event: &Event) {
        match &event.what {
            EventKind::Started { wall, .. } => self.started = wall.clone(),
            EventKind::Fault { fault, step, detail, warnings, .. } => {
                let Some(life) = self.faults.get_mut(*fault) else { return };
                life.warnings.extend(warnings.iter().map(|warning| (event.at.0, warning.clone())));
                match step {
                    Step::Effective => life.effective = life.effective.or(Some(event.at.0)),
                    Step::RemovalVerified if life.effective.is_some() => life.removed = Some(event.at.0),
                    Step::Failed => life.failure = Some(detail.clone()),
                    Step::Commanded | Step::RemovalCommanded | Step::RemovalVerified => {}
                }
            }
            EventKind::Component { component, state, .. } => match state {
                ComponentState::Died if !self.dead.contains(component) => self.dead.push(component.clone()),
                ComponentState::Restarted => self.dead.retain(|dead| dead != component),
                ComponentState::Died | ComponentState::OutOfMemory => {}
            },
            EventKind::Generator(generator) => self.generator = generator.clone(),
            EventKind::Ended { how, detail } => self.ending = Some((*how, detail.clone())),
        }
    }

    /// When the first fault took effect.
    pub fn t0(&self) -> Option<u64> {
        self.faults.iter().filter_map(|fault| fault.effective).min()
    }

    /// When the removal of the last fault was verified; `None` for as long as one is still to come.
    pub fn t1(&self) -> Option<u64> {
        let removed: Option<Vec<u64>> = self.faults.iter().map(|fault| fault.removed).collect();
        removed?.into_iter().max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Instant;

    #[test]
    fn warnings_of_a_fault_s_steps_are_kept() {
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
        let events = [event(1, Step::Effective, &[]), event(2, Step::RemovalVerified, &["a; and so on", "b"])];
        let life = Timeline::of(&events, 1).faults.remove(0);
        assert_eq!(life.warnings, [(2, "a; and so on".to_owned()), (2, "b".to_owned())]);
        assert_eq!((life.removed, life.failure), (Some(2), None));
    }
}
