use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};

use super::error::whole;
use super::{DockerError, context};

/// A version of the engine's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Api(pub u32, pub u32);

impl Api {
    /// Of the oldest engine that this was tried on.
    pub const OLDEST: Api = Api(1, 41);
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Api {
    type Err = ();

    fn from_str(text: &str) -> Result<Api, ()> {
        let (major, minor) = text.split_once('.').ok_or(())?;
        let number = |text: &str| text.parse().map_err(|_no_number| ());
        Ok(Api(number(major)?, number(minor)?))
    }
}

/// A Docker engine that answers. Clones speak to the same one.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) docker: Docker,
    host: String,
    id: String,
    version: String,
    api: Api,
    local: bool,
    /// Of its machine, where it says so.
    cpus: Option<f64>,
    memory: Option<u64>,
}

/// An engine that stops a container may take its time; nothing takes longer.
const PATIENCE: u64 = 60;
/// An engine that is there says at once which it is.
const HELLO: Duration = Duration::from_secs(10);

impl Engine {
    /// The engine that the user's environment means: `DOCKER_HOST`, else the current context, else the default socket.
    ///
    /// # Errors
    /// [`DockerError`]: none answers, it may not be used, or it is too old.
    pub async fn connect() -> Result<Engine, DockerError> {
        Engine::connect_to(&context::host(|name| std::env::var(name).ok())?).await
    }

    /// The engine at `host`: `unix:///...` or `tcp://...`, by port 2375 unless it says another.
    ///
    /// # Errors
    /// As of [`Self::connect`].
    pub async fn connect_to(host: &str) -> Result<Engine, DockerError> {
        let host = context::spoken(host)?;
        let absent = |why: String| DockerError::NoEngine { host: host.clone(), why };
        let docker = match host.strip_prefix("unix://") {
            Some(path) => {
                // bollard's errors do not tell an absent engine from a forbidden one.
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
        let hello = tokio::time::timeout(HELLO, hello).await.map_err(|_| absent(format!("no answer in {HELLO:?}")))?;
        let (version, info) = hello.map_err(|e| absent(whole(&e)))?;
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

    /// What it calls itself, the same wherever it is reached from.
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

    /// Whether its containers are processes of this machine. A socket that was forwarded from elsewhere, or from a
    /// virtual machine, is not local.
    pub fn is_local(&self) -> bool {
        self.local
    }
}

/// This machine's name, which a local engine calls itself by.
fn node_name() -> Option<String> {
    Some(std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let api = |text: &str| text.parse::<Api>();
        assert!(api("1.9").unwrap() < Api::OLDEST && api("1.100").unwrap() > Api::OLDEST);
        assert_eq!(api("1.41").unwrap().to_string(), "1.41");
        assert_eq!((api("1"), api(""), api("1.x")), (Err(()), Err(()), Err(())));
    }

    #[tokio::test]
    async fn where_no_engine_is_what_to_do_is_said() {
        let error = Engine::connect_to("unix:///nowhere/docker.sock").await.unwrap_err();
        insta::assert_snapshot!(error, @"no Docker engine answers at unix:///nowhere/docker.sock (No such file or directory (os error 2)): start it (`systemctl start docker`), or say where it is with DOCKER_HOST or `docker context use`");
        // Nobody listens at the port for discarding.
        let error = Engine::connect_to("tcp://127.0.0.1:9").await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
        let error = Engine::connect_to("ssh://me@far.example").await.unwrap_err();
        assert!(matches!(error, DockerError::Unspoken { .. }), "{error}");
    }
}
