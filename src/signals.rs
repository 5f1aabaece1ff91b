//! SIGINT, SIGTERM and SIGHUP, which end a run early, and SIGXFSZ, which ends nothing.

use std::future::pending;
use std::io;
use std::time::{Duration, Instant};

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::procfs;

/// The signal that stopped a run before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    Interrupt,
    Terminate,
    /// The terminal was closed, as when an ssh session drops.
    Hangup,
}

impl StopSignal {
    /// The exit code of a program that this signal ended, by the convention of shells.
    pub const fn exit_code(self) -> u8 {
        match self {
            StopSignal::Interrupt => 130,
            StopSignal::Terminate => 143,
            StopSignal::Hangup => 129,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            StopSignal::Interrupt => "SIGINT",
            StopSignal::Terminate => "SIGTERM",
            StopSignal::Hangup => "SIGHUP",
        }
    }
}

/// Receives SIGINT, SIGTERM and SIGHUP.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` if the program was started with SIGHUP ignored, as `nohup` does. It then stays ignored.
    hangup: Option<Signal>,
    /// The last signal that [`Signals::next`] returned, and when.
    last: Option<(StopSignal, Instant)>,
}

/// Two signals of a kind within this time are one: a wrapper passes on the Ctrl-C that the terminal sends to both.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

impl Signals {
    /// Starts to receive the signals. From now on they do not end the process. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the signal handlers cannot be installed.
    pub fn new() -> io::Result<Signals> {
        let is_ignored = std::fs::read_to_string("/proc/self/status")
            .is_ok_and(|status| procfs::ignores_signal(&status, Number::HUP.as_raw()));
        let hangup = if is_ignored { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
            last: None,
        })
    }

    /// A signal received since the last wait.
    pub async fn take_pending(&mut self) -> Option<StopSignal> {
        tokio::time::timeout(Duration::from_millis(1), self.next()).await.ok()
    }

    /// Waits for any of the signals. One that repeats the last one within half a second is left out.
    pub async fn next(&mut self) -> StopSignal {
        loop {
            let signal = self.receive().await;
            let now = Instant::now();
            let repeats = |(last, at)| last == signal && now.duration_since(at) < SAME_SIGNAL;
            if !self.last.is_some_and(repeats) {
                self.last = Some((signal, now));
                return signal;
            }
        }
    }

    async fn receive(&mut self) -> StopSignal {
        let hangup = async {
            match &mut self.hangup {
                Some(signal) => drop(signal.recv().await),
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            () = hangup => StopSignal::Hangup,
        }
    }
}

/// Makes a write beyond the limit on file sizes (`ulimit -f`) fail like one to a full disk. By default SIGXFSZ would end
/// the process there, without a message or a report.
///
/// # Errors
/// If the signal handler cannot be installed.
pub fn survive_file_size_limit() -> io::Result<()> {
    // The handler stays installed when the runtime is gone.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _guard = runtime.enter();
    signal(SignalKind::from_raw(Number::XFSZ.as_raw())).map(drop)
}
