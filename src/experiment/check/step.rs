use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::load::{LoadError, LoadPlan};

/// A script that takes longer than this for its first requests is stuck.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs a blocking step on another thread.
pub async fn run_blocking<T, F>(load: &LoadPlan, step: F) -> Result<T, String>
where
    T: Send + 'static,
    F: FnOnce(LoadPlan) -> Result<T, LoadError> + Send + 'static,
{
    let load = load.clone();
    match timeout(STEP_TIMEOUT, spawn_blocking(move || step(load))).await {
        Ok(Ok(done)) => done.map_err(|error| error.to_string()),
        Ok(Err(panicked)) => Err(panicked.to_string()),
        Err(_) => Err(format!("no result within {STEP_TIMEOUT:?}")),
    }
}
