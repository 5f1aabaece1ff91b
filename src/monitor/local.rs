//! A process or a systemd unit of this machine, across its ends and restarts. Each of them becomes an event of the run.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{JoinHandle, spawn_blocking};

use super::unit::UnitCgroup;
use super::{Monitor, ProcessMonitor, sample_of};
use crate::docker::Usage;
use crate::record::event::ComponentState;
use crate::record::{Event, EventKind, Sample};
use crate::units::{Instant, Time};

/// How often something that has ended is looked for.
const SEARCH_INTERVAL: Time = Time::from_millis(500);

/// A process or unit, from a start to its end.
#[derive(Clone, Debug)]
pub enum LocalComponent {
    Process(ProcessMonitor),
    Unit(UnitCgroup),
}

/// Finds a component that has started again. It may take milliseconds.
pub type FindAgain = Arc<dyn Fn() -> Option<LocalComponent> + Send + Sync>;

/// A process or unit that runs, before it is monitored.
pub struct RunningLocal {
    /// The name in samples and events.
    pub source: String,
    pub component: LocalComponent,
    /// `None` for a process that is named by its pid: it never returns.
    pub find_again: Option<FindAgain>,
}

/// Monitors a process or unit.
pub struct LocalMonitor {
    source: String,
    events: UnboundedSender<Event>,
    /// `None` while it does not run.
    component: Option<LocalComponent>,
    find_again: Option<FindAgain>,
    search: Option<JoinHandle<Option<LocalComponent>>>,
    next_search: Instant,
    /// Processes that the kernel has killed since the start because the memory was full.
    oom_kills: u64,
}

impl LocalComponent {
    /// `None` once it has ended.
    fn read_usage(&self) -> Option<Usage> {
        match self {
            LocalComponent::Process(process) => process.read_usage(),
            LocalComponent::Unit(unit) => unit.read_usage(),
        }
    }

    fn oom_kills(&self) -> u64 {
        self.read_usage().and_then(|usage| usage.oom_kills).unwrap_or(0)
    }
}

impl RunningLocal {
    /// Monitors it. Ends, restarts and OOM kills go to `events`.
    pub fn monitor(self, events: UnboundedSender<Event>) -> LocalMonitor {
        let RunningLocal { source, component, find_again } = self;
        let oom_kills = component.oom_kills();
        let next_search = Instant::START;
        LocalMonitor { source, events, component: Some(component), find_again, search: None, next_search, oom_kills }
    }
}

impl LocalMonitor {
    fn send(&self, at: Instant, state: ComponentState, detail: &str) {
        let what = EventKind::Component { component: self.source.clone(), state, detail: detail.to_owned() };
        // At the end of a run, there is no receiver.
        let _ = self.events.send(Event { at, what });
    }

    /// Looks for a component that has started again, in the background.
    fn search(&mut self, at: Instant) -> Option<LocalComponent> {
        match &mut self.search {
            Some(search) => {
                let found = search.now_or_never()?;
                self.search = None;
                found.ok().flatten()
            }
            None => {
                let find_again = self.find_again.clone().filter(|_| at >= self.next_search)?;
                self.next_search = at.plus(SEARCH_INTERVAL);
                self.search = Some(spawn_blocking(move || find_again()));
                None
            }
        }
    }
}

impl Monitor for LocalMonitor {
    fn read_sample(&mut self, at: Instant) -> Option<Sample> {
        if self.component.is_none()
            && let Some(found) = self.search(at)
        {
            self.oom_kills = found.oom_kills();
            self.component = Some(found);
            self.send(at, ComponentState::Restarted, "");
        }
        let usage = self.component.as_ref().and_then(LocalComponent::read_usage);
        if usage.is_none() && self.component.take().is_some() {
            self.send(at, ComponentState::Died, "it has ended");
        }
        if let Some(oom_kills) = usage.and_then(|usage| usage.oom_kills)
            && oom_kills > std::mem::replace(&mut self.oom_kills, oom_kills)
        {
            self.send(at, ComponentState::OutOfMemory, "the kernel killed a process in it");
        }
        Some(sample_of(&self.source, at, usage))
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::sync::Mutex;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    fn end(child: &mut Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn process(child: &Child) -> LocalComponent {
        LocalComponent::Process(ProcessMonitor::new("x", child.id()))
    }

    #[tokio::test]
    async fn the_end_and_the_restart_of_a_process_are_events() {
        let (mut first, mut second) = (sleeper(), sleeper());
        let next = Arc::new(Mutex::new(None));
        let find = Arc::clone(&next);
        let find_again: FindAgain = Arc::new(move || find.lock().unwrap().clone());
        let running = RunningLocal { source: "web".into(), component: process(&first), find_again: Some(find_again) };
        let (sender, mut events) = unbounded_channel();
        let mut monitor = running.monitor(sender);
        let at = |ms: u64| Instant::START.plus(Time::from_millis(ms));
        assert!(monitor.read_sample(at(0)).unwrap().memory_bytes > Some(4096));
        end(&mut first);
        for ms in [100, 200] {
            let none = Sample { at: at(ms), source: "web".into(), ..Sample::default() };
            assert_eq!(monitor.read_sample(at(ms)), Some(none));
        }
        *next.lock().unwrap() = Some(process(&second));
        // Searches run in the background: the next samples come until one is done.
        let mut ms = 300;
        while monitor.read_sample(at(ms)).unwrap().memory_bytes.is_none() {
            tokio::task::yield_now().await;
            ms += 100;
        }
        end(&mut second);
        monitor.read_sample(at(ms + 100));
        drop(monitor);
        let mut states = Vec::new();
        while let Some(Event { at, what: EventKind::Component { component, state, .. } }) = events.recv().await {
            assert_eq!(component, "web");
            states.push((state, at));
        }
        let restarted = at(ms);
        let ended = at(ms + 100);
        let wanted =
            [(ComponentState::Died, at(100)), (ComponentState::Restarted, restarted), (ComponentState::Died, ended)];
        assert_eq!(states, wanted);
    }

    #[tokio::test]
    async fn a_process_that_is_named_by_its_pid_never_returns() {
        let mut child = sleeper();
        let (sender, mut events) = unbounded_channel();
        let running = RunningLocal { source: "pid 7".into(), component: process(&child), find_again: None };
        let mut monitor = running.monitor(sender);
        end(&mut child);
        for ms in 0..20 {
            monitor.read_sample(Instant::START.plus(Time::from_millis(ms * 100)));
        }
        drop(monitor);
        assert!(matches!(events.recv().await.unwrap().what, EventKind::Component { state: ComponentState::Died, .. }));
        assert!(events.recv().await.is_none());
    }
}
