//! What both ways over the loopback take: the response time of a minimal client minus the server's own.

use std::io;
use std::time::Duration;

use metawrk::stats::percentile;

use crate::Bench;
use crate::floor::{self, Client};
use crate::server::Behaviour;

/// The median for `client` at this rate, in us. The server has nothing else to do.
pub fn measure(bench: &Bench, client: Client, connections: usize, rate: u32, time: Duration) -> io::Result<f64> {
    bench.server.begin(Behaviour::default());
    let reported = floor::median(bench.server.address, connections, rate, time, client)?;
    Ok(reported.as_nanos() as f64 / 1e3 - server_median(bench))
}

/// The median of the response times in the server's log, in us.
pub fn server_median(bench: &Bench) -> f64 {
    let mut times: Vec<u64> = bench.server.log().iter().map(|logged| logged.time().0).collect();
    percentile(&mut times, 50.0).map_or(f64::NAN, |ns| ns as f64 / 1e3)
}
