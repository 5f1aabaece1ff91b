//! What it costs to know when the next request is due.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use metawrk::arrivals::{Arrivals, Process};

fn arrivals(c: &mut Criterion) {
    for (name, process) in [("fixed", Process::Fixed), ("exp", Process::Exp)] {
        c.bench_function(&format!("arrivals/{name}"), |b| {
            b.iter_batched_ref(
                || Arrivals::new(process, 2000.0, 1, 0, 2),
                |arrivals| arrivals.next(),
                BatchSize::NumIterations(10_000),
            );
        });
    }
}

criterion_group!(benches, arrivals);
criterion_main!(benches);
