//! Records on their way from the generator's threads to whoever keeps them, without a wait on the hot path.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;

use super::RequestRecord;

/// Records a batch: large enough that a hand-over is rare, small enough to stay in the cache.
const BATCH: usize = 1024;

/// Batches that may wait for the recorder: 18 MB of records.
const WAITING: usize = 256;

/// Takes every record of a run, in batches, on the recorder's thread.
pub trait RecordSink: Send {
    /// # Errors
    /// Where the batch could not be kept. The keeper is not called again, and the run is told at its end.
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()>;

    /// No more will come.
    ///
    /// # Errors
    /// Where what was kept could not be completed.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The recorder's thread.
///
/// Dropped before anything came, as before a load that could not begin, it drops its keepers unfinished; dropped later,
/// it finishes them with what there is.
pub struct Recorder {
    senders: RecordSenders,
    broken: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

enum Message {
    Batch(Vec<RequestRecord>),
    /// No more is wanted, whoever still has a [`RecordSender`].
    End {
        /// The run is over, even if nothing came of it.
        whole: bool,
    },
}

/// Gives each of the generator's threads its way to the recorder.
#[derive(Clone)]
pub struct RecordSenders(SyncSender<Message>);

impl RecordSenders {
    pub fn sender(&self) -> RecordSender {
        RecordSender { messages: self.0.clone(), batch: Vec::with_capacity(BATCH), dropped: 0 }
    }
}

impl Recorder {
    /// Starts the thread, which hands every batch to each of `sinks` in turn.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(mut sinks: Vec<Box<dyn RecordSink>>) -> io::Result<Recorder> {
        let (messages, incoming) = sync_channel::<Message>(WAITING);
        let broken = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&broken);
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || {
            let mut first_error = Ok(());
            let mut fail = |result: io::Result<()>| match result {
                Ok(()) => true,
                Err(error) => {
                    tell.store(true, Ordering::Relaxed);
                    if first_error.is_ok() {
                        first_error = Err(error);
                    }
                    false
                }
            };
            let mut began = false;
            let whole = loop {
                match incoming.recv() {
                    Ok(Message::Batch(batch)) => sinks.retain_mut(|sink| fail(sink.consume(&batch))),
                    Ok(Message::End { whole }) => break whole,
                    Err(_) => break false,
                }
                began = true;
            };
            if began || whole {
                sinks.retain_mut(|sink| fail(sink.finish()));
            }
            first_error
        })?;
        Ok(Recorder { senders: RecordSenders(messages), broken, thread: Some(thread) })
    }

    /// The ways in.
    pub fn senders(&self) -> &RecordSenders {
        &self.senders
    }

    /// A keeper failed: what comes now is not kept by all. [`Recorder::finish`] says why.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Waits until all that is on its way has been kept. Every [`RecordSender`] must be finished.
    ///
    /// # Errors
    /// The first error of a keeper.
    pub fn finish(mut self) -> io::Result<()> {
        self.end(true)
    }

    fn end(&mut self, whole: bool) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // A thread that has died says so below.
        let _ = self.senders.0.send(Message::End { whole });
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the recorder's thread died")))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Whoever wanted to know what became of it would have called `finish`.
        let _ = self.end(false);
    }
}

/// One thread's way to the recorder.
pub struct RecordSender {
    messages: SyncSender<Message>,
    batch: Vec<RequestRecord>,
    dropped: u64,
}

impl RecordSender {
    /// Never waits: what finds no room is counted.
    #[inline]
    pub fn push(&mut self, record: &RequestRecord) {
        self.batch.push(*record);
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    /// Sends what is there, full or not.
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

    /// After the run, when nobody's timing suffers: waits for room.
    pub fn push_patiently(&mut self, record: &RequestRecord) {
        self.batch.push(*record);
        if self.batch.len() == BATCH {
            self.finish();
        }
    }

    /// Sends the rest, waiting for room; says how many records were dropped so far.
    pub fn finish(&mut self) -> u64 {
        let batch = std::mem::take(&mut self.batch);
        let n = batch.len() as u64;
        if n > 0 && self.messages.send(Message::Batch(batch)).is_err() {
            self.dropped += n;
        }
        self.dropped
    }
}

/// A keeper that hands batches to another thread: for progress and for ending a run early.
pub struct RecordForwarder(Sender<Vec<RequestRecord>>);

impl RecordForwarder {
    pub fn new() -> (RecordForwarder, Receiver<Vec<RequestRecord>>) {
        let (sender, receiver) = channel();
        (RecordForwarder(sender), receiver)
    }
}

impl RecordSink for RecordForwarder {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        // A listener that has left wants nothing more.
        let _ = self.0.send(batch.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Instant;

    struct Full(usize);

    impl RecordSink for Full {
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
        records(5000).for_each(|record| sender.push_patiently(&record));
        assert_eq!(sender.finish(), 0);
        drop(sender);
        recorder.finish().unwrap();
        let ids: Vec<u64> = received.iter().flatten().map(|record| record.request).collect();
        assert_eq!(ids, (0..5000).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_disk_is_told_and_the_other_keepers_go_on() {
        let (forward, received) = RecordForwarder::new();
        let recorder = Recorder::start(vec![Box::new(Full(1500)), Box::new(forward)]).unwrap();
        let mut sender = recorder.senders().sender();
        assert!(!recorder.is_broken());
        records(3000).for_each(|record| sender.push_patiently(&record));
        sender.finish();
        drop(sender);
        while !recorder.is_broken() {
            std::thread::yield_now();
        }
        assert_eq!(recorder.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(received.iter().flatten().count(), 3000);
    }

    /// Says when it is finished.
    struct Told(Sender<()>);

    impl RecordSink for Told {
        fn consume(&mut self, _: &[RequestRecord]) -> io::Result<()> {
            Ok(())
        }

        fn finish(&mut self) -> io::Result<()> {
            self.0.send(()).map_err(io::Error::other)
        }
    }

    #[test]
    fn keepers_of_a_load_that_never_began_are_not_finished_and_all_others_are() {
        let finished = |records_kept: u64, dropped: bool| {
            let (tell, told) = channel();
            let recorder = Recorder::start(vec![Box::new(Told(tell))]).unwrap();
            let mut sender = recorder.senders().sender();
            records(records_kept).for_each(|record| sender.push(&record));
            sender.finish();
            if dropped {
                // A thread that is stuck holds on to its tape.
                drop(recorder);
                sender.push(&RequestRecord::planned(0, Instant::START, 0));
                assert_eq!(sender.finish(), 1);
            } else {
                drop(sender);
                recorder.finish().unwrap();
            }
            told.recv().is_ok()
        };
        assert!(!finished(0, true));
        assert!(finished(1, true) && finished(1, false) && finished(0, false));
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (messages, stuck) = sync_channel(1);
        let mut sender = RecordSender { messages, batch: Vec::new(), dropped: 0 };
        records(3 * BATCH as u64).for_each(|record| sender.push(&record));
        drop(stuck);
        assert_eq!(sender.finish(), 2 * BATCH as u64);
    }
}
