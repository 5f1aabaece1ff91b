use std::{fmt, fs, io};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::procfs;

/// The process that a fault is done to. Its start time and the boot of the machine tell it from a later process with the
/// same pid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTarget {
    pub pid: u32,
    /// In clock ticks since the machine started.
    pub start_ticks: u64,
    /// The kernel's id of this run of the machine.
    pub boot_id: String,
    /// The kernel's name of its program.
    pub name: String,
}

impl ProcessTarget {
    /// The process with this pid; `None` where there is none, or where it has ended and waits for its parent.
    pub(crate) fn inspect(pid: u32) -> Option<ProcessTarget> {
        let stat = read_stat(pid)?;
        let has_ended = matches!(procfs::state(&stat)?, 'Z' | 'X');
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned();
        let target = ProcessTarget { pid, start_ticks: procfs::start_ticks(&stat)?, boot_id: boot_id(), name };
        (!has_ended).then_some(target)
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        ProcessTarget::inspect(self.pid).is_some_and(|now| now.is_same(self))
    }

    /// Whether the two are one process. Its program, and so its name, may have changed.
    pub(crate) fn is_same(&self, other: &ProcessTarget) -> bool {
        let identity = |target: &ProcessTarget| (target.pid, target.start_ticks, target.boot_id.clone());
        identity(self) == identity(other)
    }

    /// Signals it, and never another process with its pid.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, "it has ended");
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        // The descriptor stays with the process that has the pid now; then it is checked which one that is.
        let descriptor = pidfd_open(pid, PidfdFlags::empty());
        if !self.is_alive() {
            return Err(gone());
        }
        match descriptor {
            Ok(descriptor) => pidfd_send_signal(descriptor, signal)?,
            // Linux before 5.3 has no such descriptors.
            Err(rustix::io::Errno::NOSYS) => kill_process(pid, signal)?,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The states of its threads as in proc(5): `T` is stopped.
    pub(crate) fn thread_states(&self) -> Vec<char> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten();
        let state = |stat: String| procfs::state(&stat);
        threads.filter_map(|thread| state(fs::read_to_string(thread.path().join("stat")).ok()?)).collect()
    }
}

impl fmt::Display for ProcessTarget {
    /// `process 4242 (nginx)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.name)
    }
}

fn read_stat(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_with_the_same_pid_is_not_signalled() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let target = ProcessTarget::inspect(child.id()).unwrap();
        let earlier = ProcessTarget { start_ticks: target.start_ticks - 1, ..target.clone() };
        let before_reboot = ProcessTarget { boot_id: "0".to_owned(), ..target.clone() };
        for other in [&earlier, &before_reboot] {
            assert!(!other.is_alive());
            assert_eq!(other.signal(Signal::KILL).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
        assert!(target.is_alive());
        target.signal(Signal::KILL).unwrap();
        child.wait().unwrap();
        assert!(!target.is_alive());
    }
}
