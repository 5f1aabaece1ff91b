//! Events of one container. Two sources report the same change: the engine's events, and inspections of the container. Each
//! end, each start and each OOM kill must become exactly one event of the run, whichever source reports it first.

use tokio::sync::mpsc::UnboundedSender;

use crate::docker::ContainerEventKind;
use crate::record::event::ComponentState;
use crate::record::{Clock, Event, EventKind};
use crate::units::{Instant, Time};

/// Reports of the engine and of the kernel within this time are about the same OOM kill.
const SAME_OOM_KILL: Time = Time::from_secs(2);
/// The detail of a change that no engine event reported.
const WITHOUT_ENGINE_EVENT: &str = "found by a check: the engine did not report it";

/// Sends the events of one container.
pub(super) struct ComponentEvents {
    component: String,
    clock: Clock,
    events: UnboundedSender<Event>,
    /// OOM kills in the control group, as the kernel counts them.
    oom_kills: u64,
    /// When the last OOM kill was reported.
    last_oom_kill: Option<Instant>,
    /// Start time of the container, as far as events have been sent. `None` after the event of its end. Empty if the
    /// start time is unknown.
    started_at: Option<String>,
    /// An inspection found a change that no engine event has reported yet. The next inspection confirms it.
    pub(super) needs_confirmation: bool,
}

impl ComponentEvents {
    /// For a container that was started at `started_at`, with `oom_kills` OOM kills so far.
    pub(super) fn new(
        component: String,
        clock: Clock,
        events: UnboundedSender<Event>,
        oom_kills: u64,
        started_at: Option<String>,
    ) -> ComponentEvents {
        ComponentEvents {
            component,
            clock,
            events,
            oom_kills,
            last_oom_kill: None,
            started_at,
            needs_confirmation: false,
        }
    }

    /// Handles an event of the engine. `started_at` is the start time of the container if it runs after the event.
    pub(super) fn on_engine_event(&mut self, event: ContainerEventKind, started_at: Option<String>) {
        match event {
            ContainerEventKind::OutOfMemory => self.send_oom_kill(),
            ContainerEventKind::Died { exit_code } => {
                let detail = match exit_code {
                    Some(137) => "exit code 137: killed".to_owned(),
                    Some(code) => format!("exit code {code}"),
                    None => String::new(),
                };
                self.send_end(&detail);
            }
            // Without a start time, the container has already ended again. The event of that end follows.
            ContainerEventKind::Started => self.send_start(started_at.unwrap_or_default(), ""),
            // The engine reports the end and the start of a user's restart too.
            ContainerEventKind::Restarted => {}
        }
    }

    /// Handles an inspection. A change is reported only if a second inspection confirms it, because an event of the engine
    /// may arrive in between, and contains more detail.
    pub(super) fn on_inspection(&mut self, started_at: Option<String>) {
        let is_change = started_at != self.started_at;
        if !is_change || !self.needs_confirmation {
            self.needs_confirmation = is_change;
            return;
        }
        self.needs_confirmation = false;
        match started_at {
            Some(started_at) => self.send_start(started_at, WITHOUT_ENGINE_EVENT),
            None => self.send_end(WITHOUT_ENGINE_EVENT),
        }
    }

    /// Handles the kernel's count of OOM kills, in case the engine reports one late or not at all.
    pub(super) fn on_oom_kill_count(&mut self, oom_kills: Option<u64>) {
        let Some(oom_kills) = oom_kills else { return };
        if oom_kills > self.oom_kills {
            self.send_oom_kill();
        }
        self.oom_kills = oom_kills;
    }

    fn send_start(&mut self, started_at: String, detail: &str) {
        // An inspection has reported this start already.
        if self.started_at.as_ref() == Some(&started_at) {
            return;
        }
        // This start has been reported without its start time.
        if self.started_at.as_deref() == Some("") {
            self.started_at = Some(started_at);
            return;
        }
        self.send_end(WITHOUT_ENGINE_EVENT);
        self.started_at = Some(started_at);
        self.send(ComponentState::Restarted, detail.to_owned());
    }

    /// Does nothing if the end has been reported.
    fn send_end(&mut self, detail: &str) {
        if self.started_at.take().is_some() {
            // The next control group counts from zero.
            self.oom_kills = 0;
            self.send(ComponentState::Died, detail.to_owned());
        }
    }

