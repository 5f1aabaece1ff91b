//! The cost of the next due time.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use metawrk::arrivals::{ArrivalProcess, Arrivals, Profile, ThreadShare};
use metawrk::units::Time;

fn arrivals(c: &mut Criterion) {
    let processes = [
        ("fixed", ArrivalProcess::Fixed),
        ("exp", ArrivalProcess::Exp),
        ("norm", ArrivalProcess::Norm),
        ("zipf", ArrivalProcess::Zipf),
    ];
    let rates = [("2000", ""), ("1000..3000@5s,2000", " under a profile")];
    for ((name, process), (rate, under)) in processes.into_iter().flat_map(|p| rates.map(|r| (p, r))) {
        let profile: Profile = rate.parse().expect("a profile");
        let rate = profile.resolve(Time::from_secs(10)).expect("a rate");
        c.bench_function(&format!("arrivals/{name}{under}"), |b| {
            b.iter_batched_ref(
                || Arrivals::new(process, &rate, 1, ThreadShare::new(0, 2)),
                |arrivals| arrivals.next(),
                BatchSize::NumIterations(10_000),
            );
        });
    }
}

criterion_group!(benches, arrivals);
criterion_main!(benches);
