//! `memory-limit`: another limit on memory than it has. A limit can be changed but not lifted, so a container without
//! one is refused.

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use super::{Doing, Fault, FaultError, Subject};
use crate::docker::{Details, Engine};

/// What undoing it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    pub subject: Subject,
    /// Bytes, as the engine has them.
    pub memory: i64,
    /// Memory and swap together; 0 and -1 are no limit.
    pub with_swap: i64,
    /// Bytes while the fault lasts.
    pub wanted: i64,
}

/// Less the engine refuses.
const LEAST: u64 = 6 << 20;

impl Before {
    pub(super) fn look(details: &Details, wanted: ByteSize) -> Result<Before, FaultError> {
        let subject = Subject::of(details);
        let Details { memory, memory_swap: with_swap, .. } = *details;
        if memory <= 0 {
            let why = "it has no limit, and Docker can't take one away that it was given";
            return Err(subject.refused("limit the memory of", why, "start it with one (`--memory`, `mem_limit`)"));
        }
        match i64::try_from(wanted.0) {
            Ok(bytes) if wanted.0 >= LEAST => Ok(Before { subject, memory, with_swap, wanted: bytes }),
            _ => {
                let why = format!("{wanted} can't be its limit");
                Err(subject.refused("limit the memory of", &why, "write 6MiB or more"))
            }
        }
    }
}

/// A container with another limit on its memory.
pub struct MemoryLimit {
    engine: Engine,
    before: Before,
}

impl MemoryLimit {
    pub(super) fn new(engine: Engine, before: Before) -> MemoryLimit {
        MemoryLimit { engine, before }
    }

    async fn set(&self, memory: i64) -> Result<String, FaultError> {
        let Before { subject, memory: before, with_swap, .. } = &self.before;
        // As much swap as before.
        let with_swap = (*with_swap > 0).then(|| with_swap - before + memory);
        let done = self.engine.limit_memory(&subject.id, memory, with_swap).await;
        done.map(|()| "limit set".to_owned()).map_err(subject.failed("limit the memory of"))
    }

    async fn look_for(&self, wanted: i64) -> Result<String, FaultError> {
        let subject = &self.before.subject;
        let failed = subject.failed("limit the memory of");
        let details = self.engine.inspect(&subject.id).await.map_err(&failed)?;
        let kernel = self.engine.cgroup(&details, "memory").and_then(|cgroup| cgroup.memory_limit());
        let now = kernel.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(details.memory);
        // The kernel counts in pages.
        match (now - wanted).unsigned_abs() < 64 << 10 {
            true => Ok(format!("its limit is {}", ByteSize(now.unsigned_abs()))),
            false => {
                let (now, wanted) = (ByteSize(now.unsigned_abs()), ByteSize(wanted.unsigned_abs()));
                Err(subject.failed("limit the memory of")(format!("its limit is {now}, not {wanted}")))
            }
        }
    }
}

impl Fault for MemoryLimit {
    fn kind(&self) -> &str {
        "memory-limit"
    }

    fn apply(&mut self) -> Doing<'_> {
        Box::pin(self.set(self.before.wanted))
    }

    fn verify_applied(&mut self) -> Doing<'_> {
        Box::pin(self.look_for(self.before.wanted))
    }

    fn remove(&mut self) -> Doing<'_> {
        Box::pin(self.set(self.before.memory))
    }

    fn verify_removed(&mut self) -> Doing<'_> {
        Box::pin(self.look_for(self.before.memory))
    }
}
