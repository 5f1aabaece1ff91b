//! SIGINT and SIGTERM, which end a run early.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signal that stopped a run before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    Interrupt,
    Terminate,
}

impl StopSignal {
    /// The exit code of a program that this signal ended, by the convention of shells.
    pub const fn exit_code(self) -> u8 {
        match self {
            StopSignal::Interrupt => 130,
            StopSignal::Terminate => 143,
        }
    }
}

/// Receives SIGINT and SIGTERM.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Starts to receive both signals. From now on they do not end the process. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the signal handlers cannot be installed.
    pub fn new() -> io::Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// A signal received since the last wait.
    pub async fn take_pending(&mut self) -> Option<StopSignal> {
        tokio::time::timeout(Duration::from_millis(1), self.next()).await.ok()
    }

    /// Waits for either signal.
    pub async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
    }
}
