//! What the roles' processes have in common: who they are, how long they live, and how they say that they are ready.

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

/// The line with which a role says that it serves: `ready 127.0.0.1:4000 open-files=20000 limit=131346432`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub address: SocketAddr,
    /// How many files, and so connections, it may have open.
    pub open_files: u64,
    /// What its private memory is limited to, in bytes.
    pub limit: Option<u64>,
}

impl Ready {
    /// # Errors
    /// If nobody reads it.
    pub fn announce(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{self}")?;
        out.flush()
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ready {} open-files={}", self.address, self.open_files)?;
        self.limit.map_or(Ok(()), |limit| write!(f, " limit={limit}"))
    }
}

impl FromStr for Ready {
    type Err = ();

    fn from_str(line: &str) -> Result<Ready, ()> {
        let mut words = line.strip_prefix("ready ").ok_or(())?.split(' ');
        let address = words.next().and_then(|word| word.parse().ok()).ok_or(())?;
        let mut ready = Ready { address, open_files: 0, limit: None };
        for word in words {
            match word.split_once('=') {
                Some(("open-files", n)) => ready.open_files = n.parse().map_err(|_no_number| ())?,
                Some(("limit", n)) => ready.limit = Some(n.parse().map_err(|_no_number| ())?),
                _ => return Err(()),
            }
        }
        Ok(ready)
    }
}

/// Ties this process to the process `parent` that started it: dies when that one's thread which did so is gone, or when
/// stdin ends. Each line of stdin before that goes to `command`.
///
/// # Errors
/// If the system refuses a thread.
pub(crate) fn live_with(parent: Option<u32>, command: impl FnMut(&str) + Send + 'static) -> io::Result<()> {
    if let Some(parent) = parent {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have died before it was asked for.
        if getppid().map(Pid::as_raw_nonzero).map(|pid| pid.get().unsigned_abs()) != Some(parent) {
            exit(0);
        }
    }
    listen_to_stdin(command)
}

/// The end of stdin is the end of this process. A thread of its own, since nothing else may hold that up.
pub(crate) fn listen_to_stdin(mut command: impl FnMut(&str) + Send + 'static) -> io::Result<()> {
    let listen = move || {
        for line in io::stdin().lock().lines() {
            match line {
                Ok(line) => command(&line),
                Err(_) => break,
            }
        }
        exit(0)
    };
    // A small stack: it counts as the process's private memory.
    std::thread::Builder::new().name("stdin".into()).stack_size(256 * 1024).spawn(listen)?;
    Ok(())
}

/// Serves until somebody says to stop, with SIGTERM or SIGINT. The first process of a container is only ever ended by
/// signals that it asks for.
///
/// # Errors
/// What serving ends with.
pub(crate) async fn until_stopped(serve: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        done = serve => done,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// Below this many open files a stuck testbed runs out of them before it runs out of memory.
const FEW_FILES: u64 = 8192;

/// Lets this process open as many files as the system ever lets it; gives how many.
///
/// # Errors
/// If the system refuses what it says is allowed.
pub(crate) fn raise_open_files(role: Role) -> io::Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if files < FEW_FILES {
        crate::out::warn(&format!(
            "{role}: only {files} files may be open at once (ulimit -Hn), so at most about {files} connections: \
             raise it to {FEW_FILES} or more, or keep rates low"
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
            Ready { address, open_files: 20_000, limit: Some(131_346_432) },
            Ready { address, open_files: 1024, limit: None },
        ] {
            assert_eq!(ready.to_string().parse(), Ok(ready));
        }
    }

    #[test]
    fn other_lines_are_not_ready() {
        for line in
            ["", "ready", "ready ", "ready 127.0.0.1", "set 1.2.3.4:5", "ready 1.2.3.4:5 limit=x", "ready 1.2.3.4:5 x"]
        {
            assert_eq!(line.parse::<Ready>(), Err(()), "{line}");
        }
    }
}
