//! The events and samples of a run, on disk as they happen.

use crate::load::LoadResult;
use crate::record::event::RunEnd;
use crate::record::lines::{EventLog, SampleLog};
use crate::record::{Clock, Event, EventKind, FileError, ResultsFolder, Sample};
use crate::signals::StopSignal;

/// Writes events and samples to the results folder, and keeps the events for the live judgement.
pub struct RunLog {
    events: Vec<Event>,
    event_log: EventLog,
    sample_log: SampleLog,
}

impl RunLog {
    /// # Errors
    /// [`FileError`] if the files cannot be created in `folder`.
    pub fn create(folder: &ResultsFolder) -> Result<RunLog, FileError> {
        Ok(RunLog { events: Vec::new(), event_log: folder.open_events()?, sample_log: folder.open_samples()? })
    }

    /// All events so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// # Errors
    /// [`FileError`] if the event cannot be written.
    pub fn append_event(&mut self, event: Event) -> Result<(), FileError> {
        self.event_log.append(&event)?;
        self.events.push(event);
        Ok(())
    }

    /// # Errors
    /// [`FileError`] if the samples cannot be written.
    pub fn append_samples(&mut self, samples: &[Sample]) -> Result<(), FileError> {
        self.sample_log.append(samples)
    }

    /// Writes the end of a run: the generator's account of itself, the number of recorded attempts, and how the run ended.
    ///
    /// # Errors
    /// [`FileError`] if an event cannot be written.
    pub fn append_end(
        &mut self,
        load: &LoadResult,
        rows: u64,
        clock: Clock,
        stopped: Option<StopSignal>,
        failure: Option<&str>,
    ) -> Result<(), FileError> {
        let (how, detail) = match (failure, stopped) {
            (Some(failure), _) => (RunEnd::Failed, failure.to_owned()),
            (None, Some(signal)) => (RunEnd::Interrupted, signal.name().to_owned()),
            (None, None) => (RunEnd::Complete, String::new()),
        };
        self.append_event(Event { at: clock.now(), what: EventKind::Generator(load.generator()) })?;
        self.append_event(Event { at: clock.now(), what: EventKind::Recorded { rows } })?;
        self.append_event(Event { at: clock.now(), what: EventKind::Ended { how, detail } })
    }
}
