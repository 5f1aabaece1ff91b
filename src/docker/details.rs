use std::collections::BTreeMap;

use bollard::models::{HealthStatusEnum, PortBinding};
use bollard::query_parameters::InspectContainerOptions;

use super::{DockerError, Endpoint, Engine};

/// A container as inspected: the parts of `docker inspect` that faults and monitors need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    pub id: String,
    pub name: String,
    /// It runs. A container that waits to be started again does not, though engines report it as running.
    pub running: bool,
    pub paused: bool,
    /// Its first process as the engine's machine counts them; 0 where it does not run.
    pub pid: u32,
    /// RFC 3339. Every start has another time.
    pub started_at: String,
    /// RFC 3339: when it ended last, also if it runs again.
    pub finished_at: String,
    /// What its health check says, if it has one.
    pub health: Option<Health>,
    /// It is deleted when it ends.
    pub auto_remove: bool,
    /// Seconds between a polite stop and a forced one.
    pub stop_timeout: Option<i64>,
    /// `bridge`, `host`, `none`, `container:ID` or a network.
    pub network_mode: String,
    /// By the network's name.
    pub endpoints: Vec<Endpoint>,
    /// The published ports: `80/tcp` and the addresses of the engine's machine.
    pub published: BTreeMap<String, Vec<String>>,
    /// The TCP ports that its image or its user says it serves.
    pub ports: Vec<u16>,
    /// CPU time of this many µs in a period; 0 and -1 are no limit.
    pub cpu_quota: i64,
    pub cpu_period: i64,
    /// The other setting for CPU time: 10⁹ is one CPU.
    pub nano_cpus: i64,
    /// Bytes; 0 is no limit.
    pub memory: i64,
    pub memory_swap: i64,
}

/// What a container's health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It was started, and no check has passed yet.
    Starting,
    Healthy,
    Unhealthy,
}

impl Health {
    fn of(status: HealthStatusEnum) -> Option<Health> {
        match status {
            HealthStatusEnum::STARTING => Some(Health::Starting),
            HealthStatusEnum::HEALTHY => Some(Health::Healthy),
            HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
            HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
        }
    }
}

impl Engine {
    /// Inspects the container with this name or id.
    ///
    /// # Errors
    /// Where there is none ([`DockerError::is_gone`]), or the engine does not answer.
    pub async fn inspect(&self, container: &str) -> Result<Details, DockerError> {
        let inspected = self.docker.inspect_container(container, None::<InspectContainerOptions>).await;
        let inspected = inspected.map_err(DockerError::refused("inspect", format!("container {container}")))?;
        let id = inspected.id.unwrap_or_default();
        let state = inspected.state.unwrap_or_default();
        let config = inspected.config.unwrap_or_default();
        let host = inspected.host_config.unwrap_or_default();
        let network_settings = inspected.network_settings.unwrap_or_default();
        let networks = network_settings.networks.unwrap_or_default();
        let published = network_settings.ports.unwrap_or_default().into_iter().filter_map(|(port, bindings)| {
            let address = |binding: PortBinding| {
                format!("{}:{}", binding.host_ip.unwrap_or_default(), binding.host_port.unwrap_or_default())
            };
            Some((port, bindings?.into_iter().map(address).collect()))
        });
        let mut endpoints: Vec<_> =
            networks.into_iter().map(|(network, settings)| Endpoint::of(&id, &network, settings)).collect();
        endpoints.sort_by(|a, b| a.network.cmp(&b.network));
        let mut ports: Vec<u16> = config
            .exposed_ports
            .unwrap_or_default()
            .iter()
            .filter_map(|port| port.strip_suffix("/tcp").unwrap_or(port).parse().ok())
            .collect();
        ports.sort_unstable();
        Ok(Details {
            name: inspected.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            running: state.running.unwrap_or_default() && !state.restarting.unwrap_or_default(),
            paused: state.paused.unwrap_or_default(),
            pid: state.pid.and_then(|pid| pid.try_into().ok()).unwrap_or_default(),
            started_at: state.started_at.unwrap_or_default(),
            finished_at: state.finished_at.unwrap_or_default(),
            health: state.health.and_then(|health| Health::of(health.status?)),
            auto_remove: host.auto_remove.unwrap_or_default(),
            stop_timeout: config.stop_timeout,
            network_mode: host.network_mode.unwrap_or_default(),
            endpoints,
            published: published.collect(),
            ports,
            cpu_quota: host.cpu_quota.unwrap_or_default(),
            cpu_period: host.cpu_period.unwrap_or_default(),
            nano_cpus: host.nano_cpus.unwrap_or_default(),
            memory: host.memory.unwrap_or_default(),
            memory_swap: host.memory_swap.unwrap_or_default(),
            id,
        })
    }
}
