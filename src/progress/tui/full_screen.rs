//! The whole screen of the terminal at standard error, and how it is given back.

use std::io::{self, BufWriter, IsTerminal, Stderr, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use ratatui::{Frame, Terminal};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};

use super::backend::AnsiBackend;

/// The alternate screen, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Whether the whole screen is in use.
static IS_ACTIVE: AtomicBool = AtomicBool::new(false);
/// The settings of the terminal before.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// Whether standard error is a terminal that a full screen can be drawn on, and this program is in its foreground.
pub fn can_use_full_screen() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    // In the background, changing the settings of the terminal would stop the process.
    let is_foreground = || tcgetpgrp(io::stderr()).is_ok_and(|group| group == getpgrp());
    io::stderr().is_terminal() && !is_dumb && is_foreground()
}

/// The whole screen of the terminal. What was on it before is back when this is dropped, or when any thread panics.
pub struct FullScreen {
    terminal: Terminal<AnsiBackend<BufWriter<Stderr>>>,
}

impl FullScreen {
    /// Takes the screen. Typed characters are not shown. Ctrl-C still sends SIGINT; Ctrl-Z and Ctrl-\ do nothing, because
    /// they would leave the terminal as it is now.
    ///
    /// # Errors
    /// If the terminal does not take it.
    pub fn enter() -> io::Result<FullScreen> {
        let before = tcgetattr(io::stderr())?;
        HOOK.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                // The message must not vanish with the screen.
                leave();
                previous(panic);
            }));
        });
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
        quiet.special_codes[SpecialCodeIndex::VSUSP] = 0;
        quiet.special_codes[SpecialCodeIndex::VQUIT] = 0;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        IS_ACTIVE.store(true, Ordering::SeqCst);
        // From here on, dropping it gives the screen back.
        let terminal = Terminal::new(AnsiBackend::new(BufWriter::new(io::stderr())));
        let mut screen = FullScreen { terminal: terminal.inspect_err(|_| leave())? };
        tcsetattr(io::stderr(), OptionalActions::Now, &quiet)?;
        io::stderr().write_all(ENTER.as_bytes())?;
        screen.terminal.clear()?;
        Ok(screen)
    }

    /// Draws a frame, in the size that the terminal has now. If the terminal is gone, there is no other place for it.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) {
        if IS_ACTIVE.load(Ordering::SeqCst) {
            let _ = self.terminal.draw(render);
        }
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        leave();
    }
}

/// Gives the screen back.
fn leave() {
    if !IS_ACTIVE.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut err = io::stderr();
    // Nothing helps if the terminal is gone.
    let _ = err.write_all(LEAVE.as_bytes()).and_then(|()| err.flush());
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // Characters that were typed meanwhile are dropped.
        let _ = tcsetattr(err, OptionalActions::Flush, &before);
    }
}
