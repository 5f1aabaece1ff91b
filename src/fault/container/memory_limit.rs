//! `memory-limit`: another limit on memory than it has. A limit can be changed but not lifted, so a container without
//! one is refused.

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use crate::docker::{Details, Engine};
use crate::fault::{Fault, FaultError, StepFuture, StepReport, Subject};

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
    pub(crate) fn look(details: &Details, wanted: ByteSize) -> Result<Before, FaultError> {
        let subject = Subject::running(details, "limit the memory of")?;
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

    /// Memory and swap together at such a limit on memory: as much swap as before. No limit has to be said, or an engine
    /// refuses memory beyond what it takes for one.
    fn with_swap(&self, memory: i64) -> Option<i64> {
        match self.with_swap {
            0 => None,
            limit if limit < 0 => Some(-1),
            limit => Some(limit - self.memory + memory),
        }
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

/// A container with another limit on its memory.
pub struct MemoryLimit {
    engine: Engine,
    before: Before,
}

impl MemoryLimit {
    pub(crate) fn new(engine: Engine, before: Before) -> MemoryLimit {
        MemoryLimit { engine, before }
    }

    async fn set(&self, memory: i64) -> Result<StepReport, FaultError> {
        let Before { subject, .. } = &self.before;
        let done = self.engine.limit_memory(&subject.id, memory, self.before.with_swap(memory)).await;
        done.map(|()| "limit set".into()).map_err(subject.failed("limit the memory of"))
    }

    async fn look(&self) -> Result<Details, FaultError> {
        let subject = &self.before.subject;
        self.engine.inspect(&subject.id).await.map_err(subject.failed("limit the memory of"))
    }

    fn compare(&self, details: &Details, wanted: i64) -> Result<StepReport, FaultError> {
        let subject = &self.before.subject;
        let kernel = self.engine.cgroup(details, "memory").and_then(|cgroup| cgroup.memory_limit());
        let now = kernel.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(details.memory);
        // The kernel counts in pages.
        match (now - wanted).unsigned_abs() < 64 << 10 {
            true => Ok(format!("its limit is {}", ByteSize(now.unsigned_abs())).into()),
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

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(self.set(self.before.wanted))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async { self.compare(&self.look().await?, self.before.wanted) })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.set(self.before.memory))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let (before, now) = (&self.before, self.look().await?);
            let said = self.compare(&now, before.memory)?;
            if let Some(why) = before.swap_changed(now.memory_swap) {
                return Err(before.subject.failed("limit the memory of")(why));
            }
            before.subject.still_runs(&now).map(|()| said)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(with_swap: i64) -> Before {
        let subject = Subject { id: "f00".into(), name: "db".into(), ran: true };
        Before { subject, memory: 256, with_swap, wanted: 128 }
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
        assert!(!serde_json::from_value::<Before>(json).unwrap().subject.ran);
    }
}
