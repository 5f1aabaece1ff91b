use bytesize::{ByteSize, MIB};
use serde::{Deserialize, Serialize};

use super::scenario::memory::{ERROR_BYTES, REQUEST_BYTES};
use crate::units::Time;

/// The settings of a testbed. [`TestbedPlan`] holds settings that are valid. Written are those of its scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", into = "ScenarioSettings")]
pub struct TestbedSettings {
    pub scenario: Scenario,
    /// Memory that requests in compose-post may use in total.
    #[serde(with = "crate::units::exact_size")]
    pub budget: ByteSize,
    /// How long the costly error path holds its memory.
    pub hold: Time,
    /// Timeout of post-storage for a call to post-db.
    pub db_timeout: Time,
    /// Service time of post-storage, with its call to post-db.
    pub storage_time: Time,
    /// Memory: a request whose storage call fails never returns its 5 MiB.
    pub leak: bool,
    /// Retry storm: number of workers.
    pub workers: usize,
    /// Retry storm: how long a request occupies a worker.
    pub service_time: Time,
    /// Retry storm: number of requests that may wait for a worker.
    pub queue: usize,
}

/// The settings that have an effect in a scenario.
#[derive(Serialize)]
#[serde(tag = "scenario", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
enum ScenarioSettings {
    Memory {
        #[serde(with = "crate::units::exact_size")]
        budget: ByteSize,
        hold: Time,
        db_timeout: Time,
        storage_time: Time,
        leak: bool,
    },
    RetryStorm {
        workers: usize,
        service_time: Time,
        queue: usize,
        db_timeout: Time,
        storage_time: Time,
    },
}

impl From<TestbedSettings> for ScenarioSettings {
    fn from(settings: TestbedSettings) -> ScenarioSettings {
        let TestbedSettings { budget, hold, db_timeout, storage_time, leak, workers, service_time, queue, .. } =
            settings;
        match settings.scenario {
            Scenario::Memory => ScenarioSettings::Memory { budget, hold, db_timeout, storage_time, leak },
            Scenario::RetryStorm => {
                ScenarioSettings::RetryStorm { workers, service_time, queue, db_timeout, storage_time }
            }
        }
    }
}

/// The feedback loop that sustains the failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Failed requests hold memory, and a lack of memory makes requests slow.
    #[default]
    Memory,
    /// Clients retry, while abandoned requests keep their places in a queue.
    RetryStorm,
}

impl Scenario {
    /// The name in files, and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Scenario::Memory => "memory",
            Scenario::RetryStorm => "retry-storm",
        }
    }
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Default for TestbedSettings {
    fn default() -> TestbedSettings {
        TestbedSettings {
            scenario: Scenario::Memory,
            budget: ByteSize::mib(124),
            hold: Time::from_millis(100),
            db_timeout: Time::from_millis(300),
            storage_time: Time::from_millis(7),
            leak: false,
            workers: 4,
            service_time: Time::from_millis(10),
            queue: 1000,
        }
    }
}

/// Why the settings of a testbed are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TestbedPlanError {
    #[error(
        "budget {0} is invalid: while the error path is full (10 MiB per request), 5 MiB remain for a normal request, so \
         the failure cannot sustain itself. Use a budget less than 5 MiB above a multiple of 10 MiB, such as {1}."
    )]
    SpareMemory(ByteSize, ByteSize),
    #[error("{what} must be {range}, not {value}")]
    Range { what: &'static str, range: &'static str, value: String },
}

/// Valid [`TestbedSettings`]. Those that have no effect in its scenario have their defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TestbedSettings", into = "TestbedSettings")]
pub struct TestbedPlan(TestbedSettings);

impl TestbedPlan {
    /// # Errors
    /// [`TestbedPlanError`] names the invalid setting, and valid values.
    pub fn new(settings: TestbedSettings) -> Result<TestbedPlan, TestbedPlanError> {
        let range = |ok: bool, what, range, value: &dyn ToString| {
            if ok { Ok(()) } else { Err(TestbedPlanError::Range { what, range, value: value.to_string() }) }
        };
        let TestbedSettings { budget, hold, db_timeout, storage_time, workers, service_time, queue, .. } = settings;
        range((10 * MIB..=2048 * MIB).contains(&budget.0), "budget", "between 10 MiB and 2 GiB", &budget)?;
        let rest = budget.0 % ERROR_BYTES as u64;
        if rest >= REQUEST_BYTES as u64 {
            // Rounded down: the machine may not have more memory than was asked for.
            return Err(TestbedPlanError::SpareMemory(budget, ByteSize(budget.0 - rest + 4 * MIB)));
        }
        let times = Time::from_millis(1)..=Time::from_secs(60);
        range(times.contains(&hold), "hold", "between 1ms and 60s", &hold)?;
        range(times.contains(&db_timeout), "db-timeout", "between 1ms and 60s", &db_timeout)?;
        range(storage_time <= *times.end(), "storage-time", "at most 60s", &storage_time)?;
        range((1..=10_000).contains(&workers), "workers", "between 1 and 10000", &workers)?;
        range(times.contains(&service_time), "service-time", "between 1ms and 60s", &service_time)?;
        range(queue <= 1_000_000, "queue", "at most 1000000", &queue)?;
        let default = TestbedSettings::default();
        Ok(TestbedPlan(match settings.scenario {
            Scenario::Memory => TestbedSettings {
                workers: default.workers,
                service_time: default.service_time,
                queue: default.queue,
                ..settings
            },
            Scenario::RetryStorm => {
                TestbedSettings { budget: default.budget, hold: default.hold, leak: default.leak, ..settings }
            }
        }))
    }

