//! Options that several commands of the testbed share.

use std::io;
use std::net::SocketAddr;

use bytesize::ByteSize;

use crate::testbed::plan::{Scenario, TestbedPlan, TestbedSettings};
use crate::testbed::role::tie_to_parent;
use crate::units::Time;

/// Options of every role that serves.
#[derive(Debug, clap::Args)]
pub struct ServeOptions {
    /// Address to listen on. Port 0 selects a free port
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Exit if this process id ends, or standard input ends (internal)
    #[arg(long, hide = true)]
    pub parent: Option<u32>,
}

impl ServeOptions {
    /// With `--parent`, lets this process end with its parent.
    pub fn tie_to_parent(&self) -> io::Result<()> {
        if self.parent.is_some() { tie_to_parent(self.parent, |_line| {}) } else { Ok(()) }
    }
}

/// What post-storage does.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct StorageOptions {
    /// Timeout of post-storage for a call to post-db
    #[arg(long, value_name = "T", default_value_t = TestbedSettings::default().db_timeout)]
    db_timeout: Time,
    /// Service time of post-storage, with its call to post-db
    #[arg(long, value_name = "T", default_value_t = TestbedSettings::default().storage_time)]
    storage_time: Time,
}

/// The failure scenario, and its parameters.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Scenario")]
pub struct ScenarioOptions {
    /// What sustains the failure: memory that failing requests hold, or retries of requests that time out in a queue
    #[arg(long, value_enum, default_value_t = TestbedSettings::default().scenario)]
    scenario: Scenario,
    /// Memory that requests in compose-post may use in total
    // Not `default_value_t`: its text would be "124.0 MiB", in quotes.
    #[arg(long, value_name = "SIZE", default_value = "124MiB")]
    budget: ByteSize,
    /// How long a request that found no memory holds 10 MiB
    #[arg(long, value_name = "T", default_value_t = TestbedSettings::default().hold)]
    hold: Time,
    #[command(flatten)]
    storage: StorageOptions,
    /// Never return the 5 MiB of a request whose storage call fails (only memory)
    #[arg(long)]
    leak: bool,
    /// Number of workers in compose-post (only retry-storm)
    #[arg(long, value_name = "N", default_value_t = TestbedSettings::default().workers)]
    workers: usize,
    /// Service time of a worker (only retry-storm)
    #[arg(long, value_name = "T", default_value_t = TestbedSettings::default().service_time)]
    service_time: Time,
    /// Requests that may wait for a worker. Further requests are refused (only retry-storm)
    #[arg(long, value_name = "N", default_value_t = TestbedSettings::default().queue)]
    queue: usize,
}

impl StorageOptions {
    /// # Errors
    /// If a parameter is out of range.
    pub fn resolve(self) -> anyhow::Result<TestbedPlan> {
        let StorageOptions { db_timeout, storage_time } = self;
        Ok(TestbedPlan::new(TestbedSettings { db_timeout, storage_time, ..TestbedSettings::default() })?)
    }
}

impl ScenarioOptions {
    /// # Errors
    /// If a parameter is out of range, or the failure could not sustain itself.
    pub fn resolve(&self) -> anyhow::Result<TestbedPlan> {
        let ScenarioOptions { budget, hold, storage, leak, scenario, workers, service_time, queue } = *self;
        let StorageOptions { db_timeout, storage_time } = storage;
        let settings =
            TestbedSettings { budget, hold, db_timeout, storage_time, leak, scenario, workers, service_time, queue };
        Ok(TestbedPlan::new(settings)?)
    }
}

/// Parses `HOST:PORT`. The host name does not have to resolve yet.
pub fn parse_peer(text: &str) -> Result<String, String> {
    let authority: http::uri::Authority = text.parse().map_err(|error| format!("{error}. Write HOST:PORT."))?;
    authority.port_u16().map(|_| text.to_owned()).ok_or_else(|| "the port is missing. Write HOST:PORT.".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        scenario: ScenarioOptions,
    }

    #[test]
    fn the_defaults_are_those_of_the_plan() {
        assert_eq!(Program::parse_from(["program"]).scenario.resolve().unwrap(), TestbedPlan::default());
    }

    #[test]
    fn a_peer_has_a_host_and_a_port() {
        assert_eq!(parse_peer("post-db:80").as_deref(), Ok("post-db:80"));
        for text in ["post-db", "", ":", "a b:80"] {
            assert!(parse_peer(text).unwrap_err().contains("Write HOST:PORT."), "{text}");
        }
    }
}
