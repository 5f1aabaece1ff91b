use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::procfs;
use crate::units::Time;

/// How a thread spent its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreadTimes {
    /// CPU time, user and system.
    pub cpu: Time,
    /// The thread was ready to run, and no core was free for it. `None` if the kernel does not say.
    pub core_wait: Option<Time>,
}

impl ThreadTimes {
    /// The times of the calling thread since it began.
    pub fn now() -> ThreadTimes {
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        ThreadTimes {
            cpu: Time(cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64),
            core_wait: procfs::core_wait_ns(&schedstat).map(Time),
        }
    }

    /// The times that have passed since `before`.
    pub fn since(self, before: ThreadTimes) -> ThreadTimes {
        let core_wait = self.core_wait.zip(before.core_wait);
        ThreadTimes { cpu: self.cpu.minus(before.cpu), core_wait: core_wait.map(|(now, before)| now.minus(before)) }
    }
}
