//! The channel from the generator's threads to the record sinks. Sending never waits during the run.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;

use super::RequestRecord;

/// Records per batch: many, so that sending is rare, but few enough to stay in the cache.
const BATCH: usize = 1024;

/// Batches in the channel at most: 18 MB of records.
const MOST_WAITING: usize = 256;

/// Consumes every record of a run, in batches, on the recorder's thread.
pub trait RecordSink: Send {
    /// Consumes a batch.
    ///
    /// # Errors
    /// If the batch could not be written. The recorder then drops the sink, and reports the error at the end of the run.
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()>;

    /// The sink needs a record of each request that was never sent. Otherwise only their number may be known.
    fn needs_unsent(&self) -> bool {
        true
    }

    /// Completes the output after the last batch.
    ///
    /// # Errors
    /// If the output could not be completed.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread that passes records to sinks.
///
/// If it is dropped before a record came, as when the load could not begin, it drops the sinks without finishing them.
/// If it is dropped later, it finishes them.
pub struct Recorder {
    senders: RecordSenders,
    broken: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

enum Message {
    Batch(Vec<RequestRecord>),
    /// The end of the records, even if a [`RecordSender`] still exists.
    End {
        /// The run ended, even if it made no records.
        is_complete: bool,
    },
}

/// Makes the senders of the generator's threads.
#[derive(Clone)]
pub struct RecordSenders {
    messages: SyncSender<Message>,
    needs_unsent: bool,
}

impl RecordSenders {
    /// A sink needs a record of each request that was never sent.
    pub fn needs_unsent(&self) -> bool {
        self.needs_unsent
    }

    /// A sender for one thread.
    pub fn sender(&self) -> RecordSender {
        let RecordSenders { messages, needs_unsent } = self.clone();
        RecordSender { messages, batch: Vec::with_capacity(BATCH), dropped: 0, needs_unsent }
    }
}

impl Recorder {
    /// Starts the thread. It passes every batch to each of `sinks`.
    ///
    /// # Errors
    /// If no thread can be created.
    pub fn start(mut sinks: Vec<Box<dyn RecordSink>>) -> io::Result<Recorder> {
        let needs_unsent = sinks.iter().any(|sink| sink.needs_unsent());
        let (messages, incoming) = sync_channel::<Message>(MOST_WAITING);
        let broken = Arc::new(AtomicBool::new(false));
        let set_broken = Arc::clone(&broken);
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || {
            let mut first_error = Ok(());
            let mut fail = |result: io::Result<()>| match result {
                Ok(()) => true,
                Err(error) => {
                    set_broken.store(true, Ordering::Relaxed);
                    if first_error.is_ok() {
                        first_error = Err(error);
                    }
                    false
                }
            };
            let mut has_records = false;
            let is_complete = loop {
                match incoming.recv() {
                    Ok(Message::Batch(batch)) => sinks.retain_mut(|sink| fail(sink.consume(&batch))),
                    Ok(Message::End { is_complete }) => break is_complete,
                    Err(_) => break false,
                }
                has_records = true;
            };
            if has_records || is_complete {
                sinks.retain_mut(|sink| fail(sink.finish()));
            }
            first_error
        })?;
        Ok(Recorder { senders: RecordSenders { messages, needs_unsent }, broken, thread: Some(thread) })
    }

    /// Makes the senders of the generator's threads.
    pub fn senders(&self) -> &RecordSenders {
        &self.senders
    }

    /// A sink failed, and gets no further records. [`Recorder::finish`] returns the error.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Waits until the sinks have consumed all records. Every [`RecordSender`] must be finished.
    ///
    /// # Errors
    /// The first error of a sink.
    pub fn finish(mut self) -> io::Result<()> {
        self.end(true)
    }

    fn end(&mut self, is_complete: bool) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // If the thread panicked, `join` reports it.
        let _ = self.senders.messages.send(Message::End { is_complete });
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the recorder thread panicked")))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // A caller that needs the error calls `finish`.
        let _ = self.end(false);
    }
}

/// The sender of one thread.
pub struct RecordSender {
    messages: SyncSender<Message>,
    batch: Vec<RequestRecord>,
    dropped: u64,
    needs_unsent: bool,
}

