//! SIGINT and SIGTERM: a person, or a system, wants a run to end.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Who stopped a run before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    Interrupt,
    Terminate,
}

impl Stopped {
    /// What a shell expects of a program that ended so.
    pub const fn exit_code(self) -> u8 {
        match self {
            Stopped::Interrupt => 130,
            Stopped::Terminate => 143,
        }
    }
}

/// SIGINT and SIGTERM.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Needs a tokio runtime. From here on neither ends the process by itself.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn new() -> io::Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Who spoke up while nobody waited.
    pub async fn meanwhile(&mut self) -> Option<Stopped> {
        tokio::time::timeout(Duration::from_millis(1), self.next()).await.ok()
    }

    /// Waits for either.
    pub async fn next(&mut self) -> Stopped {
        tokio::select! {
            _ = self.interrupt.recv() => Stopped::Interrupt,
            _ = self.terminate.recv() => Stopped::Terminate,
        }
    }
}
