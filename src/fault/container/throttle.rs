//! `throttle`: less CPU time.
//!
//! The engine has two ways of saying it, and cannot take back one of them (`NanoCpus`): that is used only where the
//! container has it already. "As before" is what the kernel says, where this machine's kernel it is.

use serde::{Deserialize, Serialize};

use crate::docker::{Cpu, Details, Engine};
use crate::fault::{Fault, FaultError, StepFuture, StepReport, Subject};

/// What undoing it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    pub subject: Subject,
    /// As the engine has it.
    pub quota: i64,
    pub nano: i64,
    /// µs; the engine's default where it is 0.
    pub period: i64,
    /// CPUs, as the kernel has it: no number is no limit.
    pub cpus: Option<f64>,
    /// CPUs while the fault lasts.
    pub wanted: f64,
}

/// µs; the kernel's default, and Docker's.
const PERIOD: i64 = 100_000;
/// The kernel gives no less than 1 ms in a period.
const LEAST_QUOTA: f64 = 1000.0;

impl Before {
    pub(crate) fn look(engine: &Engine, details: &Details, wanted: f64) -> Result<Before, FaultError> {
        let subject = Subject::running(details, "throttle")?;
        let Details { cpu_quota: quota, nano_cpus: nano, cpu_period: period, .. } = *details;
        let before = Before { subject, quota, nano, period, cpus: effective(engine, details), wanted };
        // False for what is no number, too.
        if !(wanted * before.period() >= LEAST_QUOTA && wanted <= 1000.0) {
            let why = format!("{wanted} CPUs can't be given");
            return Err(before.subject.refused("throttle", &why, "write a number such as 0.2"));
        }
        match before.cpus.or(engine.cpus()) {
            Some(has) if wanted >= has => {
                let why = format!("it has only {has} CPUs, so that {wanted} are not less");
                Err(before.subject.refused("throttle", &why, "write a smaller number, such as 0.2"))
            }
            _ => Ok(before),
        }
    }

    fn period(&self) -> f64 {
        if self.period > 0 { self.period as f64 } else { PERIOD as f64 }
    }

    fn throttled(&self) -> Cpu {
        match self.nano {
            0 => Cpu::Quota((self.wanted * self.period()).round() as i64),
            _ => Cpu::Nano((self.wanted * 1e9).round() as i64),
        }
    }

    fn as_before(&self) -> Cpu {
        match (self.nano, self.quota) {
            (0, 0) => Cpu::Quota(-1),
            (0, quota) => Cpu::Quota(quota),
            (nano, _) => Cpu::Nano(nano),
        }
    }
}

/// The CPUs that a container may use: as the kernel says, or else as the engine does. `None` is no limit.
fn effective(engine: &Engine, details: &Details) -> Option<f64> {
    if let Some((quota, period)) = engine.cgroup(details, "cpu").and_then(|cgroup| cgroup.cpu_quota()) {
        return Some(quota? as f64 / period as f64);
    }
    let period = if details.cpu_period > 0 { details.cpu_period } else { PERIOD };
    match (details.nano_cpus, details.cpu_quota) {
        (0, quota) if quota <= 0 => None,
        (0, quota) => Some(quota as f64 / period as f64),
        (nano, _) => Some(nano as f64 / 1e9),
    }
}

/// A container with less CPU time.
pub struct Throttle {
    engine: Engine,
    before: Before,
}

impl Throttle {
    pub(crate) fn new(engine: Engine, before: Before) -> Throttle {
        Throttle { engine, before }
    }

    async fn set(&self, cpu: Cpu, what: &'static str) -> Result<StepReport, FaultError> {
        let Subject { id, .. } = &self.before.subject;
        let done = self.engine.limit_cpu(id, cpu).await.map_err(self.before.subject.failed(what));
        done.map(|()| format!("{cpu:?} set").into())
    }

    async fn look(&self, what: &'static str) -> Result<Details, FaultError> {
        let subject = &self.before.subject;
        self.engine.inspect(&subject.id).await.map_err(subject.failed(what))
    }

    fn compare(&self, details: &Details, wanted: Option<f64>, what: &'static str) -> Result<StepReport, FaultError> {
        let now = effective(&self.engine, details);
        let same = match (wanted, now) {
            (Some(wanted), Some(now)) => (wanted - now).abs() < 0.005 * wanted.max(0.1),
            (None, None) => true,
            _ => false,
        };
        let text = |cpus: Option<f64>| cpus.map_or_else(|| "no limit".to_owned(), |cpus| format!("{cpus:.3} CPUs"));
        match same {
            true => Ok(format!("it has {}", text(now)).into()),
            false => Err(self.before.subject.failed(what)(format!("it has {}, not {}", text(now), text(wanted)))),
        }
    }
}

impl Fault for Throttle {
    fn kind(&self) -> &str {
        "throttle"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(self.set(self.before.throttled(), "throttle"))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async { self.compare(&self.look("throttle").await?, Some(self.before.wanted), "throttle") })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.set(self.before.as_before(), "give CPUs back to"))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let now = self.look("give CPUs back to").await?;
            let said = self.compare(&now, self.before.cpus, "give CPUs back to")?;
            self.before.subject.still_runs(&now).map(|()| said)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(quota: i64, nano: i64, period: i64) -> Before {
        let subject = Subject { id: "f00".into(), name: "db".into(), ran: true };
        Before { subject, quota, nano, period, cpus: None, wanted: 0.2 }
    }

    #[test]
    fn each_way_of_limiting_is_kept() {
        let commands = |before: Before| (before.throttled(), before.as_before());
        assert_eq!(commands(before(0, 0, 0)), (Cpu::Quota(20_000), Cpu::Quota(-1)));
        assert_eq!(commands(before(50_000, 0, 50_000)), (Cpu::Quota(10_000), Cpu::Quota(50_000)));
        assert_eq!(commands(before(0, 1_500_000_000, 0)), (Cpu::Nano(200_000_000), Cpu::Nano(1_500_000_000)));
    }
}
