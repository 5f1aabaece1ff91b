//! A container's control group, as the kernel of this machine shows it: both versions, ten times a second and more.

use std::fs;
use std::path::{Path, PathBuf};

use crate::docker::{Usage, used_memory};

/// Where control groups are mounted: in v1 a folder a controller, in v2 all in one.
const ROOT: &str = "/sys/fs/cgroup";
/// v1 says "no limit" with the greatest multiple of a page.
const NO_LIMIT: u64 = 1 << 62;

/// The control group of a container that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cgroup {
    V1 { memory: PathBuf, cpu: PathBuf, pids: PathBuf },
    V2(PathBuf),
}

impl Cgroup {
    /// That of container `id` (64 digits), whose first process is `pid`; `None` where that is no process of this machine.
    pub fn of(id: &str, pid: u32) -> Option<Cgroup> {
        Cgroup::in_text(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?, id, Path::new(ROOT))
    }

    /// From the text of `/proc/PID/cgroup`, for groups mounted at `root`. The group has to bear the container's id: the
    /// engine may be elsewhere, and its number of a process be another one's here.
    fn in_text(text: &str, id: &str, root: &Path) -> Option<Cgroup> {
        let group = |controller: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
            let (_, path) = lines.into_iter().find(|(names, _)| names.split(',').any(|name| name == controller))?;
            // Containers may have groups of their own within.
            let end = path.find(id)? + id.len();
            let end = path[end..].find('/').map_or(path.len(), |rest| end + rest);
            Some(root.join(controller).join(path[..end].trim_start_matches('/')))
        };
        // With both versions mounted the controllers are v1's.
        match group("memory") {
            Some(memory) => Some(Cgroup::V1 { memory, cpu: group("cpuacct")?, pids: group("pids")? }),
            None => group("").map(Cgroup::V2),
        }
    }

    /// `None` once the container has ended.
    pub fn read(&self) -> Option<Usage> {
        match self {
            Cgroup::V1 { memory, cpu, pids } => {
                let stat = text(memory, "memory.stat")?;
                let field = |name| field(&stat, name);
                Some(Usage {
                    used: used_memory(number(memory, "memory.usage_in_bytes")?, field("total_inactive_file")),
                    anonymous: field("total_rss"),
                    limit: number(memory, "memory.limit_in_bytes").filter(|limit| *limit < NO_LIMIT),
                    threads: number(pids, "pids.current"),
                    cpu_ns: number(cpu, "cpuacct.usage"),
                    oom_kills: self::field(&text(memory, "memory.oom_control")?, "oom_kill"),
                })
            }
            Cgroup::V2(group) => {
                let stat = text(group, "memory.stat")?;
                let cpu_us = text(group, "cpu.stat").and_then(|stat| field(&stat, "usage_usec"));
                Some(Usage {
                    used: used_memory(number(group, "memory.current")?, field(&stat, "inactive_file")),
                    anonymous: field(&stat, "anon"),
                    limit: number(group, "memory.max"),
                    threads: number(group, "pids.current"),
                    cpu_ns: cpu_us.and_then(|us| us.checked_mul(1000)),
                    oom_kills: text(group, "memory.events").and_then(|events| field(&events, "oom_kill")),
                })
            }
        }
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

    const ID: &str = "86f0df7d4bb4db65034e05aa2ef9b6575e40a8e1e304d351a6410fb1af3558a9";

    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
    }

    /// A group of version 1 as a machine had it, in a folder that goes with the test.
    fn v1() -> (tempfile::TempDir, Cgroup) {
        let root = tempfile::tempdir().unwrap();
        let text =
            format!("11:memory:/docker/{ID}\n4:cpu,cpuacct:/docker/{ID}\n3:pids:/docker/{ID}\n0::/docker/{ID}\n");
        let group = Cgroup::in_text(&text, ID, root.path()).unwrap();
        let Cgroup::V1 { memory, cpu, pids } = &group else { panic!("{group:?}") };
        let stat =
            "cache 9\nrss 7\ninactive_file 1\ntotal_rss 7340032\ntotal_rss_huge 1\ntotal_inactive_file 20971520\n";
        let oom = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        write(memory, &[("memory.stat", stat), ("memory.usage_in_bytes", "31457280\n"), ("memory.oom_control", oom)]);
        write(memory, &[("memory.limit_in_bytes", "536870912\n")]);
        write(cpu, &[("cpuacct.usage", "438239264\n")]);
        write(pids, &[("pids.current", "2\n")]);
        (root, group)
    }

    fn v2() -> (tempfile::TempDir, Cgroup) {
        let root = tempfile::tempdir().unwrap();
        let text = format!("0::/system.slice/docker-{ID}.scope\n");
        let group = Cgroup::in_text(&text, ID, root.path()).unwrap();
        let Cgroup::V2(folder) = &group else { panic!("{group:?}") };
        assert!(folder.ends_with(format!("system.slice/docker-{ID}.scope")));
        write(
            folder,
            &[
                ("memory.stat", "anon 7340032\nfile 9\ninactive_anon 1\nactive_file 5\ninactive_file 20971520\n"),
                ("memory.current", "31457280\n"),
                ("memory.max", "536870912\n"),
                ("memory.events", "low 0\nhigh 0\nmax 4\noom 3\noom_kill 3\noom_group_kill 0\n"),
                ("cpu.stat", "usage_usec 438239\nuser_usec 1\nsystem_usec 2\n"),
                ("pids.current", "2\n"),
            ],
        );
        (root, group)
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
        let (Cgroup::V1 { memory, .. }, Cgroup::V2(group)) = (&one, &two) else { unreachable!() };
        write(memory, &[("memory.limit_in_bytes", "9223372036854771712\n")]);
        write(group, &[("memory.max", "max\n")]);
        assert_eq!((one.read().unwrap().limit, two.read().unwrap().limit), (None, None));
    }

    #[test]
    fn a_container_that_has_ended_tells_nothing() {
        let ((v1, one), (v2, two)) = (v1(), v2());
        drop((v1, v2));
        assert_eq!((one.read(), two.read()), (None, None));
    }

    #[test]
    fn what_a_controller_does_not_tell_is_none() {
        let (_root, group) = v2();
        let Cgroup::V2(folder) = &group else { unreachable!() };
        ["cpu.stat", "pids.current", "memory.events"]
            .iter()
            .for_each(|file| fs::remove_file(folder.join(file)).unwrap());
        let reading = group.read().unwrap();
        assert_eq!((reading.used, reading.cpu_ns, reading.threads, reading.oom_kills), (10 << 20, None, None, None));
    }

    #[test]
    fn only_a_group_that_bears_the_container_s_id_is_its() {
        let root = Path::new("/r");
        // Another process of this machine, which has the number by chance.
        assert_eq!(Cgroup::in_text("0::/user.slice/session-1.scope\n", ID, root), None);
        assert_eq!(Cgroup::in_text("11:memory:/\n4:cpu,cpuacct:/\n", ID, root), None);
        assert_eq!(Cgroup::in_text("", ID, root), None);
        // A container with groups of its own.
        let inner = format!("0::/docker/{ID}/init\n");
        assert_eq!(Cgroup::in_text(&inner, ID, root), Some(Cgroup::V2(format!("/r/docker/{ID}").into())));
    }
}
