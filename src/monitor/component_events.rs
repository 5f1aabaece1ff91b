//! Events of one container. Two sources report the same change: the engine's events, and inspections of the container. Each
//! end, each start and each OOM kill must become exactly one event of the run, whichever source reports it first.

use tokio::sync::mpsc::UnboundedSender;

use crate::docker::{ContainerEvent, ContainerEventKind};
use crate::record::event::ComponentState;
use crate::record::{Clock, Event, EventKind};
use crate::units::{Instant, Time};

/// Reports of the engine and of the kernel within this time are about the same OOM kill.
const SAME_OOM_KILL: Time = Time::from_secs(2);
/// An event that seems to be older than this comes from a clock that was set.
const LATEST: Time = Time::from_secs(60);
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

    /// When an event that has just arrived happened: by the engine's clock if that is this machine's.
    pub(super) fn instant_of(&self, event: &ContainerEvent, is_local: bool) -> Instant {
        let ago = jiff::Timestamp::now().as_nanosecond() - i128::from(event.wall_ns);
        let ago = u64::try_from(ago).ok().map(Time).filter(|ago| is_local && *ago < LATEST);
        self.clock.now().minus(ago.unwrap_or(Time::ZERO))
    }

    /// Handles an event of the engine, which happened `at` this instant. `started_at` is the start time of the container if it runs after the event.
    pub(super) fn on_engine_event(&mut self, at: Instant, event: ContainerEventKind, started_at: Option<String>) {
        match event {
            ContainerEventKind::OutOfMemory => self.send_oom_kill(at),
            ContainerEventKind::Died { exit_code } => {
                let detail = match exit_code {
                    Some(137) => "exit code 137: killed".to_owned(),
                    Some(code) => format!("exit code {code}"),
                    None => String::new(),
                };
                self.send_end(at, &detail);
            }
            // Without a start time, the container has already ended again. The event of that end follows.
            ContainerEventKind::Started => self.send_start(at, started_at.unwrap_or_default(), ""),
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
        let now = self.clock.now();
        match started_at {
            Some(started_at) => self.send_start(now, started_at, WITHOUT_ENGINE_EVENT),
            None => self.send_end(now, WITHOUT_ENGINE_EVENT),
        }
    }

    /// Handles the kernel's count of OOM kills, in case the engine reports one late or not at all.
    pub(super) fn on_oom_kill_count(&mut self, oom_kills: Option<u64>) {
        let Some(oom_kills) = oom_kills else { return };
        if oom_kills > self.oom_kills {
            self.send_oom_kill(self.clock.now());
        }
        self.oom_kills = oom_kills;
    }

    fn send_start(&mut self, at: Instant, started_at: String, detail: &str) {
        // An inspection has reported this start already.
        if self.started_at.as_ref() == Some(&started_at) {
            return;
        }
        // This start has been reported without its start time.
        if self.started_at.as_deref() == Some("") {
            self.started_at = Some(started_at);
            return;
        }
        self.send_end(at, WITHOUT_ENGINE_EVENT);
        self.started_at = Some(started_at);
        self.send(at, ComponentState::Restarted, detail.to_owned());
    }

    /// Does nothing if the end has been reported.
    fn send_end(&mut self, at: Instant, detail: &str) {
        if self.started_at.take().is_some() {
            // The next control group counts from zero.
            self.oom_kills = 0;
            self.send(at, ComponentState::Died, detail.to_owned());
        }
    }

    fn send_oom_kill(&mut self, at: Instant) {
        if self.last_oom_kill.is_none_or(|last| at.since(last) > SAME_OOM_KILL) {
            self.send(at, ComponentState::OutOfMemory, "the kernel killed a process in it".to_owned());
        }
        self.last_oom_kill = self.last_oom_kill.max(Some(at));
    }

    fn send(&self, at: Instant, state: ComponentState, detail: String) {
        let what = EventKind::Component { component: self.component.clone(), state, detail };
        // At the end of a run, there is no receiver.
        let _ = self.events.send(Event { at, what });
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
    fn an_event_happened_when_a_local_engine_says_so() {
        let (events, _sent) = unbounded_channel();
        let clock = Clock::starting_in(Time::ZERO);
        std::thread::sleep(std::time::Duration::from_millis(50));
        let db = ComponentEvents::new("db".into(), clock, events, 0, started_at(1));
        // How long ago it happened, less the time that this takes.
        let before = |ago_ms: i64, is_local| {
            let asked = std::time::Instant::now();
            let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap();
            let (id, name) = ("f00".to_owned(), "db".to_owned());
            let event = ContainerEvent { id, name, what: DIED, wall_ns: now - ago_ms * 1_000_000 };
            let at = db.instant_of(&event, is_local);
            clock.now().since(at).std().saturating_sub(asked.elapsed()).as_millis()
        };
        assert!((29..=30).contains(&before(30, true)), "{}", before(30, true));
        for (ago_ms, is_local) in [(30, false), (-5000, true), (3_600_000, true)] {
            assert_eq!(before(ago_ms, is_local), 0, "{ago_ms} ms ago, local: {is_local}");
        }
    }

    #[test]
    fn inspections_do_not_repeat_what_engine_events_report() {
        let (mut db, mut sent) = component_events();
        db.on_inspection(started_at(1));
        // The first inspection may come before the event.
        db.on_inspection(None);
        db.on_engine_event(Instant::START, DIED, None);
        [None, None, started_at(2)].into_iter().for_each(|start| db.on_inspection(start));
        db.on_engine_event(Instant::START, ContainerEventKind::Started, started_at(2));
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
        db.on_engine_event(Instant::START, DIED, None);
        [started_at(2), started_at(2)].into_iter().for_each(|start| db.on_inspection(start));
        assert_eq!(states(&mut sent), ["Restarted found by a check"]);
        db.on_engine_event(Instant::START, ContainerEventKind::Started, started_at(2));
        // An end and a start between two inspections, while the engine sent no events.
        [started_at(3), started_at(3)].into_iter().for_each(|start| db.on_inspection(start));
        assert_eq!(states(&mut sent), ["Died found by a check", "Restarted found by a check"]);
        assert!(!db.needs_confirmation);
    }

    #[test]
    fn a_start_with_an_unknown_start_time_is_reported_once() {
        let (mut db, mut sent) = component_events();
        db.on_engine_event(Instant::START, DIED, None);
        // The engine did not answer the inspection.
        db.on_engine_event(Instant::START, ContainerEventKind::Started, None);
        [started_at(2), started_at(2)].into_iter().for_each(|start| db.on_inspection(start));
        assert_eq!(states(&mut sent), ["Died", "Restarted"]);
    }

    #[test]
    fn each_end_of_a_container_that_dies_repeatedly_is_reported() {
        let (mut db, mut sent) = component_events();
        for start in 2..5 {
            db.on_engine_event(Instant::START, DIED, started_at(start));
            // At the inspection, the container has ended again, or has started once more.
            db.on_engine_event(
                Instant::START,
                ContainerEventKind::Started,
                [None, started_at(start)][start as usize % 2].clone(),
            );
        }
        assert_eq!(states(&mut sent), ["Died", "Restarted"].repeat(3));
    }
}
