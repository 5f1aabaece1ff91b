//! `memory-limit`: a container gets a lower limit on its memory. A limit can be changed but not lifted, so a container
//! without one is refused. Control groups of version 1 also refuse a limit below what its processes hold; those of
//! version 2 kill some of them.

use std::time::Duration;

use bytesize::ByteSize;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Container;
use super::target::ContainerTarget;
use crate::docker::{Details, Engine};
use crate::fault::kept::{KeptSpec, Machine, Snapshot, Target};
use crate::fault::{CheckContext, Fault, FaultError, InvalidKey, Spec, StepFuture, StepReport, TargetName};
use crate::procfs;
use crate::units::exact_size;

/// A container with another limit on its memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryLimit {
    /// By name, compose service or id.
    pub container: String,
    #[serde(with = "exact_size")]
    pub limit: ByteSize,
}

/// The state before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemoryLimitSnapshot {
    #[serde(rename = "subject")]
    target: ContainerTarget,
    /// Bytes, by the engine.
    memory: i64,
    /// Memory and swap together; 0 and -1 are no limit.
    with_swap: i64,
    /// Bytes while the fault lasts.
    wanted: i64,
}

const ACTION: &str = "limit the memory of";
const ABOVE_USAGE: &str = "Set `limit` above what it uses (`docker stats`), or reduce the memory that it uses.";
/// A remote engine answers within this.
const PATIENCE: Duration = Duration::from_secs(3);
/// An engine refuses less.
const LEAST: ByteSize = ByteSize::mib(6);

impl Spec for MemoryLimit {
    fn example() -> &'static str {
        "kind = \"memory-limit\"\ncontainer = \"db\"\nlimit = \"64MiB\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Container(self.container.clone())
    }

    fn size(&self) -> Option<String> {
        Some(format!("of {}", self.limit))
    }

    fn check(&self, _context: &CheckContext) -> Result<(), InvalidKey> {
        match self.limit >= LEAST {
            true => Ok(()),
            false => Err(InvalidKey::new("limit", format!("must be at least {LEAST}: engines refuse less"))),
        }
    }
}

impl KeptSpec for MemoryLimit {
    type Target = Container;
    type Snapshot = MemoryLimitSnapshot;

    fn container_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.container)
    }

    async fn find(&self, machine: &Machine, previous: Option<&MemoryLimitSnapshot>) -> Result<Container, FaultError> {
        Container::find(machine, &self.container, previous.map(|snapshot| &snapshot.target)).await
    }

    async fn snapshot(
        &self,
        container: &Container,
        _previous: Option<&MemoryLimitSnapshot>,
    ) -> Result<MemoryLimitSnapshot, FaultError> {
        let Container { engine, details } = container;
        let target = ContainerTarget::running(details, ACTION)?;
        let Details { memory, memory_swap: with_swap, .. } = *details;
        if memory <= 0 {
            let why = "it has no limit, and Docker cannot remove a limit once it is set";
            let remedy = "Start it with a limit (`--memory`, `mem_limit`).";
            return Err(target.refused(ACTION, why, remedy));
        }
        let Some(wanted) = i64::try_from(self.limit.0).ok().filter(|_| self.limit >= LEAST) else {
            let why = format!("an engine cannot set a limit of {}", self.limit);
            return Err(target.refused(ACTION, &why, "Set `limit` to 6MiB or more."));
        };
        if wanted >= memory {
            let why = format!("it has a limit of {} already, and {} is not less", size(memory), self.limit);
            return Err(target.refused(ACTION, &why, "Set `limit` to less."));
        }
        let before = MemoryLimitSnapshot { target, memory, with_swap, wanted };
        match held_memory(engine, details).await {
            Some(held) if held > self.limit.0 && !before.may_swap(engine) => {
                let why = format!(
                    "its processes hold {}, which the kernel cannot free, and control groups of version 1 refuse a lower \
                     limit than that",
                    ByteSize(held)
                );
                Err(before.target.refused(ACTION, &why, ABOVE_USAGE))
            }
            _ => Ok(before),
        }
    }
}

impl Snapshot for MemoryLimitSnapshot {
    fn target(&self) -> Target {
        Target::Container(self.target.clone())
    }

    fn ignore_condition(&mut self) {
        self.target.ran = false;
    }

    fn fault(&self, machine: &Machine) -> Result<Box<dyn Fault>, FaultError> {
        Ok(Box::new(MemoryLimitFault { engine: machine.engine()?.clone(), before: self.clone() }))
    }
}

impl MemoryLimitSnapshot {
    /// Memory and swap together for a limit on memory: as much swap as before. "No limit" must be given too, or an engine
    /// refuses memory beyond its own idea of one.
    fn with_swap(&self, memory: i64) -> Option<i64> {
        match self.with_swap {
            0 => None,
            limit if limit < 0 => Some(-1),
            limit => Some(limit - self.memory + memory),
        }
    }

