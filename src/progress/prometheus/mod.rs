//! Progress for Prometheus: an endpoint that it scrapes.
//!
//! Once a second the counts and histograms of the last second are added to totals. A scrape reads only these, so it never
//! disturbs the threads that send requests.

mod buckets;
mod metrics;
mod server;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use anyhow::Context;

use super::{Progress, ProgressOutput};
use metrics::{Totals, lock};

/// Serves the progress of a run to Prometheus, from the start of the program to its end.
pub struct PrometheusOutput {
    totals: Arc<Mutex<Totals>>,
    address: SocketAddr,
}

impl PrometheusOutput {
    /// Listens at `address`, a `HOST:PORT`. Port 0 is any free port.
    ///
    /// # Errors
    /// If the address is not one of this machine, or another program uses it.
    pub fn listen(address: &str) -> anyhow::Result<PrometheusOutput> {
        let failed = || {
            format!(
                "cannot serve metrics at {address}. Write --prometheus HOST:PORT with a free port, such as 127.0.0.1:9464"
            )
        };
        let listener = TcpListener::bind(address).with_context(failed)?;
        let address = listener.local_addr().with_context(failed)?;
        let totals = Arc::<Mutex<Totals>>::default();
        server::start(listener, Arc::clone(&totals)).with_context(failed)?;
        Ok(PrometheusOutput { totals, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl ProgressOutput for PrometheusOutput {
    fn show(&mut self, progress: &Progress) {
        lock(&self.totals).add(progress);
    }
}
