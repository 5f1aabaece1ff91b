//! Faults on a link: that of the testbed, between its post-storage and its post-db, or a proxy in front of a service of the
//! user. What is at its ends stays up.
//!
//! Requests through the link show whether a fault took effect; the link's own word is not enough.

mod bandwidth;
mod cut;
mod delay;
mod loss;
mod proxy;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Fault, FaultError, Spec, StepReport};
use crate::testbed::{LinkCommand, LinkHandle};

pub use bandwidth::LinkBandwidth;
pub use cut::LinkCut;
pub use delay::LinkDelay;
pub use loss::LinkLoss;
pub use proxy::{CutKind, ProxyAddress, ProxyEffect, ProxyFault};

/// A fault on a link.
pub trait LinkSpec: Spec {
    /// The fault on `link`, which is the testbed's, or the proxy at [`LinkSpec::proxy`].
    fn fault(&self, link: LinkHandle) -> Box<dyn Fault>;

    /// The proxy that it is done on. `None` for the testbed's link.
    fn proxy(&self) -> Option<&ProxyAddress> {
        None
    }
}

/// How long requests may show something else than they should: a busy machine answers late.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two probes.
const PAUSE: Duration = Duration::from_millis(20);

async fn command(link: &LinkHandle, command: LinkCommand) -> Result<StepReport, FaultError> {
    let obeyed = link.send(command).await;
    obeyed.map(|()| format!("the link obeyed `{command}`").into()).map_err(|e| failed(link, "command", e.to_string()))
}

/// Probes again until it sees what it should; what it saw instead after [`PATIENCE`] is the error.
async fn probe_until<F>(
    link: &LinkHandle,
    action: &'static str,
    mut probe: impl FnMut() -> F,
) -> Result<StepReport, FaultError>
where
    F: Future<Output = Result<String, String>>,
{
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(seen) => return Ok(seen.into()),
            Err(why) if start.elapsed() >= PATIENCE => return Err(failed(link, action, why)),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

fn failed(link: &LinkHandle, action: &'static str, why: String) -> FaultError {
    FaultError::new(action, link.name(), "It ends with the run: start the experiment again.")(why)
}
