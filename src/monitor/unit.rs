//! A systemd unit of this machine: all its processes together, from the files of its control group (cgroup v1 or v2).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::cgroup::CgroupFiles;
use crate::docker::{Cgroup, Usage};
use crate::procfs;

/// The kinds of units that have a control group.
const SUFFIXES: [&str; 3] = [".service", ".scope", ".slice"];

/// Why a unit cannot be monitored. Each has a remedy.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    #[error("cannot monitor unit {0}: no process of this machine runs in it. Start it first (`systemctl start {0}`).")]
    NotRunning(String),
    #[error("cannot monitor unit {unit}: {} control groups have this name: {}. Name a process by `pid`.", folders.len(), folders.join(", "))]
    Ambiguous { unit: String, folders: Vec<String> },
    #[error(
        "cannot monitor unit {0}: systemd does not account for its memory. Turn that on (`systemctl set-property {0} \
         MemoryAccounting=yes`)."
    )]
    NotAccounted(String),
}

/// The control group of a unit, from a start of the unit to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitCgroup {
    folder: PathBuf,
    /// A unit that is started again has a new folder.
    inode: u64,
    files: CgroupFiles,
}

impl UnitCgroup {
    /// Finds a unit that runs, by its whole name.
    ///
    /// # Errors
    /// [`UnitError`] if it does not run, if two units have this name (of two users), or if its memory is not counted.
    pub fn find(unit: &str) -> Result<UnitCgroup, UnitError> {
        UnitCgroup::find_in(Path::new("/proc"), unit)
    }

    fn find_in(proc: &Path, unit: &str) -> Result<UnitCgroup, UnitError> {
        let groups = unit_groups(&process_groups(proc), unit);
        let mut found = BTreeMap::new();
        for text in &groups {
            if let Some(memory) = Cgroup::parse(text, "memory") {
                found.insert(memory.folder, text);
            }
        }
        let not_accounted = || UnitError::NotAccounted(unit.to_owned());
        let (folder, text) = match found.len() {
            0 if groups.is_empty() => return Err(UnitError::NotRunning(unit.to_owned())),
            0 => return Err(not_accounted()),
            1 => found.pop_first().ok_or_else(not_accounted)?,
            _ => {
                let folders = found.keys().map(|folder| folder.display().to_string()).collect();
                return Err(UnitError::Ambiguous { unit: unit.to_owned(), folders });
            }
        };
        let files = CgroupFiles::of(|controller| Cgroup::parse(text, controller)).ok_or_else(not_accounted)?;
        let inode = inode_of(&folder).ok_or_else(not_accounted)?;
        files.read_usage().ok_or_else(not_accounted)?;
        Ok(UnitCgroup { folder, inode, files })
    }

    /// The current usage. `None` if the unit has ended, also if it runs again.
    pub fn read_usage(&self) -> Option<Usage> {
        let usage = self.files.read_usage().filter(|usage| usage.threads != Some(0))?;
        (inode_of(&self.folder) == Some(self.inode)).then_some(usage)
    }

    /// The process of the unit that started first, which is its main process as a rule.
    pub fn first_process(&self) -> Option<u32> {
        let processes = fs::read_to_string(self.folder.join("cgroup.procs")).ok()?;
        let pids = processes.lines().filter_map(|pid| pid.parse().ok());
        pids.filter_map(|pid| Some((procfs::start_ticks_of(pid)?, pid))).min().map(|(_, pid)| pid)
    }
}

/// The whole name of a unit: `nginx` is `nginx.service`.
pub fn full_unit_name(name: &str) -> String {
    match SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        true => name.to_owned(),
        false => format!("{name}.service"),
    }
}

fn inode_of(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok().map(|metadata| metadata.ino())
}

/// The file `cgroup` of each process.
fn process_groups(proc: &Path) -> Vec<String> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let is_pid = |name: &str| name.bytes().all(|b| b.is_ascii_digit());
    let processes = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_pid));
    processes.filter_map(|entry| fs::read_to_string(entry.path().join("cgroup")).ok()).collect()
}

/// The control groups of the unit itself, in the form of the files: its processes may be in groups within.
fn unit_groups(groups: &[String], unit: &str) -> BTreeSet<String> {
    let cut = |text: &String| text.lines().filter_map(|line| cut_after(line, unit)).collect::<Vec<_>>().join("\n");
    groups.iter().map(cut).filter(|text| !text.is_empty()).collect()
}

