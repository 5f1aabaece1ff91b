//! What a run leaves while it goes on: requests, events, samples, each on disk as it happens.

use crate::load::LoadResult;
use crate::record::event::RunEnd;
use crate::record::lines::{EventLog, SampleLog};
use crate::record::{Clock, Event, EventKind, FileError, ResultsFolder};
use crate::signals::StopSignal;

/// Events and samples, on disk as they happen.
pub struct Journal {
    /// All so far.
    pub events: Vec<Event>,
    pub samples: SampleLog,
    log: EventLog,
}

impl Journal {
    /// # Errors
    /// Where the folder takes no files.
    pub fn new(folder: &ResultsFolder) -> Result<Journal, FileError> {
        Ok(Journal { events: Vec::new(), samples: folder.open_samples()?, log: folder.open_events()? })
    }

    /// # Errors
    /// Where it can't be written down.
    pub fn event(&mut self, event: Event) -> Result<(), FileError> {
        self.log.append(&event)?;
        self.events.push(event);
        Ok(())
    }

    /// The end of a run: what was still told, the generator's account, and how it ended.
    ///
    /// # Errors
    /// Where it can't be written down.
    pub fn end(
        &mut self,
        mut told: impl Iterator<Item = Event>,
        loaded: &LoadResult,
        clock: Clock,
        stopped: Option<StopSignal>,
        failure: Option<&str>,
    ) -> Result<(), FileError> {
        let (how, detail) = match (failure, stopped) {
            (Some(failure), _) => (RunEnd::Failed, failure.to_owned()),
            (None, Some(StopSignal::Interrupt)) => (RunEnd::Interrupted, "SIGINT".to_owned()),
            (None, Some(StopSignal::Terminate)) => (RunEnd::Interrupted, "SIGTERM".to_owned()),
            (None, None) => (RunEnd::Complete, String::new()),
        };
        told.try_for_each(|event| self.event(event))?;
        self.event(Event { at: clock.now(), what: EventKind::Generator(loaded.generator()) })?;
        self.event(Event { at: clock.now(), what: EventKind::Ended { how, detail } })
    }
}
