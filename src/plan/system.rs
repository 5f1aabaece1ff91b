//! The system under test of a plan.

use super::error::InvalidSetting;
use super::settings::Target;
use crate::testbed::{TestbedPlan, TestbedPlanError, TestbedSettings};

/// The system under test.
#[derive(Clone, Debug, PartialEq)]
pub enum System {
    /// The testbed, which the run starts.
    Testbed(TestbedPlan),
    /// A running system.
    Target {
        url: String,
        /// The engine of the containers that faults and monitors name.
        engine: Option<EngineAddress>,
    },
}

/// A Docker engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineAddress {
    /// The engine of the user's environment (`DOCKER_HOST` or the current context).
    Environment,
    /// `unix:///PATH` or `tcp://HOST:PORT`.
    Host(String),
}

/// How [`EngineAddress::Environment`] is written.
const DOCKER: &str = "docker";
const SCHEMES: [&str; 3] = ["unix://", "tcp://", "http://"];

impl System {
    /// # Errors
    /// [`InvalidSetting`] if there is no system, if there are two, or if a value is not possible.
    pub fn resolve(testbed: Option<TestbedSettings>, target: Option<Target>) -> Result<System, InvalidSetting> {
        match (testbed, target) {
            (Some(testbed), None) => TestbedPlan::new(testbed).map(System::Testbed).map_err(invalid_testbed),
            (None, Some(Target { url, engine })) => {
                Ok(System::Target { url, engine: engine.map(EngineAddress::resolve).transpose()? })
            }
            (None, None) => {
                let why = "the file has no [testbed] and no [target]. Add one of them.";
                Err(InvalidSetting::new("testbed", why))
            }
            (Some(_), Some(_)) => Err(InvalidSetting::new("target", "conflicts with [testbed]. Remove one of them.")),
        }
    }

    /// The settings of this system, as in an experiment file.
    pub fn to_settings(&self) -> (Option<TestbedSettings>, Option<Target>) {
        match self {
            System::Testbed(testbed) => (Some(testbed.clone().into()), None),
            System::Target { url, engine } => {
                let engine = engine.as_ref().map(|engine| engine.as_str().to_owned());
                (None, Some(Target { url: url.clone(), engine }))
            }
        }
    }

    /// The engine of the containers that faults and monitors name.
    pub fn engine(&self) -> Option<&EngineAddress> {
        match self {
            System::Testbed(_) => None,
            System::Target { engine, .. } => engine.as_ref(),
        }
    }
}

impl EngineAddress {
    fn resolve(engine: String) -> Result<EngineAddress, InvalidSetting> {
        match engine.as_str() {
            DOCKER => Ok(EngineAddress::Environment),
            host if SCHEMES.iter().any(|scheme| host.starts_with(scheme)) => Ok(EngineAddress::Host(engine)),
            _ => {
                let why = "must be \"docker\" (the engine of your environment) or an address: unix:///PATH or \
                           tcp://HOST:PORT";
                Err(InvalidSetting::new("target.engine", why))
            }
        }
    }

    /// The address as in an experiment file.
    pub fn as_str(&self) -> &str {
        match self {
            EngineAddress::Environment => DOCKER,
            EngineAddress::Host(host) => host,
        }
    }
}

fn invalid_testbed(error: TestbedPlanError) -> InvalidSetting {
    match &error {
        TestbedPlanError::SpareMemory(..) => InvalidSetting::new("testbed.budget", error.to_string()),
        TestbedPlanError::Range { what, range, value } => {
            InvalidSetting::new(format!("testbed.{what}"), format!("must be {range}, not {value}"))
        }
    }
}
