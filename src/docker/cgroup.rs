//! The kernel's view of a container's limits: the files of its cgroup, version 1 or 2.

use std::fs;
use std::path::PathBuf;

use super::{Details, Engine};

/// The cgroup of a local container, for one controller (`cpu`, `memory`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    pub folder: PathBuf,
    /// The one hierarchy of version 2, or the controller's own of version 1.
    pub unified: bool,
}

impl Engine {
    /// The container's cgroup; `None` where it does not run, or not on this machine.
    pub fn cgroup(&self, container: &Details, controller: &str) -> Option<Cgroup> {
        if !self.is_local() || container.pid == 0 {
            return None;
        }
        let text = fs::read_to_string(format!("/proc/{}/cgroup", container.pid)).ok()?;
        // Another process may have this pid by now.
        if !text.contains(&container.id) {
            return None;
        }
        let cgroup = Cgroup::parse(&text, controller)?;
        cgroup.folder.is_dir().then_some(cgroup)
    }
}

impl Cgroup {
    /// From `/proc/PID/cgroup`. `None` without a group for this controller.
    pub fn parse(text: &str, controller: &str) -> Option<Cgroup> {
        let lines = text.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            Some((parts.next()?, parts.next()?.trim_start_matches('/')))
        });
        let v1 = lines.clone().find(|(controllers, _)| controllers.split(',').any(|name| name == controller));
        match v1 {
            Some((controllers, path)) => {
                let root = ["/sys/fs/cgroup".to_owned(), controllers.to_owned()].join("/");
                Some(Cgroup { folder: PathBuf::from(root).join(path), unified: false })
            }
            None => {
                let (_, path) = lines.clone().find(|(controllers, _)| controllers.is_empty())?;
                Some(Cgroup { folder: PathBuf::from("/sys/fs/cgroup").join(path), unified: true })
            }
        }
    }

    /// CPU time and the period that it is given in, in µs; no time is no limit.
    pub fn cpu_quota(&self) -> Option<(Option<u64>, u64)> {
        if self.unified {
            let text = self.read("cpu.max")?;
            let (quota, period) = text.split_once(' ')?;
            return Some((quota.parse().ok(), period.parse().ok()?));
        }
        let quota: i64 = self.read("cpu.cfs_quota_us")?.parse().ok()?;
        Some((quota.try_into().ok(), self.read("cpu.cfs_period_us")?.parse().ok()?))
    }

    /// Bytes.
    pub fn memory_limit(&self) -> Option<u64> {
        self.read(if self.unified { "memory.max" } else { "memory.limit_in_bytes" })?.parse().ok()
    }

    /// Bytes that the kernel cannot free unless it swaps or kills: anonymous and shared memory, and its own in version 1.
    pub fn held_memory(&self) -> Option<u64> {
        let stat = self.read("memory.stat")?;
        let field = |name: &str| {
            let value = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.and_then(|value| value.trim().parse::<u64>().ok())
        };
        if self.unified {
            return Some(field("anon")? + field("shmem").unwrap_or(0));
        }
        let kernel = self.read("memory.kmem.usage_in_bytes").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        Some(field("total_rss")? + field("total_shmem").unwrap_or(0) + kernel)
    }

    fn read(&self, file: &str) -> Option<String> {
        Some(fs::read_to_string(self.folder.join(file)).ok()?.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_version_s_folders_are_found() {
        let v1 = "12:pids:/docker/f00\n3:cpu,cpuacct:/docker/f00\n1:name=systemd:/docker/f00\n0::/system.slice\n";
        let cgroup = Cgroup::parse(v1, "cpu").unwrap();
        assert_eq!((cgroup.folder.to_str().unwrap(), cgroup.unified), ("/sys/fs/cgroup/cpu,cpuacct/docker/f00", false));
        let v2 = "0::/system.slice/docker-f00.scope\n";
        let cgroup = Cgroup::parse(v2, "memory").unwrap();
        assert_eq!(
            (cgroup.folder.to_str().unwrap(), cgroup.unified),
            ("/sys/fs/cgroup/system.slice/docker-f00.scope", true)
        );
        assert_eq!(Cgroup::parse("", "cpu"), None);
    }

    #[test]
    fn limits_read_the_same_of_either() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
        let cgroup = |unified| Cgroup { folder: folder.path().to_owned(), unified };
        write("cpu.max", "max 100000\n");
        write("cpu.cfs_quota_us", "-1\n");
        write("cpu.cfs_period_us", "100000\n");
        for unified in [false, true] {
            assert_eq!(cgroup(unified).cpu_quota(), Some((None, 100_000)));
        }
        write("cpu.max", "25000 50000\n");
        assert_eq!(cgroup(true).cpu_quota(), Some((Some(25_000), 50_000)));
        assert_eq!(cgroup(true).memory_limit(), None);
        assert_eq!(cgroup(false).held_memory(), None);
        write("memory.stat", "cache 9\nanon 7\nanon_thp 1\nshmem 2\ntotal_cache 40\ntotal_rss 30\ntotal_shmem 3\n");
        write("memory.kmem.usage_in_bytes", "5\n");
        assert_eq!([false, true].map(|unified| cgroup(unified).held_memory()), [Some(38), Some(9)]);
    }
}
