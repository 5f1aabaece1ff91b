//! Faults on the testbed's link, between its post-storage and its post-db: both stay up.
//!
//! Each is seen from outside, by requests through the link, and not believed because the link says so.

mod bandwidth;
mod cut;
mod delay;
mod loss;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{FaultError, StepReport};
use crate::testbed::{Command, LinkHandle};

pub use bandwidth::LimitLink;
pub use cut::CutLink;
pub use delay::DelayLink;
pub use loss::LossyLink;

/// How long a look may differ from what it should be: a busy machine answers late.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

async fn tell(link: &LinkHandle, command: Command) -> Result<StepReport, FaultError> {
    let told = link.tell(command).await;
    told.map(|()| format!("told: {command}").into()).map_err(|e| failed("command", e.to_string()))
}

/// Looks again until it sees what it should; what it saw instead after [`PATIENCE`] is the error.
async fn insist<F>(what: &'static str, mut look: impl FnMut() -> F) -> Result<StepReport, FaultError>
where
    F: Future<Output = Result<String, String>>,
{
    let start = Instant::now();
    loop {
        match look().await {
            Ok(seen) => return Ok(seen.into()),
            Err(why) if start.elapsed() >= PATIENCE => return Err(failed(what, why)),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

fn failed(what: &'static str, why: String) -> FaultError {
    let remedy = "the testbed ends with the run: start it again".into();
    FaultError { what: what.into(), on: "the testbed's link".into(), why, remedy }
}
