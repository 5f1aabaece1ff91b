//! `throttle`: less CPU time for a container.
//!
//! The engine has two settings for it, and cannot take back one of them (`NanoCpus`): that one is used only where the
//! container has it already. On a local engine "as before" is compared with the kernel's own value.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::Container;
use super::target::ContainerTarget;
use crate::docker::{Cpu, Details, Engine};
use crate::fault::kept::{KeptSpec, Machine, Snapshot, Target};
use crate::fault::{CheckContext, Fault, FaultError, InvalidKey, Spec, StepFuture, StepReport, TargetName};

/// A container with less CPU time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// By name, compose service or id.
    pub container: String,
    pub cpus: f64,
}

/// The state before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThrottleSnapshot {
    #[serde(rename = "subject")]
    target: ContainerTarget,
    /// The engine's settings.
    quota: i64,
    nano: i64,
    /// µs; the engine's default where it is 0.
    period: i64,
    /// CPUs by the kernel; `None` is no limit.
    cpus: Option<f64>,
    /// CPUs while the fault lasts.
    wanted: f64,
}

/// What an engine takes; the smallest is a hundredth of the least period.
const CPUS: RangeInclusive<f64> = 0.01..=1024.0;
/// µs; the kernel's default, and Docker's.
const PERIOD: i64 = 100_000;
/// The kernel gives no less than 1 ms in a period.
const LEAST_QUOTA: f64 = 1000.0;

impl Spec for Throttle {
    fn example() -> &'static str {
        "kind = \"throttle\"\ncontainer = \"db\"\ncpus = 0.2\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Container(self.container.clone())
    }

    fn size(&self) -> Option<String> {
        Some(format!("to {} CPUs", self.cpus))
    }

    fn check(&self, _context: &CheckContext) -> Result<(), InvalidKey> {
        match CPUS.contains(&self.cpus) {
            true => Ok(()),
            false => Err(InvalidKey::new("cpus", format!("must be between {} and {}", CPUS.start(), CPUS.end()))),
        }
    }
}

impl KeptSpec for Throttle {
    type Target = Container;
    type Snapshot = ThrottleSnapshot;

    fn container_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.container)
    }

    async fn find(&self, machine: &Machine, previous: Option<&ThrottleSnapshot>) -> Result<Container, FaultError> {
        Container::find(machine, &self.container, previous.map(|snapshot| &snapshot.target)).await
    }

    async fn snapshot(
        &self,
        container: &Container,
        _previous: Option<&ThrottleSnapshot>,
    ) -> Result<ThrottleSnapshot, FaultError> {
        let Container { engine, details } = container;
        let (target, wanted) = (ContainerTarget::running(details, "throttle")?, self.cpus);
        let Details { cpu_quota: quota, nano_cpus: nano, cpu_period: period, .. } = *details;
        let before = ThrottleSnapshot { target, quota, nano, period, cpus: effective(engine, details), wanted };
        // False for NaN, too.
        if !(wanted * before.period() >= LEAST_QUOTA && wanted <= 1000.0) {
            let why = format!("an engine cannot give it {wanted} CPUs");
            return Err(before.target.refused("throttle", &why, "Set `cpus` to a number such as 0.2."));
        }
        match before.cpus.or(engine.cpus()) {
            Some(has) if wanted >= has => {
                let why = format!("it has only {has} CPUs, and {wanted} are not less");
                Err(before.target.refused("throttle", &why, "Set `cpus` to a smaller number, such as 0.2."))
            }
            _ => Ok(before),
        }
    }
}

impl Snapshot for ThrottleSnapshot {
    fn target(&self) -> Target {
        Target::Container(self.target.clone())
    }

    fn ignore_condition(&mut self) {
        self.target.ran = false;
    }

    fn fault(&self, machine: &Machine) -> Result<Box<dyn Fault>, FaultError> {
        Ok(Box::new(ThrottleFault { engine: machine.engine()?.clone(), before: self.clone() }))
    }
}

impl ThrottleSnapshot {
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

/// The CPUs that a container may use: by the kernel where the engine is local, else by the engine. `None` is no limit.
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

struct ThrottleFault {
    engine: Engine,
    before: ThrottleSnapshot,
}

impl ThrottleFault {
    async fn set(&self, cpu: Cpu, action: &'static str) -> Result<StepReport, FaultError> {
        let ContainerTarget { id, .. } = &self.before.target;
        let done = self.engine.limit_cpu(id, cpu).await.map_err(self.before.target.failed(action));
        done.map(|()| format!("the engine set {cpu}").into())
    }

    async fn inspect(&self, action: &'static str) -> Result<Details, FaultError> {
        let target = &self.before.target;
        self.engine.inspect(&target.id).await.map_err(target.failed(action))
    }

    fn compare(&self, details: &Details, wanted: Option<f64>, action: &'static str) -> Result<StepReport, FaultError> {
        let now = effective(&self.engine, details);
        let same = match (wanted, now) {
            (Some(wanted), Some(now)) => (wanted - now).abs() < 0.005 * wanted.max(0.1),
            (None, None) => true,
            _ => false,
        };
        let text = |cpus: Option<f64>| cpus.map_or_else(|| "no limit".to_owned(), |cpus| format!("{cpus:.3} CPUs"));
        match same {
            true => Ok(format!("it has {}", text(now)).into()),
            false => Err(self.before.target.failed(action)(format!("it has {}, not {}", text(now), text(wanted)))),
        }
    }
}

impl Fault for ThrottleFault {
    fn kind(&self) -> &str {
        "throttle"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(self.set(self.before.throttled(), "throttle"))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async { self.compare(&self.inspect("throttle").await?, Some(self.before.wanted), "throttle") })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.set(self.before.as_before(), "give CPUs back to"))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let now = self.inspect("give CPUs back to").await?;
            let report = self.compare(&now, self.before.cpus, "give CPUs back to")?;
            self.before.target.check_running(&now)?;
            // An engine cannot set the 0 again.
            Ok(match (self.before.quota, now.cpu_quota) {
                (0, -1) => report.and("the engine shows CpuQuota -1 where it showed 0: both mean no limit"),
                _ => report,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(quota: i64, nano: i64, period: i64) -> ThrottleSnapshot {
        let target = ContainerTarget { id: "f00".into(), name: "db".into(), ran: true };
        ThrottleSnapshot { target, quota, nano, period, cpus: None, wanted: 0.2 }
    }

    #[test]
    fn each_way_of_limiting_is_kept() {
        let commands = |before: ThrottleSnapshot| (before.throttled(), before.as_before());
        assert_eq!(commands(before(0, 0, 0)), (Cpu::Quota(20_000), Cpu::Quota(-1)));
        assert_eq!(commands(before(50_000, 0, 50_000)), (Cpu::Quota(10_000), Cpu::Quota(50_000)));
        assert_eq!(commands(before(0, 1_500_000_000, 0)), (Cpu::Nano(200_000_000), Cpu::Nano(1_500_000_000)));
    }
}