    /// Number n of requests that fit on the costly error path at once: floor(budget / 10 MiB).
    pub fn slots(&self) -> u64 {
        self.budget.0 / ERROR_BYTES as u64
    }

    /// The rate that the costly error path can serve, in requests per second: n / hold. A stuck system recovers at lower
    /// rates, and stays stuck at higher rates.
    pub fn stable_rate(&self) -> f64 {
        self.slots() as f64 / self.hold.as_secs_f64()
    }
}

impl std::ops::Deref for TestbedPlan {
    type Target = TestbedSettings;

    fn deref(&self) -> &TestbedSettings {
        &self.0
    }
}

impl TryFrom<TestbedSettings> for TestbedPlan {
    type Error = TestbedPlanError;

    fn try_from(settings: TestbedSettings) -> Result<TestbedPlan, TestbedPlanError> {
        TestbedPlan::new(settings)
    }
}

impl From<TestbedPlan> for TestbedSettings {
    fn from(plan: TestbedPlan) -> TestbedSettings {
        plan.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_budget(budget: ByteSize) -> Result<TestbedPlan, TestbedPlanError> {
        TestbedPlan::new(TestbedSettings { budget, ..TestbedSettings::default() })
    }

    #[test]
    fn the_default_has_12_slots_and_is_stable_below_120_requests_per_second() {
        let plan = TestbedPlan::new(TestbedSettings::default()).unwrap();
        assert_eq!((plan.slots(), plan.stable_rate()), (12, 120.0));
        assert_eq!(plan, TestbedPlan::default());
    }

    #[test]
    fn a_budget_with_memory_for_one_more_request_is_refused() {
        for good in [120, 124, 64, 10] {
            assert!(with_budget(ByteSize::mib(good)).is_ok(), "{good}");
        }
        assert!(with_budget(ByteSize(125 * MIB - 1)).is_ok());
        for bad in [125, 129, 5, 0] {
            assert!(with_budget(ByteSize::mib(bad)).is_err(), "{bad}");
        }
        let error = with_budget(ByteSize::mib(128)).unwrap_err().to_string();
        assert!(error.contains("128.0 MiB") && error.contains("124.0 MiB"), "{error}");
    }

    #[test]
    fn settings_are_read_with_units_and_defaults() {
        let plan: TestbedPlan = toml::from_str("budget = \"64MiB\"\nhold = \"500ms\"").unwrap();
        assert_eq!(
            (plan.budget, plan.hold, plan.db_timeout),
            (ByteSize::mib(64), Time::from_millis(500), Time::from_millis(300))
        );
        let again: TestbedPlan = toml::from_str(&toml::to_string(&plan).unwrap()).unwrap();
        assert_eq!(again, plan);
    }

    #[test]
    fn only_the_settings_of_the_scenario_are_written() {
        let written = |text: &str| toml::to_string(&toml::from_str::<TestbedPlan>(text).unwrap()).unwrap();
        insta::assert_snapshot!(written("workers = 9"), @r#"
        scenario = "memory"
        budget = "124MiB"
        hold = "100ms"
        db-timeout = "300ms"
        storage-time = "7ms"
        leak = false
        "#);
        insta::assert_snapshot!(written("scenario = 'retry-storm'\nleak = true"), @r#"
        scenario = "retry-storm"
        workers = 4
        service-time = "10ms"
        queue = 1000
        db-timeout = "300ms"
        storage-time = "7ms"
        "#);
        // What has no effect makes no other plan.
        let plan: TestbedPlan = toml::from_str("workers = 9").unwrap();
        assert_eq!(plan, TestbedPlan::default());
    }

    #[test]
    fn unknown_and_invalid_settings_are_refused() {
        for text in ["hold = \"0s\"", "budget = \"128MiB\"", "db-timeout = \"2m\"", "colour = \"red\"", "hold = 3"] {
            assert!(toml::from_str::<TestbedPlan>(text).is_err(), "{text}");
        }
    }
}
