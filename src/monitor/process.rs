//! A process, from its files in `/proc`.

use std::fs;
use std::path::PathBuf;

use super::{Monitor, sample_of};
use crate::docker::Usage;
use crate::procfs;
use crate::record::Sample;
use crate::units::Instant;

/// Monitors a process of this machine.
#[derive(Clone, Debug)]
pub struct ProcessMonitor {
    source: String,
    folder: PathBuf,
    /// Length of a clock tick in the kernel's CPU times, in ns.
    tick_ns: u64,
    /// When the process started, in clock ticks since boot. A later process may get the same id, but starts later.
    started: Option<u64>,
}

impl ProcessMonitor {
    /// Monitors the process `pid`. `source` is its name in samples.
    pub fn new(source: impl Into<String>, pid: u32) -> ProcessMonitor {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let started = fs::read_to_string(folder.join("stat")).ok().as_deref().and_then(procfs::start_ticks);
        let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        ProcessMonitor { source: source.into(), folder, tick_ns, started }
    }

    /// Reads a sample, which has no values if the process has ended.
    pub fn read(&self, at: Instant) -> Sample {
        sample_of(&self.source, at, self.read_usage())
    }

    /// The current usage. `None` if the process has ended.
    ///
    /// Its memory is what its limit counts (`RLIMIT_DATA`), and the resident set if it has no limit.
    pub fn read_usage(&self) -> Option<Usage> {
        let stat = self.read_file("stat");
        if self.started.is_none() || procfs::start_ticks(&stat) != self.started {
            return None;
        }
        let status = self.read_file("status");
        // Missing for a zombie: the process has ended, and its parent has not waited for it.
        let resident = procfs::status_bytes(&status, "VmRSS")?;
        let limit = procfs::data_limit(&self.read_file("limits"));
        let used = match limit {
            Some(_) => procfs::status_bytes(&status, "VmData")?,
            None => resident,
        };
        Some(Usage {
            used,
            anonymous: Some(resident),
            limit,
            threads: procfs::status_number(&status, "Threads"),
            cpu_ns: procfs::cpu_ticks(&stat).map(|ticks| ticks.saturating_mul(self.tick_ns)),
            oom_kills: None,
        })
    }

    /// The contents of a file in the process's folder; empty if the process has ended.
    fn read_file(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }
}

impl Monitor for ProcessMonitor {
    fn read_sample(&mut self, at: Instant) -> Option<Sample> {
        Some(self.read(at))
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_running_process_has_values() {
        let sample = ProcessMonitor::new("me", std::process::id()).read(Instant(7));
        assert_eq!((sample.at, sample.source.as_str()), (Instant(7), "me"));
        assert!(sample.memory_bytes > Some(4096) && sample.resident_bytes > Some(4096), "{sample:?}");
        assert!(sample.threads >= Some(1) && sample.cpu_ns.is_some(), "{sample:?}");
    }

    #[test]
    fn a_process_that_has_ended_has_no_values() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let monitor = ProcessMonitor::new("cat", child.id());
        assert!(monitor.read(Instant(1)).threads.is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(monitor.read(Instant(2)), Sample { at: Instant(2), source: "cat".into(), ..Sample::default() });
    }
}
