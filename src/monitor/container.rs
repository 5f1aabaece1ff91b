//! A container, across its ends and restarts.
//!
//! If the container runs on this machine, its values come from its control group. Otherwise the engine reports them once per
//! second. Ends, starts and OOM kills of the container become events of the run.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::cgroup::CgroupFiles;
use super::component_events::ComponentEvents;
use super::{Monitor, sample_of};
use crate::docker::{ContainerEventKind, DockerError, Engine, Usage};
use crate::record::{Clock, Event, Sample};
use crate::units::Instant;

/// Interval at which the state of the container is checked. Events of the engine report changes sooner.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Why a container cannot be monitored.
#[derive(Debug, thiserror::Error)]
pub enum ContainerMonitorError {
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error("cannot monitor container {0}: it is not running. Start it first (`docker start {0}`).")]
    NotRunning(String),
}

/// A running container, before it is monitored.
pub struct RunningContainer {
    engine: Engine,
    id: String,
    /// The name in samples.
    source: String,
    usage_source: UsageSource,
    started_at: StartTime,
}

/// When the container was started, as the engine reports it. `None` if it does not run. A restart changes it.
type StartTime = Option<String>;

/// Where the values of a container come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum UsageSource {
    /// The container does not run, so there are no values.
    NotRunning,
    /// The control group on this machine.
    Cgroup(CgroupFiles),
    /// The engine, with its latest report.
    Engine(Option<Usage>),
}

/// Monitors a container.
pub struct ContainerMonitor {
    source: String,
    usage_source: watch::Receiver<UsageSource>,
}

impl RunningContainer {
    /// Finds the container `source`, by its name, Compose service or id.
    ///
    /// # Errors
    /// [`ContainerMonitorError`] if it does not exist, or does not run.
    pub async fn find(engine: &Engine, source: &str) -> Result<RunningContainer, ContainerMonitorError> {
        let found = engine.find(source).await?;
        let (usage_source, started_at) = inspect(engine, &found.id).await?;
        if usage_source == UsageSource::NotRunning {
            return Err(ContainerMonitorError::NotRunning(found.name));
        }
        Ok(RunningContainer {
            engine: engine.clone(),
            id: found.id,
            source: source.to_owned(),
            usage_source,
            started_at,
        })
    }

    /// The full id of the container.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where its values come from, in words.
    pub fn usage_source(&self) -> &'static str {
        match self.usage_source {
            UsageSource::Cgroup(_) => "read from its control group on this machine",
            UsageSource::Engine(_) => "reported by the engine once per second",
            UsageSource::NotRunning => "not running",
        }
    }

    /// Monitors the container on the run's clock until the monitor is dropped. Ends, restarts and OOM kills go to `events`.
    pub fn monitor(self, clock: Clock, events: UnboundedSender<Event>) -> ContainerMonitor {
        let (sender, usage_source) = watch::channel(self.usage_source);
        let oom_kills = match &*usage_source.borrow() {
            UsageSource::Cgroup(files) => files.read_usage().and_then(|usage| usage.oom_kills).unwrap_or(0),
            _ => 0,
        };
        let events = ComponentEvents::new(self.source.clone(), clock, events, oom_kills, self.started_at);
        tokio::spawn(follow_container(self.engine, self.id, sender, events));
        ContainerMonitor { source: self.source, usage_source }
    }
}

impl Monitor for ContainerMonitor {
    fn read_sample(&mut self, at: Instant) -> Option<Sample> {
        let is_new = self.usage_source.has_changed().unwrap_or(false);
        let usage = match &*self.usage_source.borrow_and_update() {
            UsageSource::NotRunning => None,
            UsageSource::Cgroup(files) => files.read_usage(),
            UsageSource::Engine(_) if !is_new => return None,
            UsageSource::Engine(usage) => *usage,
        };
        Some(sample_of(&self.source, at, usage))
    }
}

