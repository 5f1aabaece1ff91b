//! The wait for the removal of the faults, once the load is over.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::fault::Outcome;
use crate::signals::StopSignal;

/// The interval at which the progress line is updated.
const TICK: Duration = Duration::from_millis(100);

/// Waits until all `faults` are removed, and calls `show_progress` meanwhile. `stopped` is the signal that has already
/// stopped the run. Returns the first signal that stopped the run, if any.
///
/// # Errors
/// The second signal ends the wait. The keepers of the faults then continue alone.
pub async fn await_removal(
    faults: Vec<JoinHandle<Outcome>>,
    mut stopped: Option<StopSignal>,
    mut next_signal: impl AsyncFnMut() -> StopSignal,
    mut show_progress: impl FnMut(),
) -> Result<Option<StopSignal>, StopSignal> {
    while !faults.iter().all(JoinHandle::is_finished) {
        show_progress();
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            signal = next_signal() => match stopped {
                Some(_) => return Err(signal),
                None => stopped = Some(signal),
            },
        }
    }
    Ok(stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for a fault that is removed after `seconds`, with a signal each second. Returns the result, and how often
    /// progress was shown.
    async fn await_with_signals(
        seconds: u64,
        stopped: Option<StopSignal>,
    ) -> (Result<Option<StopSignal>, StopSignal>, usize) {
        let fault = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(1000 * seconds + 50)).await;
            Outcome::Verified
        });
        let mut signals = tokio::time::interval(Duration::from_secs(1));
        signals.tick().await;
        let mut shown = 0;
        let next_signal = async || {
            signals.tick().await;
            StopSignal::Terminate
        };
        let result = await_removal(vec![fault], stopped, next_signal, || shown += 1).await;
        (result, shown)
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_signal_ends_the_wait_for_faults() {
        let signal = StopSignal::Terminate;
        let (result, shown) = await_with_signals(0, None).await;
        assert_eq!((result, shown), (Ok(None), 1));
        let (result, shown) = await_with_signals(1, None).await;
        assert!(result == Ok(Some(signal)) && shown > 5, "{result:?} {shown}");
        assert_eq!(await_with_signals(3, None).await.0, Err(signal));
        assert_eq!(await_with_signals(3, Some(StopSignal::Interrupt)).await.0, Err(signal));
        assert_eq!(await_with_signals(0, Some(StopSignal::Interrupt)).await.0, Ok(Some(StopSignal::Interrupt)));
    }
}
