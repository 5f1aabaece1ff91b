//! The resource usage of a container or a systemd unit on this machine, from the files of its control group (cgroup v1 or v2).

use std::fs;
use std::path::{Path, PathBuf};

use crate::docker::{Cgroup, Details, Engine, Usage, used_memory};

/// cgroup v1 reports "no limit" as the largest multiple of a page, which is above this value.
const NO_LIMIT: u64 = 1 << 62;

/// The folders of a control group: one per controller in v1, and the same for all in v2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupFiles {
    is_v2: bool,
    memory: PathBuf,
    cpu: PathBuf,
    pids: PathBuf,
}

impl CgroupFiles {
    /// `None` if the container does not run, or runs on another machine.
    pub fn find(engine: &Engine, container: &Details) -> Option<CgroupFiles> {
        CgroupFiles::of(|controller| engine.cgroup(container, controller))
    }

    /// The files of the control group that `group` gives for a controller. `None` without one for memory.
    pub fn of(group: impl Fn(&str) -> Option<Cgroup>) -> Option<CgroupFiles> {
        let Cgroup { folder: memory, unified: is_v2 } = group("memory")?;
        // A controller may be missing. Its values are then missing too.
        let folder = |controller| group(controller).map(|group| group.folder).unwrap_or_default();
        Some(CgroupFiles { is_v2, memory, cpu: folder("cpuacct"), pids: folder("pids") })
    }

    /// Reads the current usage. `None` if the group is gone.
    pub fn read_usage(&self) -> Option<Usage> {
        let CgroupFiles { is_v2, memory, cpu, pids } = self;
        let (stat, threads) = (read_text(memory, "memory.stat")?, read_number(pids, "pids.current"));
        let in_stat = |name| parse_field(&stat, name);
        let in_file = |folder, file, name| parse_field(&read_text(folder, file)?, name);
        Some(match is_v2 {
            false => Usage {
                used: used_memory(read_number(memory, "memory.usage_in_bytes")?, in_stat("total_inactive_file")),
                anonymous: in_stat("total_rss"),
                limit: read_number(memory, "memory.limit_in_bytes").filter(|limit| *limit < NO_LIMIT),
                threads,
                cpu_ns: read_number(cpu, "cpuacct.usage"),
                oom_kills: in_file(memory, "memory.oom_control", "oom_kill"),
            },
            true => Usage {
                used: used_memory(read_number(memory, "memory.current")?, in_stat("inactive_file")),
                anonymous: in_stat("anon"),
                limit: read_number(memory, "memory.max"),
                threads,
                cpu_ns: in_file(cpu, "cpu.stat", "usage_usec").and_then(|us| us.checked_mul(1000)),
                oom_kills: in_file(memory, "memory.events", "oom_kill"),
            },
        })
    }
}

fn read_text(folder: &Path, file: &str) -> Option<String> {
    fs::read_to_string(folder.join(file)).ok()
}

/// The number in a file. `None` if it contains a word instead (`max`).
fn read_number<T: std::str::FromStr>(folder: &Path, file: &str) -> Option<T> {
    read_text(folder, file)?.trim().parse().ok()
}

/// The value of the line `name 17`.
fn parse_field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).and_then(|value| value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files as in cgroup v1, with the folder that holds them.
    fn v1() -> (tempfile::TempDir, CgroupFiles) {
        let root = tempfile::tempdir().unwrap();
        let folder = |controller| root.path().join(controller);
        let group =
            CgroupFiles { is_v2: false, memory: folder("memory"), cpu: folder("cpu,cpuacct"), pids: folder("pids") };
        let stat =
            "cache 9\nrss 7\ninactive_file 1\ntotal_rss 7340032\ntotal_rss_huge 1\ntotal_inactive_file 20971520\n";
        write(&group.memory, "memory.stat", stat);
        write(&group.memory, "memory.usage_in_bytes", "31457280\n");
        write(&group.memory, "memory.limit_in_bytes", "536870912\n");
        write(&group.memory, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
        write(&group.cpu, "cpuacct.usage", "438239264\n");
        write(&group.pids, "pids.current", "2\n");
        (root, group)
    }

    /// Files as in cgroup v2, with the folder that holds them.
    fn v2() -> (tempfile::TempDir, CgroupFiles) {
        let root = tempfile::tempdir().unwrap();
        let folder = || root.path().join("docker-f00.scope");
        let group = CgroupFiles { is_v2: true, memory: folder(), cpu: folder(), pids: folder() };
        let stat = "anon 7340032\nfile 9\ninactive_anon 1\nactive_file 5\ninactive_file 20971520\n";
        write(&folder(), "memory.stat", stat);
        write(&folder(), "memory.current", "31457280\n");
        write(&folder(), "memory.max", "536870912\n");
        write(&folder(), "memory.events", "low 0\nhigh 0\nmax 4\noom 3\noom_kill 3\noom_group_kill 0\n");
        write(&folder(), "cpu.stat", "usage_usec 438239\nuser_usec 1\nsystem_usec 2\n");
        write(&folder(), "pids.current", "2\n");
        (root, group)
    }

    fn write(folder: &Path, file: &str, text: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(file), text).unwrap();
    }

    #[test]
    fn both_versions_give_the_same_usage() {
        let wanted = Usage {
            used: 10 << 20,
            anonymous: Some(7 << 20),
            limit: Some(512 << 20),
            threads: Some(2),
            cpu_ns: Some(438_239_264),
            oom_kills: Some(3),
        };
        let ((_v1, one), (_v2, two)) = (v1(), v2());
        assert_eq!(one.read_usage(), Some(wanted));
        assert_eq!(two.read_usage(), Some(Usage { cpu_ns: Some(438_239_000), ..wanted }));
    }

    #[test]
    fn a_group_without_a_limit_has_none() {
        let ((_v1, one), (_v2, two)) = (v1(), v2());
        write(&one.memory, "memory.limit_in_bytes", "9223372036854771712\n");
        write(&two.memory, "memory.max", "max\n");
        assert_eq!((one.read_usage().unwrap().limit, two.read_usage().unwrap().limit), (None, None));
    }

    #[test]
    fn a_container_that_has_ended_has_no_usage() {
        let ((v1, one), (v2, two)) = (v1(), v2());
        drop((v1, v2));
        assert_eq!((one.read_usage(), two.read_usage()), (None, None));
    }

    #[test]
    fn a_missing_file_gives_a_missing_value() {
        let (_root, group) = v2();
        for file in ["cpu.stat", "pids.current", "memory.events"] {
            fs::remove_file(group.memory.join(file)).unwrap();
        }
        let usage = group.read_usage().unwrap();
        assert_eq!((usage.used, usage.cpu_ns, usage.threads, usage.oom_kills), (10 << 20, None, None, None));
        let (_root, group) = v1();
        let group = CgroupFiles { pids: PathBuf::new(), ..group };
        assert_eq!(group.read_usage().unwrap().threads, None);
    }
}
