//! The two programs, started as a shell does.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

pub const METAWRK: &str = env!("CARGO_BIN_EXE_metawrk");
pub const WRK2: &str = env!("CARGO_BIN_EXE_wrk2");

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a program in `dir` to its end.
pub fn run(program: &str, dir: &Path, args: &[&str]) -> Ended {
    started(program, dir, args).end()
}

/// A program that runs.
pub struct Started {
    child: Child,
    out: BufReader<Box<dyn Read>>,
}

pub fn started(program: &str, dir: &Path, args: &[&str]) -> Started {
    start(program, dir, args, Stdio::piped())
}

fn start(program: &str, dir: &Path, args: &[&str], err: Stdio) -> Started {
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(err);
    let mut child = command.spawn().unwrap();
    let out: Box<dyn Read> = Box::new(child.stdout.take().unwrap());
    Started { child, out: BufReader::new(out) }
}

/// Our end and the program's end of a new terminal.
fn open_terminal() -> (OwnedFd, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let size = Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&ours, size).unwrap();
    let theirs = ioctl_tiocgptpeer(&ours, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    (ours, theirs)
}

/// The terminal that a program was started from.
pub struct ControllingTerminal {
    ours: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl ControllingTerminal {
    /// Starts a program in `dir` in the foreground of a new terminal. Its standard output is a pipe.
    pub fn start(program: &str, dir: &Path, args: &[&str]) -> (Started, ControllingTerminal) {
        let (ours, theirs) = open_terminal();
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program).args(args).current_dir(dir).env("TERM", "xterm").stdout(Stdio::piped());
        command.stdin(theirs.try_clone().unwrap()).stderr(theirs);
        let mut child = command.spawn().unwrap();
        drop(command);
        let out: Box<dyn Read> = Box::new(child.stdout.take().unwrap());
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, all) = (File::from(ours.try_clone().unwrap()), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The read fails when the program has closed the terminal.
            while let Ok(count) = reader.read(&mut buffer) {
                all.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        (Started { child, out: BufReader::new(out) }, ControllingTerminal { ours, shown })
    }

    /// All that was written to it so far.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Types on it.
    pub fn send_keys(&self, keys: &str) {
        File::from(self.ours.try_clone().unwrap()).write_all(keys.as_bytes()).unwrap();
    }

    /// Whether it echoes, and which keys send signals.
    pub fn settings(&self) -> String {
        let settings = tcgetattr(&self.ours).unwrap();
        format!("{:?} {:?}", settings.local_modes, settings.special_codes)
    }
}

/// Runs a program in `dir` to its end, with a terminal as its standard error. [`Ended::err`] is what it wrote there.
pub fn run_on_terminal(program: &str, dir: &Path, args: &[&str]) -> Ended {
    let (ours, theirs) = open_terminal();
    let running = start(program, dir, args, theirs.into());
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        // The read fails when the program has closed the terminal.
        let _ = File::from(ours).read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    });
    let ended = running.end();
    Ended { err: reader.join().unwrap(), ..ended }
}

impl Started {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn send(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// The names of its threads.
    pub fn threads(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().flatten();
        tasks
            .filter_map(|task| Some(std::fs::read_to_string(task.path().join("comm")).ok()?.trim().to_owned()))
            .collect()
    }

    /// The next line of its output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    /// Waits for its end, but not for longer than `time`. Whether it has ended.
    pub fn has_ended_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            if self.child.try_wait().unwrap().is_some() {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(left.min(Duration::from_millis(5)));
        }
    }

    /// Closes the pipe of its output.
    pub fn hang_up(&mut self) {
        self.out = BufReader::new(Box::new(std::io::empty()));
    }

    /// Waits for its end.
    pub fn end(self) -> Ended {
        self.end_after(|_| {})
    }

    /// Sends a signal again and again until it ends: of two signals in quick succession one may be lost.
    pub fn end_by(self, signal: Signal) -> Ended {
        self.end_after(|running| running.send(signal))
    }

    /// Its output must fit into a pipe.
    fn end_after(mut self, again: impl Fn(&Started)) -> Ended {
        let mut status: Option<ExitStatus> = None;
        eventually("the end of the program", || {
            again(&self);
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let mut ended = Ended { code: status.unwrap().code(), out: String::new(), err: String::new() };
        self.out.read_to_string(&mut ended.out).unwrap();
        if let Some(mut err) = self.child.stderr.take() {
            err.read_to_string(&mut ended.err).unwrap();
        }
        assert!(!ended.err.contains("panicked"), "{ended:?}");
        ended
    }
}

impl Drop for Started {
    /// A failed test leaves no program running.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

/// Waits until `happened`. Fails after a minute.
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !happened() {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The running children of `parent`: process id and arguments.
pub fn children(parent: u32) -> Vec<(u32, Vec<String>)> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| state(pid).is_some_and(|(of, _)| of == parent))
        .filter_map(|pid| {
            let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            Some((pid, arguments.split('\0').map(str::to_owned).collect()))
        })
        .collect()
}

/// Whether a process runs. A zombie does not.
pub fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|(_, state)| state != "Z")
}

/// Its parent and its state.
fn state(pid: u32) -> Option<(u32, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.to_owned();
    Some((fields.next()?.parse().ok()?, state))
}

/// Runs a command that must exit with 1 and print `message`.
pub fn assert_refused(program: &str, dir: &Path, args: &[&str], message: &str) {
    let ended = run(program, dir, args);
    assert_eq!(ended.code, Some(1), "{args:?}: {ended:?}");
    assert!(ended.err.contains(message), "{args:?}: no {message}: {ended:?}");
}
