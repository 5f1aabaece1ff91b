//! Faults on the testbed's link, between its post-storage and its post-db: both stay up.
//!
//! Requests through the link show whether a fault took effect; the link's own word is not enough.

mod bandwidth;
mod cut;
mod delay;
mod loss;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Fault, FaultError, Spec, StepReport};
use crate::testbed::{LinkCommand, LinkHandle};

pub use bandwidth::LinkBandwidth;
pub use cut::LinkCut;
pub use delay::LinkDelay;
pub use loss::LinkLoss;

/// A fault on the testbed's link.
pub trait LinkSpec: Spec {
    fn fault(&self, link: LinkHandle) -> Box<dyn Fault>;
}

/// How long requests may show something else than they should: a busy machine answers late.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two probes.
const PAUSE: Duration = Duration::from_millis(20);

async fn command(link: &LinkHandle, command: LinkCommand) -> Result<StepReport, FaultError> {
    let obeyed = link.send(command).await;
    obeyed.map(|()| format!("the link obeyed `{command}`").into()).map_err(|e| failed("command", e.to_string()))
}

/// Probes again until it sees what it should; what it saw instead after [`PATIENCE`] is the error.
async fn probe_until<F>(action: &'static str, mut probe: impl FnMut() -> F) -> Result<StepReport, FaultError>
where
    F: Future<Output = Result<String, String>>,
{
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(seen) => return Ok(seen.into()),
            Err(why) if start.elapsed() >= PATIENCE => return Err(failed(action, why)),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

fn failed(action: &'static str, why: String) -> FaultError {
    let remedy = "The testbed ends with the run: start the experiment again.";
    FaultError::new(action, "the testbed's link", remedy)(why)
}
