//! Faults on containers, one file each.

pub mod blackhole;
pub mod disconnect;
pub mod ended;
pub mod memory_limit;
pub mod pause;
pub mod reach;
pub mod revival;
pub mod subject;
pub mod throttle;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// A fault on a container, as a plan has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ContainerFault {
    /// Off the network: its name no longer resolves, its route is gone. Off all that it is on unless one is named.
    Disconnect {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network: Option<String>,
    },
    /// Its link passes nothing: names, addresses and connections stay, and hang.
    Blackhole {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network: Option<String>,
    },
    /// Frozen: its sockets take connections, and nobody answers.
    Pause,
    /// Ended at once, and started again after the outage.
    Kill,
    /// Asked to end, and started again after the outage.
    Stop,
    /// Ended and started again at once.
    Restart,
    /// So many CPUs, and no more.
    Throttle { cpus: f64 },
    /// Another limit on its memory than it has.
    MemoryLimit { limit: ByteSize },
}

impl ContainerFault {
    /// Its name in plans and reports.
    pub const fn name(&self) -> &'static str {
        match self {
            ContainerFault::Disconnect { .. } => "disconnect",
            ContainerFault::Blackhole { .. } => "blackhole",
            ContainerFault::Pause => "pause",
            ContainerFault::Kill => "kill",
            ContainerFault::Stop => "stop",
            ContainerFault::Restart => "restart",
            ContainerFault::Throttle { .. } => "throttle",
            ContainerFault::MemoryLimit { .. } => "memory-limit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_written_as_in_a_plan() {
        let read = |text: &str| toml::from_str::<ContainerFault>(text);
        assert_eq!(read("kind = 'disconnect'").unwrap(), ContainerFault::Disconnect { network: None });
        assert_eq!(read("kind = 'throttle'\ncpus = 0.2").unwrap(), ContainerFault::Throttle { cpus: 0.2 });
        let limit = ContainerFault::MemoryLimit { limit: ByteSize::mib(64) };
        assert_eq!(read("kind = 'memory-limit'\nlimit = '64MiB'").unwrap(), limit);
        assert_eq!(read(&toml::to_string(&limit).unwrap()).unwrap(), limit);
        assert!(read("kind = 'disconnect'\ncpus = 1").is_err());
    }
}
