//! A container's control group, as the kernel of this machine shows it: both versions, ten times a second and more.

use std::fs;
use std::path::{Path, PathBuf};

use crate::docker::{self, Details, Engine, Usage, used_memory};

/// v1 says "no limit" with the greatest multiple of a page.
const NO_LIMIT: u64 = 1 << 62;

/// The control group of a container that runs: in v1 a folder a controller, in v2 all in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    unified: bool,
    memory: PathBuf,
    cpu: PathBuf,
    pids: PathBuf,
}

impl Cgroup {
    /// `None` where the container does not run, or not on this machine.
    pub fn of(engine: &Engine, container: &Details) -> Option<Cgroup> {
        let group = |controller| engine.cgroup(container, controller);
        let docker::Cgroup { folder: memory, unified } = group("memory")?;
        // What is not there tells nothing.
        let folder = |controller| group(controller).map(|group| group.folder).unwrap_or_default();
        Some(Cgroup { unified, memory, cpu: folder("cpuacct"), pids: folder("pids") })
    }

    /// `None` once the container has ended.
    pub fn read(&self) -> Option<Usage> {
        let Cgroup { unified, memory, cpu, pids } = self;
        let (stat, threads) = (text(memory, "memory.stat")?, number(pids, "pids.current"));
        let in_stat = |name| field(&stat, name);
        let in_file = |folder, file, name| field(&text(folder, file)?, name);
        Some(match unified {
            false => Usage {
                used: used_memory(number(memory, "memory.usage_in_bytes")?, in_stat("total_inactive_file")),
                anonymous: in_stat("total_rss"),
                limit: number(memory, "memory.limit_in_bytes").filter(|limit| *limit < NO_LIMIT),
                threads,
                cpu_ns: number(cpu, "cpuacct.usage"),
                oom_kills: in_file(memory, "memory.oom_control", "oom_kill"),
            },
            true => Usage {
                used: used_memory(number(memory, "memory.current")?, in_stat("inactive_file")),
                anonymous: in_stat("anon"),
                limit: number(memory, "memory.max"),
                threads,
                cpu_ns: in_file(cpu, "cpu.stat", "usage_usec").and_then(|us| us.checked_mul(1000)),
                oom_kills: in_file(memory, "memory.events", "oom_kill"),
            },
        })
    }
}

fn text(folder: &Path, file: &str) -> Option<String> {
    fs::read_to_string(folder.join(file)).ok()
}

/// A file that holds a number, or a word instead (`max`).
fn number<T: std::str::FromStr>(folder: &Path, file: &str) -> Option<T> {
    text(folder, file)?.trim().parse().ok()
}

/// `name 17`, in a line of its own.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).and_then(|value| value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files as a machine of version 1 had them, in folders that go with the test.
    fn v1() -> (tempfile::TempDir, Cgroup) {
        let root = tempfile::tempdir().unwrap();
        let folder = |controller| root.path().join(controller);
        let group =
            Cgroup { unified: false, memory: folder("memory"), cpu: folder("cpu,cpuacct"), pids: folder("pids") };
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

    fn v2() -> (tempfile::TempDir, Cgroup) {
        let root = tempfile::tempdir().unwrap();
        let folder = || root.path().join("docker-f00.scope");
        let group = Cgroup { unified: true, memory: folder(), cpu: folder(), pids: folder() };
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
    fn both_versions_tell_the_same() {
        let wanted = Usage {
            used: 10 << 20,
            anonymous: Some(7 << 20),
            limit: Some(512 << 20),
            threads: Some(2),
            cpu_ns: Some(438_239_264),
            oom_kills: Some(3),
        };
        let ((_v1, one), (_v2, two)) = (v1(), v2());
        assert_eq!(one.read(), Some(wanted));
        assert_eq!(two.read(), Some(Usage { cpu_ns: Some(438_239_000), ..wanted }));
    }

    #[test]
    fn no_limit_is_none() {
        let ((_v1, one), (_v2, two)) = (v1(), v2());
        write(&one.memory, "memory.limit_in_bytes", "9223372036854771712\n");
        write(&two.memory, "memory.max", "max\n");
        assert_eq!((one.read().unwrap().limit, two.read().unwrap().limit), (None, None));
    }

    #[test]
    fn a_container_that_has_ended_tells_nothing() {
        let ((v1, one), (v2, two)) = (v1(), v2());
        drop((v1, v2));
        assert_eq!((one.read(), two.read()), (None, None));
    }

    #[test]
    fn what_is_not_there_to_read_is_none() {
        let (_root, group) = v2();
        for file in ["cpu.stat", "pids.current", "memory.events"] {
            fs::remove_file(group.memory.join(file)).unwrap();
        }
        let usage = group.read().unwrap();
        assert_eq!((usage.used, usage.cpu_ns, usage.threads, usage.oom_kills), (10 << 20, None, None, None));
        let (_root, group) = v1();
        let group = Cgroup { pids: PathBuf::new(), ..group };
        assert_eq!(group.read().unwrap().threads, None);
    }
}
