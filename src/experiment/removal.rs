//! The wait for faults to be gone, once the load is over.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::fault::Outcome;
use crate::signals::StopSignal;

/// How often it is shown that there is a wait.
const TICK: Duration = Duration::from_millis(100);

/// Waits until all `faults` are gone, and `show`s that it does. `stopped` is who has stopped the run before. The first who
/// does so is given back; a second one ends the wait, and the faults' keepers go on by themselves.
///
/// # Errors
/// That second one.
pub async fn wait(
    faults: Vec<JoinHandle<Outcome>>,
    mut stopped: Option<StopSignal>,
    mut next: impl AsyncFnMut() -> StopSignal,
    mut show: impl FnMut(),
) -> Result<Option<StopSignal>, StopSignal> {
    while !faults.iter().all(JoinHandle::is_finished) {
        show();
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            by = next() => match stopped {
                Some(_) => return Err(by),
                None => stopped = Some(by),
            },
        }
    }
    Ok(stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for a fault that is gone after so many seconds, with a signal each second. What came of it, and how often it
    /// was shown.
    async fn waited(seconds: u64, stopped: Option<StopSignal>) -> (Result<Option<StopSignal>, StopSignal>, usize) {
        let fault = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(1000 * seconds + 50)).await;
            Outcome::Verified
        });
        let mut signals = tokio::time::interval(Duration::from_secs(1));
        signals.tick().await;
        let mut shown = 0;
        let next = async || {
            signals.tick().await;
            StopSignal::Terminate
        };
        let done = wait(vec![fault], stopped, next, || shown += 1).await;
        (done, shown)
    }

    #[tokio::test(start_paused = true)]
    async fn faults_are_waited_for_until_a_second_signal() {
        let by = StopSignal::Terminate;
        let (done, shown) = waited(0, None).await;
        assert_eq!((done, shown), (Ok(None), 1));
        let (done, shown) = waited(1, None).await;
        assert!(done == Ok(Some(by)) && shown > 5, "{done:?} {shown}");
        assert_eq!(waited(3, None).await.0, Err(by));
        assert_eq!(waited(3, Some(StopSignal::Interrupt)).await.0, Err(by));
        assert_eq!(waited(0, Some(StopSignal::Interrupt)).await.0, Ok(Some(StopSignal::Interrupt)));
    }
}