    /// Whether the kernel may swap its memory out. Of another machine that is not known.
    fn may_swap(&self, engine: &Engine) -> bool {
        self.with_swap != self.memory && !(engine.is_local() && free_swap() == Some(0))
    }

    /// What of memory and swap together is not as before.
    fn swap_changed(&self, now: i64) -> Option<String> {
        let text = |limit: i64| match limit {
            0 => "without limit".to_owned(),
            bytes => ByteSize(bytes.unsigned_abs()).to_string(),
        };
        let (before, now) = (self.with_swap.max(0), now.max(0));
        (before != now).then(|| format!("memory and swap together are {}, and were {}", text(now), text(before)))
    }
}

/// Bytes that the kernel cannot free. `None` if that is not known, or does not matter: control groups of version 2 make
/// room.
async fn held_memory(engine: &Engine, details: &Details) -> Option<u64> {
    match engine.cgroup(details, "memory") {
        Some(cgroup) if cgroup.unified => None,
        Some(cgroup) => cgroup.held_memory(),
        None if engine.has_unified_cgroups() => None,
        None => {
            let mut stats = Box::pin(engine.stats(&details.id));
            timeout(PATIENCE, stats.next()).await.ok()??.ok()??.anonymous
        }
    }
}

/// Of this machine, in bytes.
fn free_swap() -> Option<u64> {
    procfs::status_bytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "SwapFree")
}

fn size(bytes: i64) -> ByteSize {
    ByteSize(bytes.unsigned_abs())
}

struct MemoryLimitFault {
    engine: Engine,
    before: MemoryLimitSnapshot,
}

impl MemoryLimitFault {
    async fn set(&self, memory: i64) -> Result<StepReport, FaultError> {
        let MemoryLimitSnapshot { target, .. } = &self.before;
        let done = self.engine.limit_memory(&target.id, memory, self.before.with_swap(memory)).await;
        done.map(|()| "limit set".into()).map_err(|error| match memory == self.before.wanted {
            // The kernel freed what it could, and that was not enough.
            true if error.to_string().contains("current usage") => {
                target.refused(ACTION, &error.to_string(), ABOVE_USAGE)
            }
            _ => target.failed(ACTION)(error),
        })
    }

    async fn inspect(&self) -> Result<Details, FaultError> {
        let target = &self.before.target;
        self.engine.inspect(&target.id).await.map_err(target.failed(ACTION))
    }

    fn compare(&self, details: &Details, wanted: i64) -> Result<StepReport, FaultError> {
        let target = &self.before.target;
        let kernel = self.engine.cgroup(details, "memory").and_then(|cgroup| cgroup.memory_limit());
        let now = kernel.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(details.memory);
        // The kernel counts in pages.
        match (now - wanted).unsigned_abs() < 64 << 10 {
            true => Ok(format!("its limit is {}", ByteSize(now.unsigned_abs())).into()),
            false => {
                let (now, wanted) = (ByteSize(now.unsigned_abs()), ByteSize(wanted.unsigned_abs()));
                Err(target.failed(ACTION)(format!("its limit is {now}, not {wanted}")))
            }
        }
    }
}

impl Fault for MemoryLimitFault {
    fn kind(&self) -> &str {
        "memory-limit"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(self.set(self.before.wanted))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async { self.compare(&self.inspect().await?, self.before.wanted) })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.set(self.before.memory))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let (before, now) = (&self.before, self.inspect().await?);
            let report = self.compare(&now, before.memory)?;
            if let Some(why) = before.swap_changed(now.memory_swap) {
                return Err(before.target.failed(ACTION)(why));
            }
            before.target.check_running(&now).map(|()| report)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(with_swap: i64) -> MemoryLimitSnapshot {
        let target = ContainerTarget { id: "f00".into(), name: "db".into(), ran: true };
        MemoryLimitSnapshot { target, memory: 256, with_swap, wanted: 128 }
    }

    #[test]
    fn swap_is_left_as_it_was() {
        assert_eq!([0, -1, 300].map(|swap| before(swap).with_swap(128)), [None, Some(-1), Some(172)]);
        assert_eq!(before(-1).swap_changed(0), None, "two ways of saying it");
        assert_eq!(before(300).swap_changed(300), None);
        let changed = before(300).swap_changed(-1).unwrap();
        assert_eq!(changed, "memory and swap together are without limit, and were 300 B");
    }

    #[test]
    fn a_journal_of_an_older_version_does_not_say_whether_it_ran() {
        let mut json = serde_json::to_value(before(0)).unwrap();
        json["subject"].as_object_mut().unwrap().remove("ran");
        assert!(!serde_json::from_value::<MemoryLimitSnapshot>(json).unwrap().target.ran);
    }
}
