use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use bollard::models::SystemInfoCgroupVersionEnum;
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
    /// Its control groups are of version 2.
    unified_cgroups: bool,
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
        let connected = Engine::connect_to(&context::host(|name| std::env::var(name).ok())?).await;
        connected.map_err(|error| match error {
            DockerError::NoEngine { host, why, .. } => DockerError::NoEngine { host, why, from_environment: true },
            error => error,
        })
    }

    /// The engine with this id: at `host`, else at the address that the user's environment means, else at the default
    /// socket.
    ///
    /// # Errors
    /// [`DockerError::NotFound`] says what is at each of these addresses.
    pub async fn connect_to_id(id: &str, host: &str) -> Result<Engine, DockerError> {
        let meant = context::host(|name| std::env::var(name).ok());
        Engine::connect_to_one_of(id, [Ok(host.to_owned()), meant, Ok(context::DEFAULT.to_owned())]).await
    }

    async fn connect_to_one_of(
        id: &str,
        hosts: impl IntoIterator<Item = Result<String, DockerError>>,
    ) -> Result<Engine, DockerError> {
        let mut tried = BTreeSet::new();
        let mut found = Vec::new();
        for host in hosts {
            let connected = match host {
                Ok(host) if !tried.insert(host.clone()) => continue,
                Ok(host) => Engine::connect_to(&host).await,
                Err(error) => Err(error),
            };
            match connected {
                Ok(engine) if engine.id() == id => return Ok(engine),
                Ok(engine) => {
                    found.push(format!("another engine answers at {} (its id is {})", engine.host, engine.id))
                }
                // Its remedy is for all addresses, and comes at the end.
                Err(DockerError::NoEngine { host, why, .. }) => {
                    found.push(format!("no engine answers at {host} ({why})"))
                }
                Err(error) => found.push(error.to_string()),
            }
        }
        Err(DockerError::NotFound { id: id.to_owned(), found })
    }

    /// The engine at `host`: `unix:///...` or `tcp://...`, by port 2375 unless it says another.
    ///
    /// # Errors
    /// As of [`Self::connect`].
    pub async fn connect_to(host: &str) -> Result<Engine, DockerError> {
        let host = context::parse_host(host)?;
        let absent = |why: String| DockerError::NoEngine { host: host.clone(), why, from_environment: false };
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
            unified_cgroups: info.cgroup_version == Some(SystemInfoCgroupVersionEnum::_2),
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

    /// Whether the control groups of its containers are of version 2.
    pub fn has_unified_cgroups(&self) -> bool {
        self.unified_cgroups
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
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// The address of an engine that has this id, and answers every request with its version and that.
    fn engine(id: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let body = format!(r#"{{"Version":"20.10.0","ApiVersion":"1.41","ID":"{id}"}}"#);
        std::thread::spawn(move || {
            for mut peer in listener.incoming().flatten() {
                let _ = peer.read(&mut [0; 4096]);
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                let _ = write!(peer, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        format!("tcp://{address}")
    }

    #[tokio::test]
    async fn an_engine_is_found_by_its_id_at_the_first_address_where_it_answers() {
        let (wanted, other) = (engine("wanted"), engine("other"));
        let gone = || "unix:///nowhere/docker.sock".to_owned();
        let found = Engine::connect_to_one_of("wanted", [Ok(gone()), Ok(other.clone()), Ok(wanted.clone())]).await;
        assert_eq!(found.unwrap().host(), wanted);
        // An environment that cannot be used is no reason not to try the rest.
        let unusable = Err(DockerError::Unsupported { host: "ssh://far".into() });
        let found = Engine::connect_to_one_of("wanted", [Ok(gone()), unusable, Ok(wanted.clone())]).await;
        assert_eq!(found.unwrap().host(), wanted);
        let error = Engine::connect_to_one_of("wanted", [Ok(gone()), Ok(gone()), Ok(other.clone())]).await.unwrap_err();
        insta::assert_snapshot!(error.to_string().replace(&other, "tcp://OTHER"), @"the Docker engine with the id wanted cannot be found: no engine answers at unix:///nowhere/docker.sock (No such file or directory (os error 2)); another engine answers at tcp://OTHER (its id is other). Start it, or give its address with DOCKER_HOST or `docker context use`");
    }

    #[tokio::test]
    async fn an_engine_that_does_not_answer_is_an_error_with_a_remedy() {
        let error = Engine::connect_to("unix:///nowhere/docker.sock").await.unwrap_err();
        insta::assert_snapshot!(error, @"cannot connect to the Docker engine: No such file or directory (os error 2) (unix:///nowhere/docker.sock). Start it (`systemctl start docker`), or correct this address (engine in [target])");
        // Only where it comes from there is the environment of any use.
        let DockerError::NoEngine { host, why, .. } = error else { panic!("{error}") };
        let error = DockerError::NoEngine { host, why, from_environment: true }.to_string();
        assert!(error.ends_with("or give its address with DOCKER_HOST or `docker context use`"), "{error}");
        // Nothing listens at the discard port.
        let error = Engine::connect_to("tcp://127.0.0.1:9").await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
        let error = Engine::connect_to("ssh://me@far.example").await.unwrap_err();
        assert!(matches!(error, DockerError::Unsupported { .. }), "{error}");
    }
}