/// The line of a file `cgroup` up to the folder of `unit`. `None` for a group outside of it.
fn cut_after(line: &str, unit: &str) -> Option<String> {
    let segments: Vec<_> = line.split('/').collect();
    let last = segments.iter().position(|segment| *segment == unit)?;
    Some(segments[..=last].join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `/proc` with the `cgroup` file of each process.
    fn proc_with(groups: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (pid, text) in (1..).zip(groups) {
            fs::create_dir(root.path().join(pid.to_string())).unwrap();
            fs::write(root.path().join(pid.to_string()).join("cgroup"), text).unwrap();
        }
        fs::create_dir(root.path().join("self")).unwrap();
        root
    }

    fn error(groups: &[&str]) -> String {
        UnitCgroup::find_in(proc_with(groups).path(), "web.service").unwrap_err().to_string()
    }

    const V2: &str = "0::/system.slice/web.service\n";
    const V1: &str = "4:memory:/system.slice/web.service\n2:cpu,cpuacct:/\n1:name=systemd:/system.slice/web.service\n";

    #[test]
    fn a_unit_is_a_service_unless_it_says_otherwise() {
        let names = ["nginx", "nginx.service", "postgresql@15-main", "foo@1.2", "app.slice", "run-7.scope"];
        insta::assert_snapshot!(names.map(full_unit_name).join(" "), @"nginx.service nginx.service postgresql@15-main.service foo@1.2.service app.slice run-7.scope");
    }

    #[test]
    fn the_processes_of_a_unit_have_one_group() {
        let within = format!("{}/worker\n", V2.trim());
        let groups = [V2, &within, "0::/system.slice/other.service\n", "0::/init.scope\n"].map(str::to_owned);
        let found = unit_groups(&groups, "web.service");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [V2.trim()]);
        let found = unit_groups(&[V1.to_owned()], "web.service");
        let text = found.first().unwrap();
        assert_eq!(
            Cgroup::parse(text, "memory").unwrap().folder,
            Path::new("/sys/fs/cgroup/memory/system.slice/web.service")
        );
        assert_eq!(Cgroup::parse(text, "cpuacct"), None, "not a group of its own");
    }

    #[test]
    fn a_unit_that_cannot_be_monitored_has_a_remedy() {
        let two = ["0::/user.slice/user-1.slice/web.service\n", "0::/user.slice/user-2.slice/web.service\n"];
        let not_counted = ["4:memory:/system.slice\n1:name=systemd:/system.slice/web.service\n"];
        insta::assert_snapshot!([error(&[]), error(&two), error(&not_counted)].join("\n"), @r"
        cannot monitor unit web.service: no process of this machine runs in it. Start it first (`systemctl start web.service`).
        cannot monitor unit web.service: 2 control groups have this name: /sys/fs/cgroup/user.slice/user-1.slice/web.service, /sys/fs/cgroup/user.slice/user-2.slice/web.service. Name a process by `pid`.
        cannot monitor unit web.service: systemd does not account for its memory. Turn that on (`systemctl set-property web.service MemoryAccounting=yes`).
        ");
    }

    #[test]
    fn a_group_that_was_made_again_is_another_one() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("web.service");
        let make = |threads: u32| {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("memory.stat"), "anon 7\ninactive_file 0\n").unwrap();
            fs::write(folder.join("memory.current"), "9\n").unwrap();
            fs::write(folder.join("pids.current"), format!("{threads}\n")).unwrap();
        };
        make(2);
        let files = CgroupFiles::of(|_| Some(Cgroup { folder: folder.clone(), unified: true })).unwrap();
        let unit = UnitCgroup { inode: inode_of(&folder).unwrap(), folder: folder.clone(), files };
        assert_eq!(unit.read_usage().map(|usage| (usage.used, usage.threads)), Some((9, Some(2))));
        make(0);
        assert_eq!(unit.read_usage(), None, "without a process it has ended");
        let aside = root.path().join("aside");
        fs::rename(&folder, &aside).unwrap();
        assert_eq!(unit.read_usage(), None);
        make(2);
        assert_eq!(unit.read_usage(), None, "started again");
    }
}
