//! What is told of a container: each end, each start and each want of memory once, whoever saw it.

use tokio::sync::mpsc::UnboundedSender;

use crate::docker::Happened;
use crate::record::event::ComponentState;
use crate::record::{Clock, Event, EventKind};
use crate::units::{Instant, Time};

/// An engine and the kernel tell of the same kill within this, in ns.
const SAME_KILL: Time = Time::from_secs(2);
/// An end, or a start, that no event told of.
const MISSED: &str = "seen by a look: the engine did not tell of it";

/// Tells of one container.
pub(super) struct Incidents {
    component: String,
    clock: Clock,
    events: UnboundedSender<Event>,
    /// Kills that the kernel has counted in the group.
    kills: u64,
    /// When running out of memory was last told.
    told_at: Option<Instant>,
    /// When the container was started, as far as was told; `None` if the last that was told was its end.
    run: Option<String>,
    /// A look saw what no event has told of, yet.
    pub(super) in_doubt: bool,
}

impl Incidents {
    /// Of a container that was started when `run` says.
    pub(super) fn new(
        component: String,
        clock: Clock,
        events: UnboundedSender<Event>,
        kills: u64,
        run: Option<String>,
    ) -> Incidents {
        Incidents { component, clock, events, kills, told_at: None, run, in_doubt: false }
    }

    /// What an event tells, and when the container was started that runs after it.
    pub(super) fn happened(&mut self, what: Happened, run: Option<String>) {
        match what {
            Happened::OutOfMemory => self.out_of_memory(),
            Happened::Died { exit_code } => {
                let detail = match exit_code {
                    Some(137) => "exit code 137: killed".to_owned(),
                    Some(code) => format!("exit code {code}"),
                    None => String::new(),
                };
                self.died(&detail);
            }
            // One that has ended again by now has an end to come that is worth telling.
            Happened::Started => self.started(run.unwrap_or_default(), ""),
            // A user's restart is told as an end and a start.
            Happened::Restarted => {}
        }
    }

    /// What a look sees. Where that is news it is told at the second look, since an event may be on its way, and says
    /// more.
    pub(super) fn seen(&mut self, run: Option<String>) {
        let is_news = run != self.run;
        if !is_news || !self.in_doubt {
            self.in_doubt = is_news;
            return;
        }
        self.in_doubt = false;
        match run {
            Some(run) => self.started(run, MISSED),
            None => self.died(MISSED),
        }
    }

    fn started(&mut self, run: String, detail: &str) {
        // A look was first.
        if self.run.as_ref() == Some(&run) {
            return;
        }
        // It was told already, when nobody could say since when.
        if self.run.as_deref() == Some("") {
            self.run = Some(run);
            return;
        }
        self.died(MISSED);
        self.run = Some(run);
        self.tell(ComponentState::Restarted, detail.to_owned());
    }

    /// Nothing new of one that is known to have ended.
    fn died(&mut self, detail: &str) {
        if self.run.take().is_some() {
            // The next group counts from zero.
            self.kills = 0;
            self.tell(ComponentState::Died, detail.to_owned());
        }
    }

    /// The kernel's count, which stands where the engine missed one, or tells late.
    pub(super) fn killed(&mut self, kills: Option<u64>) {
        let Some(kills) = kills else { return };
        if kills > self.kills {
            self.out_of_memory();
        }
        self.kills = kills;
    }

    fn out_of_memory(&mut self) {
        let now = self.clock.now();
        if self.told_at.is_none_or(|at| now.since(at) > SAME_KILL) {
            self.tell(ComponentState::OutOfMemory, "the kernel killed a process in it".to_owned());
        }
        self.told_at = Some(now);
    }

    fn tell(&self, state: ComponentState, detail: String) {
        let what = EventKind::Component { component: self.component.clone(), state, detail };
        // A run that is ending may not listen any more.
        let _ = self.events.send(Event { at: self.clock.now(), what });
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::units::Time;

    /// Of a container that was started at 1.
    fn incidents() -> (Incidents, UnboundedReceiver<Event>) {
        let (events, told) = unbounded_channel();
        (Incidents::new("db".into(), Clock::starting_in(Time::ZERO), events, 0, run(1)), told)
    }

    fn run(start: u32) -> Option<String> {
        Some(start.to_string())
    }

    /// All that was told: `Died 137`.
    fn told(told: &mut UnboundedReceiver<Event>) -> Vec<String> {
        std::iter::from_fn(|| told.try_recv().ok())
            .map(|event| match event.what {
                EventKind::Component { state, detail, .. } if detail == MISSED => format!("{state:?} missed"),
                EventKind::Component { state, .. } => format!("{state:?}"),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    const DIED: Happened = Happened::Died { exit_code: Some(1) };

    #[test]
    fn what_events_tell_no_look_tells_again() {
        let (mut db, mut heard) = incidents();
        db.seen(run(1));
        // A look may be sooner than the event.
        db.seen(None);
        db.happened(DIED, None);
        [None, None, run(2)].into_iter().for_each(|run| db.seen(run));
        db.happened(Happened::Started, run(2));
        [run(2), run(2)].into_iter().for_each(|run| db.seen(run));
        assert_eq!(told(&mut heard), ["Died", "Restarted"]);
    }

    #[test]
    fn what_no_event_told_a_second_look_does_and_a_late_event_not_again() {
        let (mut db, mut heard) = incidents();
        db.seen(None);
        assert!(db.in_doubt && told(&mut heard).is_empty());
        db.seen(None);
        assert_eq!(told(&mut heard), ["Died missed"]);
        db.happened(DIED, None);
        [run(2), run(2)].into_iter().for_each(|run| db.seen(run));
        assert_eq!(told(&mut heard), ["Restarted missed"]);
        db.happened(Happened::Started, run(2));
        // All of it while nobody looked: the engine was away.
        [run(3), run(3)].into_iter().for_each(|run| db.seen(run));
        assert_eq!(told(&mut heard), ["Died missed", "Restarted missed"]);
        assert!(!db.in_doubt);
    }

    #[test]
    fn a_start_that_could_not_be_looked_at_is_told_once() {
        let (mut db, mut heard) = incidents();
        db.happened(DIED, None);
        // The engine did not answer.
        db.happened(Happened::Started, None);
        [run(2), run(2)].into_iter().for_each(|run| db.seen(run));
        assert_eq!(told(&mut heard), ["Died", "Restarted"]);
    }

    #[test]
    fn a_container_that_dies_over_and_over_is_told_of_each_time() {
        let (mut db, mut heard) = incidents();
        for start in 2..5 {
            db.happened(DIED, run(start));
            // It has ended again, or was started once more, when one looks.
            db.happened(Happened::Started, [None, run(start)][start as usize % 2].clone());
        }
        assert_eq!(told(&mut heard), ["Died", "Restarted"].repeat(3));
    }
}
