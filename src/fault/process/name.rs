//! How a plan names a process: by its number, by its program, or as a component of the testbed.

use std::fmt;
use std::fs;
use std::path::Path;

use super::target::ProcessTarget;
use crate::fault::FaultError;

/// A process of this machine, as a plan names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessName {
    Pid(u32),
    /// The name of its program: `nginx`.
    Program(String),
    /// A component of the testbed: `post-db`. The run knows its pid.
    Component(String),
}

impl ProcessName {
    /// From the keys `pid`, `process` and `component`: at most one of them is set.
    pub(crate) fn from_keys(
        pid: Option<u32>,
        process: Option<String>,
        component: Option<String>,
    ) -> Result<Option<ProcessName>, String> {
        let names =
            [pid.map(ProcessName::Pid), process.map(ProcessName::Program), component.map(ProcessName::Component)];
        let mut names = names.into_iter().flatten();
        match (names.next(), names.next()) {
            (name, None) => Ok(name),
            _ => Err("`pid`, `process` and `component` exclude each other: set one of them".to_owned()),
        }
    }

    /// The keys `pid`, `process` and `component`.
    pub(crate) fn into_keys(self) -> (Option<u32>, Option<String>, Option<String>) {
        match self {
            ProcessName::Pid(pid) => (Some(pid), None, None),
            ProcessName::Program(program) => (None, Some(program), None),
            ProcessName::Component(component) => (None, None, Some(component)),
        }
    }

    /// A component of the testbed becomes the process that `pid_of` knows.
    pub(crate) fn resolve(&mut self, pid_of: &dyn Fn(&str) -> Option<u32>) {
        if let ProcessName::Component(component) = self
            && let Some(pid) = pid_of(component)
        {
            *self = ProcessName::Pid(pid);
        }
    }

    /// The one process of this name, other than this one and its parent.
    ///
    /// # Errors
    /// Where there is none, or more than one.
    pub(crate) fn find(&self) -> Result<ProcessTarget, FaultError> {
        let failed = |why: String, remedy: &'static str| Err(FaultError::new("find", self.to_string(), remedy)(why));
        match self {
            ProcessName::Pid(pid) => match ProcessTarget::inspect(*pid) {
                Some(target) => Ok(target),
                None => failed("no process has this pid".to_owned(), "Start the system under test first."),
            },
            ProcessName::Component(_) => {
                failed("the run has no testbed with it".to_owned(), "Name a process by `pid` or `process`.")
            }
            ProcessName::Program(program) => {
                let found: Vec<_> = all().into_iter().filter(|pid| programs(*pid).contains(program)).collect();
                match found.as_slice() {
                    [pid] => ProcessName::Pid(*pid).find(),
                    [] => failed("no process runs this program".to_owned(), "Start the system under test first."),
                    several => {
                        let pids: Vec<_> = several.iter().map(|pid| format!("pid {pid}")).collect();
                        let why = format!("{} processes run this program: {}", several.len(), pids.join(", "));
                        failed(why, "Name one of them by `pid`.")
                    }
                }
            }
        }
    }
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessName::Pid(pid) => write!(f, "pid {pid}"),
            ProcessName::Program(program) => write!(f, "process {program}"),
            ProcessName::Component(component) => write!(f, "component {component}"),
        }
    }
}

/// The processes of this machine, without this one and its parent: a keeper does not mean itself, nor its run.
fn all() -> Vec<u32> {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    let own = [std::process::id(), parent];
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| !own.contains(pid)).collect()
}

/// The names of a process's program: the kernel's own (at most 15 bytes), the file name of its first argument, and that of
/// its executable.
fn programs(pid: u32) -> Vec<String> {
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).ok();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let file_name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let comm = read("comm").map(|comm| text(comm.trim_ascii_end()));
    let argument = read("cmdline").and_then(|line| file_name(Path::new(&text(line.split(|byte| *byte == 0).next()?))));
    let executable = fs::read_link(format!("/proc/{pid}/exe")).ok().and_then(|path| file_name(&path));
    [comm, argument, executable].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process of a program whose name no other process has.
    fn sleeper(name: &Path) -> Child {
        let _ = fs::copy("/bin/sleep", name);
        Command::new(name).arg("60").stdout(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn a_process_is_found_by_its_program_where_it_is_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("metawrk-test-of-a-long-name");
        let name = ProcessName::Program("metawrk-test-of-a-long-name".to_owned());
        let mut first = sleeper(&program);
        assert_eq!(name.find().unwrap().pid, first.id());
        let mut second = sleeper(&program);
        let error = name.find().unwrap_err().to_string();
        assert!(error.contains("2 processes run this program") && error.contains(&second.id().to_string()), "{error}");
        for child in [&mut first, &mut second] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let error = name.find().unwrap_err();
        assert_eq!(error.why, "no process runs this program");
        assert_eq!(ProcessName::Pid(first.id()).find().unwrap_err().why, "no process has this pid");
    }

    #[test]
    fn only_one_name_is_taken() {
        let keys = |pid, process: Option<&str>| ProcessName::from_keys(pid, process.map(str::to_owned), None);
        assert_eq!(keys(Some(7), None), Ok(Some(ProcessName::Pid(7))));
        assert_eq!(keys(None, None), Ok(None));
        assert!(keys(Some(7), Some("nginx")).is_err());
    }
}
