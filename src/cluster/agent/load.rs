//! The thread that runs the loads of a part. It blocks; the session does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::load::plan::LoadPlan;
use crate::load::{ActiveLoad, LiveCounters, LoadError, LoadResult, LoadedLoad, LoadedLoads, WorkerScript};
use crate::record::Clock;
use crate::record::sink::Recorder;

/// What the session tells the loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadOrder {
    Proceed,
    Start(Clock),
    EndArrivals,
    Stop,
    Hurry,
}

/// What the loads tell the session.
pub enum LoadEvent {
    Loaded {
        addresses: Vec<SocketAddr>,
        scripts: Vec<Vec<WorkerScript>>,
    },
    Prepared,
    Running(Vec<Arc<LiveCounters>>),
    Finished(Vec<LoadResult>),
    /// They cannot go on.
    Failed(String),
}

/// How often the loads look for orders.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Starts the thread. It ends when the returned sender is dropped, or with its last event.
///
/// # Errors
/// If the system has no thread for it.
pub fn start_loads(
    plans: Vec<LoadPlan>,
    recorder: Option<Recorder>,
    events: UnboundedSender<LoadEvent>,
) -> std::io::Result<Sender<LoadOrder>> {
    let (sender, orders) = channel();
    let work = move || {
        let last = match run_loads(plans, recorder, &events, &orders) {
            Ok(Some(results)) => LoadEvent::Finished(results),
            Ok(None) => return,
            Err(why) => LoadEvent::Failed(why),
        };
        // The session may have ended.
        let _ = events.send(last);
    };
    std::thread::Builder::new().name("loads".into()).spawn(work)?;
    Ok(sender)
}

/// `None` if the loads were stopped before their start.
fn run_loads(
    plans: Vec<LoadPlan>,
    recorder: Option<Recorder>,
    events: &UnboundedSender<LoadEvent>,
    orders: &Receiver<LoadOrder>,
) -> Result<Option<Vec<LoadResult>>, String> {
    let text = |error: LoadError| error.to_string();
    let loaded = LoadedLoads::new(plans, recorder.as_ref().map(Recorder::senders)).map_err(text)?;
    let addresses = loaded.loads().iter().map(LoadedLoad::address).collect();
    let _ = events.send(LoadEvent::Loaded { addresses, scripts: loaded.scripts() });
    if orders.recv() != Ok(LoadOrder::Proceed) {
        return Ok(None);
    }
    let prepared = loaded.prepare().map_err(text)?;
    let _ = events.send(LoadEvent::Prepared);
    let Ok(LoadOrder::Start(clock)) = orders.recv() else { return Ok(None) };
    let mut running = prepared.start_at(clock);
    let _ = events.send(LoadEvent::Running(running.live()));
    while !running.poll_finished().map_err(text)? {
        match orders.recv_timeout(POLL_INTERVAL) {
            Ok(LoadOrder::EndArrivals) => running.end_arrivals(),
            Ok(LoadOrder::Stop) | Err(RecvTimeoutError::Disconnected) => running.stop(),
            Ok(LoadOrder::Hurry) => running.hurry(),
            Ok(LoadOrder::Proceed | LoadOrder::Start(_)) | Err(RecvTimeoutError::Timeout) => {}
        }
        if recorder.as_ref().is_some_and(Recorder::is_broken) {
            running.stop();
        }
    }
    let results = Box::new(running).finish().map_err(text)?.loads;
    recorder.map_or(Ok(()), Recorder::finish).map_err(|error| format!("cannot keep the records: {error}"))?;
    Ok(Some(results))
}
