//! A container, through its ends and restarts: its control group where the engine is local, else what the engine tells
//! once a second. What happens to it is told as events.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::incidents::Incidents;
use super::{Cgroup, Monitor};
use crate::docker::{DockerError, Engine, Happened, Usage};
use crate::record::{Clock, Event, Sample};
use crate::units::Instant;

/// How often it is seen to that a container is where it was; events tell sooner.
const LOOK: Duration = Duration::from_millis(500);

/// Why a container cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error("container {0} does not run: start it first (`docker start {0}`)")]
    Down(String),
}

/// A container that was found running.
pub struct Watched {
    engine: Engine,
    id: String,
    source: String,
    place: Place,
    run: Run,
}

/// When a container was started that runs (another start, another time); `None` where it does not run.
type Run = Option<String>;

/// Where a container's numbers come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// It does not run.
    Down,
    /// From this machine's kernel.
    Here(Cgroup),
    /// From the engine; the last that it told.
    Far(Option<Usage>),
}

/// A monitor of a container.
pub struct Container {
    source: String,
    place: watch::Receiver<Place>,
}

impl Watched {
    /// Looks for the container called `source` (by name, compose service or id).
    ///
    /// # Errors
    /// [`WatchError`]: there is no such one, or it does not run.
    pub async fn find(engine: &Engine, source: &str) -> Result<Watched, WatchError> {
        let found = engine.find(source).await?;
        let (place, run) = look(engine, &found.id).await?;
        if place == Place::Down {
            return Err(WatchError::Down(found.name));
        }
        Ok(Watched { engine: engine.clone(), id: found.id, source: source.to_owned(), place, run })
    }

    /// The container's whole id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where its numbers come from, in words.
    pub fn read_how(&self) -> &'static str {
        match self.place {
            Place::Here(_) => "its control group is read on this machine",
            Place::Far(_) => "the engine tells what it uses, once a second",
            Place::Down => "it does not run",
        }
    }

    /// Follows it on the run's clock for as long as the monitor is kept. `events` hears of its end, its restart, and
    /// that it ran out of memory.
    pub fn follow(self, clock: Clock, events: UnboundedSender<Event>) -> Container {
        let (sender, place) = watch::channel(self.place);
        let kills = match &*place.borrow() {
            Place::Here(group) => group.read().and_then(|usage| usage.oom_kills).unwrap_or(0),
            _ => 0,
        };
        let incidents = Incidents::new(self.source.clone(), clock, events, kills, self.run);
        tokio::spawn(follow(self.engine, self.id, sender, incidents));
        Container { source: self.source, place }
    }
}

impl Monitor for Container {
    fn sample(&mut self, at_ns: u64) -> Option<Sample> {
        let told = self.place.has_changed().unwrap_or(false);
        let usage = match &*self.place.borrow_and_update() {
            Place::Down => None,
            Place::Here(group) => group.read(),
            Place::Far(_) if !told => return None,
            Place::Far(usage) => *usage,
        };
        let gap = Sample { at: Instant(at_ns), source: self.source.clone(), ..Sample::default() };
        Some(match usage {
            None => gap,
            Some(usage) => Sample {
                memory_bytes: Some(usage.used),
                resident_bytes: usage.anonymous,
                limit_bytes: usage.limit,
                threads: usage.threads,
                cpu_ns: usage.cpu_ns,
                ..gap
            },
        })
    }
}

async fn look(engine: &Engine, id: &str) -> Result<(Place, Run), DockerError> {
    let details = engine.inspect(id).await?;
    let place = match Cgroup::of(engine, &details) {
        _ if !details.running => Place::Down,
        Some(group) if group.read().is_some() => Place::Here(group),
        _ => Place::Far(None),
    };
    Ok((place, details.running.then_some(details.started_at)))
}

/// The same while it is followed. An engine that does not answer says nothing of the container.
async fn look_again(engine: &Engine, id: &str) -> (Place, Option<Run>) {
    match look(engine, id).await {
        Ok((place, run)) => (place, Some(run)),
        Err(error) => (Place::Down, error.is_gone().then_some(None)),
    }
}

type Stats = Pin<Box<dyn Stream<Item = Result<Option<Usage>, DockerError>> + Send>>;

async fn follow(engine: Engine, id: String, place: watch::Sender<Place>, mut incidents: Incidents) {
    let mut stats: Option<Stats> = None;
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut events = std::pin::pin!(engine.events(std::slice::from_ref(&id)));
        // What happened before them nobody tells.
        let mut listening_anew = true;
        loop {
            if matches!(*place.borrow(), Place::Far(_)) {
                stats.get_or_insert_with(|| Box::pin(engine.stats(&id)));
            }
            tokio::select! {
                () = place.closed() => return,
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        // Another start, another group.
                        let run = match event.what {
                            Happened::OutOfMemory => None,
                            _ => {
                                let (seen, run) = look_again(&engine, &id).await;
                                place.send_replace(seen);
                                run
                            }
                        };
                        incidents.happened(event.what, run.flatten());
                    }
                    Some(Err(_)) | None => break,
                },
                told = next(&mut stats) => match told {
                    Some(Ok(usage)) => drop(place.send_replace(Place::Far(usage))),
                    Some(Err(_)) | None => {
                        stats = None;
                        place.send_replace(Place::Down);
                    }
                },
                _ = tick.tick() => {
                    let here = match &*place.borrow() {
                        Place::Here(group) => group.read(),
                        _ => None,
                    };
                    if let Some(usage) = here {
                        incidents.killed(usage.oom_kills);
                    }
                    // An event may have been missed: a far one that is well tells by itself.
                    let is_well = here.is_some() || stats.is_some();
                    if !is_well || listening_anew || incidents.in_doubt {
                        let (seen, run) = look_again(&engine, &id).await;
                        if let Some(run) = run {
                            incidents.seen(run);
                            listening_anew = false;
                        }
                        place.send_if_modified(|place| {
                            let changed = !is_well && *place != seen;
                            if changed {
                                *place = seen;
                            }
                            changed
                        });
                    }
                }
            }
        }
        // The engine is gone, or is coming again.
        tokio::select! {
            () = place.closed() => return,
            () = sleep(LOOK) => {}
        }
    }
}

async fn next(stats: &mut Option<Stats>) -> Option<Result<Option<Usage>, DockerError>> {
    match stats {
        Some(stats) => stats.next().await,
        None => std::future::pending().await,
    }
}