    fn send_oom_kill(&mut self) {
        let now = self.clock.now();
        if self.last_oom_kill.is_none_or(|at| now.since(at) > SAME_OOM_KILL) {
            self.send(ComponentState::OutOfMemory, "the kernel killed a process in it".to_owned());
        }
        self.last_oom_kill = Some(now);
    }

    fn send(&self, state: ComponentState, detail: String) {
        let what = EventKind::Component { component: self.component.clone(), state, detail };
        // At the end of a run, there is no receiver.
        let _ = self.events.send(Event { at: self.clock.now(), what });
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    /// The events of a container that was started at 1.
    fn component_events() -> (ComponentEvents, UnboundedReceiver<Event>) {
        let (events, sent) = unbounded_channel();
        let clock = Clock::starting_in(Time::ZERO);
        (ComponentEvents::new("db".into(), clock, events, 0, started_at(1)), sent)
    }

    fn started_at(start: u32) -> Option<String> {
        Some(start.to_string())
    }

    /// The states of all events that were sent, marked if no engine event reported them.
    fn states(sent: &mut UnboundedReceiver<Event>) -> Vec<String> {
        std::iter::from_fn(|| sent.try_recv().ok())
            .map(|event| match event.what {
                EventKind::Component { state, detail, .. } if detail == WITHOUT_ENGINE_EVENT => {
                    format!("{state:?} found by a check")
                }
                EventKind::Component { state, .. } => format!("{state:?}"),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    const DIED: ContainerEventKind = ContainerEventKind::Died { exit_code: Some(1) };

    #[test]
    fn inspections_do_not_repeat_what_engine_events_report() {
        let (mut db, mut sent) = component_events();
        db.on_inspection(started_at(1));
        // The first inspection may come before the event.
        db.on_inspection(None);
        db.on_engine_event(DIED, None);
        [None, None, started_at(2)].into_iter().for_each(|start| db.on_inspection(start));
        db.on_engine_event(ContainerEventKind::Started, started_at(2));
        [started_at(2), started_at(2)].into_iter().for_each(|start| db.on_inspection(start));
        assert_eq!(states(&mut sent), ["Died", "Restarted"]);
    }

    #[test]
    fn a_second_inspection_reports_a_change_and_a_late_engine_event_does_not_repeat_it() {
        let (mut db, mut sent) = component_events();
        db.on_inspection(None);
        assert!(db.needs_confirmation && states(&mut sent).is_empty());
        db.on_inspection(None);
        assert_eq!(states(&mut sent), ["Died found by a check"]);
        db.on_engine_event(DIED, None);
        [started_at(2), started_at(2)].into_iter().for_each(|start| db.on_inspection(start));
        assert_eq!(states(&mut sent), ["Restarted found by a check"]);
        db.on_engine_event(ContainerEventKind::Started, started_at(2));
        // An end and a start between two inspections, while the engine sent no events.
        [started_at(3), started_at(3)].into_iter().for_each(|start| db.on_inspection(start));
        assert_eq!(states(&mut sent), ["Died found by a check", "Restarted found by a check"]);
        assert!(!db.needs_confirmation);
    }

    #[test]
    fn a_start_with_an_unknown_start_time_is_reported_once() {
        let (mut db, mut sent) = component_events();
        db.on_engine_event(DIED, None);
        // The engine did not answer the inspection.
        db.on_engine_event(ContainerEventKind::Started, None);
        [started_at(2), started_at(2)].into_iter().for_each(|start| db.on_inspection(start));
        assert_eq!(states(&mut sent), ["Died", "Restarted"]);
    }

    #[test]
    fn each_end_of_a_container_that_dies_repeatedly_is_reported() {
        let (mut db, mut sent) = component_events();
        for start in 2..5 {
            db.on_engine_event(DIED, started_at(start));
            // At the inspection, the container has ended again, or has started once more.
            db.on_engine_event(ContainerEventKind::Started, [None, started_at(start)][start as usize % 2].clone());
        }
        assert_eq!(states(&mut sent), ["Died", "Restarted"].repeat(3));
    }
}
