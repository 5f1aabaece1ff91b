//! Commands to containers.

use std::fmt;

use bollard::models::ContainerUpdateBody;
use bollard::query_parameters::{
    KillContainerOptions, RestartContainerOptions, StartContainerOptions, StopContainerOptions,
};

use super::{DockerError, Engine};

/// The CPU time of a container, in one of the engine's two settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// µs in a period; -1 is no limit.
    Quota(i64),
    /// 10⁹ is one CPU.
    Nano(i64),
}

impl fmt::Display for Cpu {
    /// `0.2 CPUs`, or `20000 µs of CPU time in a period`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cpu::Quota(quota) if *quota < 0 => f.write_str("no limit on CPU time"),
            Cpu::Quota(quota) => write!(f, "{quota} µs of CPU time in a period"),
            Cpu::Nano(nano) => write!(f, "{} CPUs", *nano as f64 / 1e9),
        }
    }
}

/// Each fails where the engine refuses, or does not answer.
impl Engine {
    pub async fn start(&self, id: &str) -> Result<(), DockerError> {
        let done = self.docker.start_container(id, None::<StartContainerOptions>).await;
        done.map_err(DockerError::refused("start", on(id)))
    }

    /// Asks it to end, and kills it after `grace` seconds.
    pub async fn stop(&self, id: &str, grace: i32) -> Result<(), DockerError> {
        let options = StopContainerOptions { t: Some(grace), ..Default::default() };
        self.docker.stop_container(id, Some(options)).await.map_err(DockerError::refused("stop", on(id)))
    }

    /// [`Self::stop`] and [`Self::start`].
    pub async fn restart(&self, id: &str, grace: i32) -> Result<(), DockerError> {
        let options = RestartContainerOptions { t: Some(grace), ..Default::default() };
        self.docker.restart_container(id, Some(options)).await.map_err(DockerError::refused("restart", on(id)))
    }

    pub async fn kill(&self, id: &str) -> Result<(), DockerError> {
        let options = KillContainerOptions { signal: "SIGKILL".to_owned() };
        self.docker.kill_container(id, Some(options)).await.map_err(DockerError::refused("kill", on(id)))
    }

    pub async fn pause(&self, id: &str) -> Result<(), DockerError> {
        self.docker.pause_container(id).await.map_err(DockerError::refused("pause", on(id)))
    }

    pub async fn unpause(&self, id: &str) -> Result<(), DockerError> {
        self.docker.unpause_container(id).await.map_err(DockerError::refused("unpause", on(id)))
    }

    pub async fn limit_cpu(&self, id: &str, cpu: Cpu) -> Result<(), DockerError> {
        let body = match cpu {
            Cpu::Quota(quota) => ContainerUpdateBody { cpu_quota: Some(quota), ..Default::default() },
            Cpu::Nano(nano) => ContainerUpdateBody { nano_cpus: Some(nano), ..Default::default() },
        };
        self.update(id, body).await
    }

    /// Bytes of memory, and of memory and swap together where the container has a limit on that.
    pub async fn limit_memory(&self, id: &str, memory: i64, with_swap: Option<i64>) -> Result<(), DockerError> {
        let body = ContainerUpdateBody { memory: Some(memory), memory_swap: with_swap, ..Default::default() };
        self.update(id, body).await
    }

    async fn update(&self, id: &str, body: ContainerUpdateBody) -> Result<(), DockerError> {
        self.docker.update_container(id, body).await.map_err(DockerError::refused("update", on(id)))
    }
}

fn on(id: &str) -> String {
    format!("container {}", id.get(..12).unwrap_or(id))
}
