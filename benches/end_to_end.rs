//! The time per request at full speed over loopback: one generator thread and one thread of a minimal server. The work of
//! both sides is included.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use metawrk::load::{LoadPlan, LoadSettings, PreparedLoad};
use metawrk::record::Clock;
use metawrk::units::Time;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!";

fn serve(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while matches!(stream.read(&mut buffer), Ok(n) if n > 0) && stream.write_all(ANSWER).is_ok() {}
}

fn end_to_end(c: &mut Criterion) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|stream| drop(std::thread::spawn(|| serve(stream))));
    });

    let mut group = c.benchmark_group("end to end");
    group.sample_size(10).warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(10));
    group.bench_function("a request, 10 connections", |b| {
        b.iter_custom(|iterations| {
            // A rate that cannot be reached: every connection is always busy.
            let plan = LoadPlan::new(LoadSettings {
                threads: 1,
                duration: Time::from_millis(500),
                drain: Time::ZERO,
                ..LoadSettings::new(&url, 1e6)
            });
            let prepared = PreparedLoad::new(plan.expect("a plan"), None).expect("a server");
            let result = prepared.start(Clock::starting_in(Time::from_millis(1))).finish().expect("a run");
            let each = result.duration().0 as f64 / result.account().answered as f64;
            Duration::from_nanos((each * iterations as f64) as u64)
        });
    });
    group.finish();
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
