//! A process, as `/proc` shows it.

use std::fs;
use std::path::PathBuf;

use super::Monitor;
use crate::procfs;
use crate::record::Sample;
use crate::units::Instant;

/// A process of this machine.
#[derive(Clone, Debug)]
pub struct Process {
    source: String,
    folder: PathBuf,
    /// ns in a clock tick of the kernel's accounts.
    tick_ns: u64,
    /// When the process started, in the kernel's ticks: another one may get the number after it.
    started: Option<u64>,
}

impl Process {
    /// The process `pid`, called `source` in samples.
    pub fn new(source: impl Into<String>, pid: u32) -> Process {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let started = fs::read_to_string(folder.join("stat")).ok().as_deref().and_then(procfs::start_ticks);
        let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        Process { source: source.into(), folder, tick_ns, started }
    }

    fn read(&self, file: &str) -> String {
        // A process that is gone says nothing.
        fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }
}

impl Process {
    /// A look, which is always new.
    pub fn look(&self, at_ns: u64) -> Sample {
        let gap = Sample { at: Instant(at_ns), source: self.source.clone(), ..Sample::default() };
        let stat = self.read("stat");
        if self.started.is_none() || procfs::start_ticks(&stat) != self.started {
            return gap;
        }
        let status = self.read("status");
        let Some(memory_bytes) = procfs::status_bytes(&status, "VmData") else {
            // Dead, and not yet collected.
            return gap;
        };
        Sample {
            memory_bytes: Some(memory_bytes),
            resident_bytes: procfs::status_bytes(&status, "VmRSS"),
            limit_bytes: procfs::data_limit(&self.read("limits")),
            threads: procfs::status_number(&status, "Threads"),
            cpu_ns: procfs::cpu_ticks(&stat).map(|ticks| ticks.saturating_mul(self.tick_ns)),
            ..gap
        }
    }
}

impl Monitor for Process {
    fn sample(&mut self, at_ns: u64) -> Option<Sample> {
        Some(self.look(at_ns))
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn this_process_has_numbers() {
        let sample = Process::new("me", std::process::id()).look(7);
        assert_eq!((sample.at, sample.source.as_str()), (Instant(7), "me"));
        assert!(sample.memory_bytes > Some(4096) && sample.resident_bytes > Some(4096), "{sample:?}");
        assert!(sample.threads >= Some(1) && sample.cpu_ns.is_some(), "{sample:?}");
    }

    #[test]
    fn a_process_that_is_gone_is_a_gap() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let process = Process::new("cat", child.id());
        assert!(process.look(1).threads.is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(process.look(2), Sample { at: Instant(2), source: "cat".into(), ..Sample::default() });
    }
}