impl RecordSender {
    /// Adds a record. Never waits: if the channel is full, the batch is dropped and counted.
    #[inline]
    pub fn push(&mut self, record: &RequestRecord) {
        self.batch.push(*record);
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    /// Sends the current batch, even if it is not full. Never waits.
    pub fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        if let Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) =
            self.messages.try_send(Message::Batch(batch))
        {
            let Message::Batch(mut batch) = message else { return };
            self.dropped += batch.len() as u64;
            batch.clear();
            self.batch = batch;
        }
    }

    /// A sink needs a record of each request that was never sent.
    pub fn needs_unsent(&self) -> bool {
        self.needs_unsent
    }

    /// Counts records that are left out as dropped.
    pub fn leave_out(&mut self, count: u64) {
        self.dropped += count;
    }

    /// Adds a record after the run, when waiting disturbs no timing: waits if the channel is full.
    pub fn push_blocking(&mut self, record: &RequestRecord) {
        self.batch.push(*record);
        if self.batch.len() == BATCH {
            self.finish();
        }
    }

    /// Sends the rest, and waits if the channel is full. Returns the number of records dropped so far.
    pub fn finish(&mut self) -> u64 {
        let batch = std::mem::take(&mut self.batch);
        let n = batch.len() as u64;
        if n > 0 && self.messages.send(Message::Batch(batch)).is_err() {
            self.dropped += n;
        }
        self.dropped
    }
}

/// A sink that forwards batches to another thread, for progress and for ending a run early.
pub struct RecordForwarder(Sender<Vec<RequestRecord>>);

impl RecordForwarder {
    /// The sink, and the receiver of its batches.
    pub fn new() -> (RecordForwarder, Receiver<Vec<RequestRecord>>) {
        let (sender, receiver) = channel();
        (RecordForwarder(sender), receiver)
    }
}

impl RecordSink for RecordForwarder {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        // The receiver may be dropped before the end of the run.
        let _ = self.0.send(batch.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Instant;

    struct FullDisk(usize);

    impl RecordSink for FullDisk {
        fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
            self.0 = self.0.checked_sub(batch.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(())
        }
    }

    fn records(n: u64) -> impl Iterator<Item = RequestRecord> {
        (0..n).map(|i| RequestRecord::planned(i, Instant(i), 0))
    }

    #[test]
    fn every_record_arrives_in_order() {
        let (forward, received) = RecordForwarder::new();
        let recorder = Recorder::start(vec![Box::new(forward)]).unwrap();
        let mut sender = recorder.senders().sender();
        records(5000).for_each(|record| sender.push_blocking(&record));
        assert_eq!(sender.finish(), 0);
        drop(sender);
        recorder.finish().unwrap();
        let ids: Vec<u64> = received.iter().flatten().map(|record| record.request).collect();
        assert_eq!(ids, (0..5000).collect::<Vec<_>>());
    }

    #[test]
    fn a_sink_that_fails_is_reported_and_the_others_go_on() {
        let (forward, received) = RecordForwarder::new();
        let recorder = Recorder::start(vec![Box::new(FullDisk(1500)), Box::new(forward)]).unwrap();
        let mut sender = recorder.senders().sender();
        assert!(!recorder.is_broken());
        records(3000).for_each(|record| sender.push_blocking(&record));
        sender.finish();
        drop(sender);
        while !recorder.is_broken() {
            std::thread::yield_now();
        }
        assert_eq!(recorder.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(received.iter().flatten().count(), 3000);
    }

    /// Sends a message when it is finished.
    struct FinishSignal(Sender<()>);

    impl RecordSink for FinishSignal {
        fn consume(&mut self, _: &[RequestRecord]) -> io::Result<()> {
            Ok(())
        }

        fn finish(&mut self) -> io::Result<()> {
            self.0.send(()).map_err(io::Error::other)
        }
    }

    #[test]
    fn sinks_of_a_load_that_never_began_are_not_finished_and_all_others_are() {
        let finished = |sent: u64, dropped: bool| {
            let (tell, finished) = channel();
            let recorder = Recorder::start(vec![Box::new(FinishSignal(tell))]).unwrap();
            let mut sender = recorder.senders().sender();
            records(sent).for_each(|record| sender.push(&record));
            sender.finish();
            if dropped {
                // A thread that hangs still has its sender.
                drop(recorder);
                sender.push(&RequestRecord::planned(0, Instant::START, 0));
                assert_eq!(sender.finish(), 1);
            } else {
                drop(sender);
                recorder.finish().unwrap();
            }
            finished.recv().is_ok()
        };
        assert!(!finished(0, true));
        assert!(finished(1, true) && finished(1, false) && finished(0, false));
    }

    #[test]
    fn records_that_a_full_channel_refuses_are_counted() {
        let (messages, stuck) = sync_channel(1);
        let mut sender = RecordSender { messages, batch: Vec::new(), dropped: 0, needs_unsent: true };
        records(3 * BATCH as u64).for_each(|record| sender.push(&record));
        drop(stuck);
        assert_eq!(sender.finish(), 2 * BATCH as u64);
    }
}
