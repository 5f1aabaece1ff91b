//! What the processes of all roles have in common: their names, their lifetime, and the line that reports them as ready.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::process::exit;
use std::str::FromStr;

use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// A process of the testbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    ComposePost,
    PostStorage,
    Link,
    PostDb,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::ComposePost, Role::PostStorage, Role::Link, Role::PostDb];

    /// The name in files, and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Role::ComposePost => "compose-post",
            Role::PostStorage => "post-storage",
            Role::Link => "link",
            Role::PostDb => "post-db",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The line that a role prints when it serves: `ready 127.0.0.1:4000 open-files=20000 limit=131346432`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadyLine {
    pub address: SocketAddr,
    /// Number of files that the process may have open. This limits its connections.
    pub open_files: u64,
    /// Limit on the private memory of the process, in bytes.
    pub limit: Option<u64>,
}

impl ReadyLine {
    /// # Errors
    /// If standard output is closed.
    pub fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{self}")?;
        out.flush()
    }
}

impl fmt::Display for ReadyLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ready {} open-files={}", self.address, self.open_files)?;
        self.limit.map_or(Ok(()), |limit| write!(f, " limit={limit}"))
    }
}

impl FromStr for ReadyLine {
    type Err = ();

    fn from_str(line: &str) -> Result<ReadyLine, ()> {
        let mut words = line.strip_prefix("ready ").ok_or(())?.split(' ');
        let address = words.next().and_then(|word| word.parse().ok()).ok_or(())?;
        let mut ready = ReadyLine { address, open_files: 0, limit: None };
        for word in words {
            match word.split_once('=') {
                Some(("open-files", n)) => ready.open_files = n.parse().map_err(|_not_a_number| ())?,
                Some(("limit", n)) => ready.limit = Some(n.parse().map_err(|_not_a_number| ())?),
                _ => return Err(()),
            }
        }
        Ok(ready)
    }
}

/// Lets this process end with its parent: when the parent's thread that started it ends, and when standard input ends. Each
/// line of standard input goes to `on_line`.
///
/// # Errors
/// If no thread can be created.
pub(crate) fn tie_to_parent(parent: Option<u32>, on_line: impl FnMut(&str) + Send + 'static) -> io::Result<()> {
    if let Some(parent) = parent {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have ended before the signal was set.
        if getppid().map(Pid::as_raw_nonzero).map(|pid| pid.get().unsigned_abs()) != Some(parent) {
            exit(0);
        }
    }
    read_stdin_lines(on_line)
}

/// Calls `on_line` for each line of standard input, on a separate thread. Ends this process when standard input ends.
///
/// # Errors
/// If no thread can be created.
pub(crate) fn read_stdin_lines(mut on_line: impl FnMut(&str) + Send + 'static) -> io::Result<()> {
    let read = move || {
        for line in io::stdin().lock().lines() {
            match line {
                Ok(line) => on_line(&line),
                Err(_) => break,
            }
        }
        exit(0)
    };
    // The stack is small because it counts as private memory of the process.
    std::thread::Builder::new().name("stdin".into()).stack_size(256 * 1024).spawn(read)?;
    Ok(())
}

/// Serves until SIGTERM or SIGINT. The first process of a container ignores these signals unless it handles them.
///
/// # Errors
/// The error of `serve`, or of installing the signal handlers.
pub(crate) async fn until_stopped(serve: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        served = serve => served,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// With fewer open files, a stuck testbed runs out of files before it runs out of memory.
const ENOUGH_FILES: u64 = 8192;

/// Raises the limit on open files as far as the system allows, and returns it. Warns if it is low.
///
/// # Errors
/// If the limit cannot be read or raised.
pub(crate) fn raise_open_files(role: Role) -> io::Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if files < ENOUGH_FILES {
        crate::out::warn(&format!(
            "{role}: the limit on open files is {files}, which limits connections to about as many. \
             Raise it to {ENOUGH_FILES} or more (ulimit -Hn), or use a low rate."
        ));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_lines_round_trip() {
        let address = "127.0.0.1:4000".parse().unwrap();
        for ready in [
            ReadyLine { address, open_files: 20_000, limit: Some(131_346_432) },
            ReadyLine { address, open_files: 1024, limit: None },
        ] {
            assert_eq!(ready.to_string().parse(), Ok(ready));
        }
    }

    #[test]
    fn other_lines_are_not_ready_lines() {
        for line in
            ["", "ready", "ready ", "ready 127.0.0.1", "set 1.2.3.4:5", "ready 1.2.3.4:5 limit=x", "ready 1.2.3.4:5 x"]
        {
            assert_eq!(line.parse::<ReadyLine>(), Err(()), "{line}");
        }
    }
}