/// Asks the engine for the state of the container.
async fn inspect(engine: &Engine, id: &str) -> Result<(UsageSource, StartTime), DockerError> {
    let details = engine.inspect(id).await?;
    let usage_source = match CgroupFiles::find(engine, &details) {
        _ if !details.running => UsageSource::NotRunning,
        Some(files) if files.read_usage().is_some() => UsageSource::Cgroup(files),
        _ => UsageSource::Engine(None),
    };
    Ok((usage_source, details.running.then_some(details.started_at)))
}

/// As [`inspect`], while the container is monitored. The start time is `None` if the engine does not answer: its state is
/// then unknown.
async fn inspect_again(engine: &Engine, id: &str) -> (UsageSource, Option<StartTime>) {
    match inspect(engine, id).await {
        Ok((usage_source, started_at)) => (usage_source, Some(started_at)),
        Err(error) => (UsageSource::NotRunning, error.is_gone().then_some(None)),
    }
}

type UsageStream = Pin<Box<dyn Stream<Item = Result<Option<Usage>, DockerError>> + Send>>;

/// Keeps `usage_source` up to date, and reports events, until the receiver of `usage_source` is dropped.
async fn follow_container(
    engine: Engine,
    id: String,
    usage_source: watch::Sender<UsageSource>,
    mut events: ComponentEvents,
) {
    let mut usage_stream: Option<UsageStream> = None;
    let mut check = interval(CHECK_INTERVAL);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut engine_events = std::pin::pin!(engine.events(std::slice::from_ref(&id)));
        // The engine does not report what happened before this subscription, so the state must be checked once.
        let mut is_new_subscription = true;
        loop {
            if matches!(*usage_source.borrow(), UsageSource::Engine(_)) {
                usage_stream.get_or_insert_with(|| Box::pin(engine.stats(&id)));
            }
            tokio::select! {
                () = usage_source.closed() => return,
                event = engine_events.next() => match event {
                    Some(Ok(event)) => {
                        let at = events.instant_of(&event, engine.is_local());
                        // After another start, the control group is another one.
                        let started_at = match event.what {
                            ContainerEventKind::OutOfMemory => None,
                            _ => {
                                let (current, started_at) = inspect_again(&engine, &id).await;
                                usage_source.send_replace(current);
                                started_at
                            }
                        };
                        events.on_engine_event(at, event.what, started_at.flatten());
                    }
                    Some(Err(_)) | None => break,
                },
                usage = next_usage(&mut usage_stream) => match usage {
                    Some(Ok(usage)) => drop(usage_source.send_replace(UsageSource::Engine(usage))),
                    Some(Err(_)) | None => {
                        usage_stream = None;
                        usage_source.send_replace(UsageSource::NotRunning);
                    }
                },
                _ = check.tick() => {
                    let usage = match &*usage_source.borrow() {
                        UsageSource::Cgroup(files) => files.read_usage(),
                        _ => None,
                    };
                    if let Some(usage) = usage {
                        events.on_oom_kill_count(usage.oom_kills);
                    }
                    // An event may have been lost. As long as values arrive, the container runs.
                    let has_values = usage.is_some() || usage_stream.is_some();
                    if !has_values || is_new_subscription || events.needs_confirmation {
                        let (current, started_at) = inspect_again(&engine, &id).await;
                        if let Some(started_at) = started_at {
                            events.on_inspection(started_at);
                            is_new_subscription = false;
                        }
                        usage_source.send_if_modified(|usage_source| {
                            let changed = !has_values && *usage_source != current;
                            if changed {
                                *usage_source = current;
                            }
                            changed
                        });
                    }
                }
            }
        }
        // The engine ended or restarts. Subscribe again after a pause.
        tokio::select! {
            () = usage_source.closed() => return,
            () = sleep(CHECK_INTERVAL) => {}
        }
    }
}

async fn next_usage(stream: &mut Option<UsageStream>) -> Option<Result<Option<Usage>, DockerError>> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}
