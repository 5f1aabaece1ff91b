use std::io;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};

use super::error::with_causes;
use super::{Api, DockerError, context};

/// A connection to a Docker engine. Clones share it.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) docker: Docker,
    host: String,
    id: String,
    version: String,
    api: Api,
    local: bool,
    /// Of its machine, where the engine says so.
    cpus: Option<f64>,
    memory: Option<u64>,
}

/// In seconds: no request takes longer, not even stopping a container.
const PATIENCE: u64 = 60;
/// An engine that runs answers its first request at once.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

impl Engine {
    /// The engine that the user's environment means: `DOCKER_HOST`, else the current context, else the default socket.
    ///
    /// # Errors
    /// [`DockerError`]: no engine answers, this user may not use it, or it is too old.
    pub async fn connect() -> Result<Engine, DockerError> {
        Engine::connect_to(&context::host(|name| std::env::var(name).ok())?).await
    }

    /// The engine at `host`: `unix:///...` or `tcp://...`, by port 2375 unless it says another.
    ///
    /// # Errors
    /// As of [`Self::connect`].
    pub async fn connect_to(host: &str) -> Result<Engine, DockerError> {
        let host = context::parse_host(host)?;
        let absent = |why: String| DockerError::NoEngine { host: host.clone(), why };
        let docker = match host.strip_prefix("unix://") {
            Some(path) => {
                // bollard's errors do not distinguish an absent engine from a forbidden one.
                match tokio::net::UnixStream::connect(path).await {
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                        return Err(DockerError::Forbidden { host: host.clone() });
                    }
                    Err(e) => return Err(absent(e.to_string())),
                }
                Docker::connect_with_unix(path, PATIENCE, API_DEFAULT_VERSION)
            }
            None => Docker::connect_with_http(&host, PATIENCE, API_DEFAULT_VERSION),
        };
        let docker = docker.map_err(|e| absent(e.to_string()))?;
        let hello = async { Ok::<_, bollard::errors::Error>((docker.version().await?, docker.info().await?)) };
        let hello = tokio::time::timeout(FIRST_ANSWER, hello)
            .await
            .map_err(|_| absent(format!("no answer in {FIRST_ANSWER:?}")))?;
        let (version, info) = hello.map_err(|e| absent(with_causes(&e)))?;
        let engine = Engine {
            docker,
            local: host.starts_with("unix://") && info.name.as_deref() == node_name().as_deref(),
            host,
            id: info.id.unwrap_or_default(),
            version: version.version.unwrap_or_else(|| "of unknown version".to_owned()),
            cpus: info.ncpu.map(|cpus| cpus as f64),
            memory: info.mem_total.and_then(|bytes| bytes.try_into().ok()),
            api: version.api_version.unwrap_or_default().parse().unwrap_or(Api(0, 0)),
        };
        let Engine { host, version, api, .. } = &engine;
        if *api < Api::OLDEST {
            return Err(DockerError::TooOld { host: host.clone(), version: version.clone(), api: *api });
        }
        Ok(engine)
    }

    /// Where it is: `unix:///var/run/docker.sock`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its own id: the same whatever address it is reached at.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `20.10.24+dfsg1`
    pub fn version(&self) -> &str {
        &self.version
    }

    pub fn api(&self) -> Api {
        self.api
    }

    /// The CPUs of its machine, where it says so.
    pub fn cpus(&self) -> Option<f64> {
        self.cpus
    }

    /// The memory of its machine in bytes, where it says so.
    pub fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// Whether its containers are processes of this machine. A socket that is forwarded from another machine, or from a
    /// virtual machine, is not local.
    pub fn is_local(&self) -> bool {
        self.local
    }
}

/// This machine's name: a local engine reports the same.
fn node_name() -> Option<String> {
    Some(std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_that_does_not_answer_is_an_error_with_a_remedy() {
        let error = Engine::connect_to("unix:///nowhere/docker.sock").await.unwrap_err();
        insta::assert_snapshot!(error, @"cannot connect to the Docker engine: No such file or directory (os error 2) (unix:///nowhere/docker.sock). Start it (`systemctl start docker`), or give its address with DOCKER_HOST or `docker context use`");
        // Nothing listens at the discard port.
        let error = Engine::connect_to("tcp://127.0.0.1:9").await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
        let error = Engine::connect_to("ssh://me@far.example").await.unwrap_err();
        assert!(matches!(error, DockerError::Unsupported { .. }), "{error}");
    }
}
