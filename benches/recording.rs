//! The cost of recording a request: in the histograms, and as a record that is sent to the writer thread.

use std::io;

use criterion::{Criterion, criterion_group, criterion_main};
use metawrk::record::sink::{RecordSink, Recorder};
use metawrk::record::{Latencies, Outcome, RequestRecord};
use metawrk::units::Instant;

struct DiscardingSink;

impl RecordSink for DiscardingSink {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        std::hint::black_box(batch);
        Ok(())
    }
}

fn recording(c: &mut Criterion) {
    let mut record = RequestRecord::planned(7, Instant(1_000_000), 0);
    (record.ready, record.sent, record.first_byte, record.end) =
        (Instant(1_000_000), Instant(1_030_000), Instant(1_090_000), Instant(1_090_000));
    record.status = 200;
    record.set_outcome(Outcome::Answered);
    record.set_last(true);

    let mut latencies = Latencies::default();
    c.bench_function("recording/histograms", |b| b.iter(|| latencies.add(std::hint::black_box(&record))));

    let recorder = Recorder::start(vec![Box::new(DiscardingSink)]).expect("a thread");
    let mut sender = recorder.senders().sender();
    c.bench_function("recording/sender", |b| b.iter(|| sender.push(std::hint::black_box(&record))));
    drop(sender);
    recorder.finish().expect("the recorder finishes");
}

criterion_group!(benches, recording);
criterion_main!(benches);
