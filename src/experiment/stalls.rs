//! Stalls of the generator's own process: times in which it was stopped, or had no CPU.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::record::{Clock, Event, EventKind};
use crate::units::Time;

const TICK: Duration = Duration::from_millis(100);
/// Shorter stalls are not recorded.
const MIN_STALL: Time = Time::from_millis(250);

/// A thread that does nothing but wait. A wait that takes much longer than it should shows that the whole process did not
/// run. In a thread with other work, a stall during that work would not be noticed, and a slow disk would look like one.
pub struct StallDetector {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl StallDetector {
    /// Sends each stall from now on to `events`, until this is dropped.
    ///
    /// # Errors
    /// If the thread cannot be created.
    pub fn start(clock: Clock, events: UnboundedSender<Event>) -> io::Result<StallDetector> {
        let (stop, stopped) = channel::<()>();
        let watch = move || {
            loop {
                let due = clock.now().plus(Time::from_millis(TICK.as_millis() as u64));
                let is_stopped = stopped.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout);
                let at = clock.now();
                let lasted = at.since(due);
                if lasted >= MIN_STALL {
                    // Sending fails if the run has ended. Then nobody needs the event.
                    let _ = events.send(Event { at, what: EventKind::Stall { lasted_ns: lasted.0 } });
                }
                if is_stopped {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("stalls".to_owned()).spawn(watch)?;
        Ok(StallDetector { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for StallDetector {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
