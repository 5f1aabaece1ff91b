//! The cost of finding the end of a response, and the requests in a script's string.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use metawrk::http1::{Framer, NullSink, scan_requests};

fn framing(c: &mut Criterion) {
    let head =
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 22 Nov 2026 07:00:00 GMT\r\nContent-Type: text/plain\r\n";
    let length = format!("{head}Content-Length: 13\r\nConnection: keep-alive\r\n\r\nHello, world!");
    let chunks = "400\r\n".to_owned() + &"x".repeat(1024) + "\r\n";
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunks.repeat(16));
    let mut group = c.benchmark_group("framing");
    for (name, bytes) in [("content-length", length), ("chunked 16 KiB", chunked)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let mut framer = Framer::default();
        group.bench_function(name, |b| {
            b.iter(|| {
                framer.expect(false);
                framer.feed(bytes.as_bytes(), &mut NullSink)
            });
        });
    }
    let post = format!("POST /compose HTTP/1.1\r\nHost: a\r\nContent-Length: 600\r\n\r\n{}", "x".repeat(600));
    group.throughput(Throughput::Bytes(post.len() as u64));
    let mut parts = Vec::new();
    group.bench_function("a script's request", |b| b.iter(|| scan_requests(post.as_bytes(), &mut parts)));
    group.finish();
}

criterion_group!(benches, framing);
criterion_main!(benches);
