//! The events and samples of a run, on disk as they happen.

use crate::load::LoadResult;
use crate::record::event::{GeneratorStats, RunEnd};
use crate::record::lines::{EventLog, SampleLog};
use crate::record::{Abort, Clock, Event, EventKind, FileError, PartStats, ResultsFolder, Sample};
use crate::signals::StopSignal;

/// Writes events and samples to the results folder, and keeps the events for the live judgement.
pub struct RunLog {
    events: Vec<Event>,
    event_log: EventLog,
    sample_log: SampleLog,
}

/// What ended a run early, if anything did.
pub struct RunEnding<'a> {
    pub stopped: Option<StopSignal>,
    pub failure: Option<&'a str>,
    /// A condition, and what it says in words.
    pub aborted: Option<(Abort, String)>,
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
        (loads, parts): (&[LoadResult], Vec<PartStats>),
        rows: u64,
        clock: Clock,
        ending: RunEnding<'_>,
    ) -> Result<(), FileError> {
        let RunEnding { stopped, failure, aborted } = ending;
        let (how, detail) = match (failure, stopped, &aborted) {
            (Some(failure), _, _) => (RunEnd::Failed, failure.to_owned()),
            (None, Some(signal), _) => (RunEnd::Interrupted, signal.name().to_owned()),
            (None, None, Some((_, text))) => (RunEnd::Aborted, text.clone()),
            (None, None, None) => (RunEnd::Complete, String::new()),
        };
        let abort = aborted.map(|(abort, _)| abort);
        let mut generator = GeneratorStats { parts, ..GeneratorStats::default() };
        loads.iter().for_each(|load| generator.merge(&load.generator()));
        self.append_event(Event { at: clock.now(), what: EventKind::Generator(generator) })?;
        self.append_event(Event { at: clock.now(), what: EventKind::Recorded { rows } })?;
        self.append_event(Event { at: clock.now(), what: EventKind::Ended { how, detail, abort } })
    }
}
