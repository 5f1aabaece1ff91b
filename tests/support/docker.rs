//! Real containers: each holds the testbed's post-db, in an image of this program. Where no engine answers, tests that
//! need one say so on stderr, uncaptured, and pass; with METAWRK_NEEDS_DOCKER set they fail.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam, IpamConfig, NetworkConnectRequest,
    NetworkCreateRequest, NetworkingConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptions, StartContainerOptions,
};
use metawrk::docker::{Details, Engine, OUR_IMAGE, OUR_PROGRAM};
use metawrk::fault::KeptFault;
use tokio::sync::OnceCell;

use super::program::{METAWRK, run};

/// The port of post-db.
pub const PORT: u16 = 4000;

/// The engine, with our image on it.
pub async fn engine() -> Option<Engine> {
    match Engine::connect().await {
        Ok(engine) => {
            provide_image(&engine).await;
            Some(engine)
        }
        Err(error) if std::env::var_os("METAWRK_NEEDS_DOCKER").is_some() => panic!("{error}"),
        Err(error) => {
            // Not by a macro, whose text a test that passes keeps to itself.
            let _ = writeln!(std::io::stderr(), "\nSKIPPED, not tested: needs a Docker engine: {error}\n");
            None
        }
    }
}

/// The same engine, for what only tests do to it.
pub fn client(engine: &Engine) -> Docker {
    Docker::connect_with_host(engine.host()).unwrap()
}

/// Gives the engine the image of the program as it was built, once a test run. The one of an older build goes.
async fn provide_image(engine: &Engine) {
    static ONCE: OnceCell<()> = OnceCell::const_new();
    let provide = async || {
        let docker = client(engine);
        let id = async || docker.inspect_image(OUR_IMAGE).await.ok().and_then(|image| image.id);
        let old = id().await;
        let ended = run(METAWRK, Path::new("."), &["testbed", "image"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        if old != id().await
            && let Some(old) = old
        {
            // Containers of other tests may still need it.
            let _ = docker.remove_image(&old, None::<RemoveImageOptions>, None).await;
        }
    };
    ONCE.get_or_init(provide).await;
}

/// A network of its own with a container on it, as compose makes them. All of it is gone at the end of the test.
pub struct Stack {
    pub engine: Engine,
    pub docker: Docker,
    /// `project-service-1`, and the network's name: `project_default`.
    pub project: String,
    pub network: String,
    made: Vec<String>,
}

/// How a container is to be.
#[derive(Default)]
pub struct Wanted {
    pub fixed_address: Option<&'static str>,
    pub host: HostConfig,
    pub driver_opts: HashMap<String, String>,
    pub links: Vec<String>,
    /// [`PORT`] unless set.
    pub port: Option<u16>,
    /// It ignores being asked to end, and so takes so many seconds for it.
    pub ends_after: Option<i64>,
}

impl Stack {
    /// `subnet` is chosen by the engine unless given.
    pub async fn new(engine: &Engine, subnet: Option<&str>) -> Stack {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let project = format!("mw{}x{number}", std::process::id());
        let network = format!("{project}_default");
        let docker = client(engine);
        let config = subnet.map(|subnet| vec![IpamConfig { subnet: Some(subnet.to_owned()), ..Default::default() }]);
        let request = NetworkCreateRequest {
            name: network.clone(),
            ipam: Some(Ipam { config, ..Default::default() }),
            ..Default::default()
        };
        docker.create_network(request).await.unwrap();
        Stack { engine: engine.clone(), docker, project, network, made: Vec::new() }
    }

    /// A container of `service`, which its peers know by that name: by an alias alone, as it has no hostname. Its id.
    pub async fn add(&mut self, service: &str, wanted: Wanted) -> String {
        let name = format!("{}-{service}-1", self.project);
        let label = |name: &str, value: &str| (format!("com.docker.compose.{name}"), value.to_owned());
        let labels = [label("project", &self.project), label("service", service), label("container-number", "1")];
        let endpoint = EndpointSettings {
            aliases: Some(vec![service.to_owned(), name.clone()]),
            ipam_config: wanted
                .fixed_address
                .map(|address| EndpointIpamConfig { ipv4_address: Some(address.to_owned()), ..Default::default() }),
            links: Some(wanted.links).filter(|links| !links.is_empty()),
            driver_opts: Some(wanted.driver_opts).filter(|opts| !opts.is_empty()),
            ..Default::default()
        };
        let port = wanted.port.unwrap_or(PORT);
        let own_network = wanted.host.network_mode.is_none();
        let host = HostConfig {
            network_mode: wanted.host.network_mode.clone().or_else(|| Some(self.network.clone())),
            ..wanted.host
        };
        let body = ContainerCreateBody {
            image: Some(OUR_IMAGE.to_owned()),
            entrypoint: Some(vec![OUR_PROGRAM.to_owned()]),
            cmd: Some(["testbed", "post-db", "--listen", &format!("0.0.0.0:{port}")].map(str::to_owned).into()),
            labels: Some(labels.into()),
            stop_timeout: wanted.ends_after.or(Some(1)),
            stop_signal: wanted.ends_after.map(|_| "SIGWINCH".to_owned()),
            host_config: Some(host),
            networking_config: own_network
                .then(|| NetworkingConfig { endpoints_config: Some([(self.network.clone(), endpoint)].into()) }),
            ..Default::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let id = self.docker.create_container(Some(options), body).await.unwrap().id;
        self.made.push(id.clone());
        self.docker.start_container(&id, None::<StartContainerOptions>).await.unwrap();
        self.until_it_serves(&id).await;
        id
    }

    /// Connects it as somebody does who knows only its name.
    pub async fn connect_barely(&self, id: &str) {
        let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: None };
        self.docker.connect_network(&self.network, request).await.unwrap();
    }

    pub async fn details(&self, id: &str) -> Details {
        self.engine.inspect(id).await.unwrap()
    }

    /// Whether post-db answers at the address that the container has now.
    pub async fn serves(&self, id: &str) -> bool {
        let details = self.details(id).await;
        let Some(endpoint) = details.endpoints.iter().find(|endpoint| !endpoint.address.is_empty()) else {
            return false;
        };
        let connect = tokio::net::TcpStream::connect((endpoint.address.as_str(), PORT));
        let Ok(Ok(mut stream)) = tokio::time::timeout(Duration::from_millis(500), connect).await else { return false };
        let ask = async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: db\r\nConnection: close\r\n\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.map(|_| answer)
        };
        let answer = tokio::time::timeout(Duration::from_millis(500), ask).await;
        answer.is_ok_and(|answer| answer.is_ok_and(|text| text.contains("healthy")))
    }

    /// Waits until [`Stack::serves`], if it has a network at all.
    pub async fn until_it_serves(&self, id: &str) {
        for _ in 0..200 {
            let alone = self.details(id).await.endpoints.iter().all(|endpoint| endpoint.address.is_empty());
            if alone || self.serves(id).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("post-db does not serve in its container");
    }
}

impl Drop for Stack {
    /// In a thread of its own, since the test's runtime may be at its end.
    fn drop(&mut self) {
        let (host, network) = (self.engine.host().to_owned(), self.network.clone());
        let made = std::mem::take(&mut self.made);
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let docker = Docker::connect_with_host(&host).unwrap();
                for id in made {
                    let force = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                    let _ = docker.remove_container(&id, Some(force)).await;
                }
                let _ = docker.remove_network(&network).await;
            });
        });
        let _ = cleaning.join();
    }
}

/// The fault of these keys on a container.
pub fn fault(keys: &str, container: &str) -> KeptFault {
    toml::from_str(&format!("{keys}\ncontainer = '{container}'")).unwrap()
}

/// This program with a folder of its own for journals: in `dir`.
pub fn with_own_state(dir: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("program");
    let text = format!("#!/bin/sh\nXDG_STATE_HOME={} exec {METAWRK} \"$@\"\n", dir.display());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// How many journals there are in [`with_own_state`]'s folder.
pub fn journals(dir: &Path) -> usize {
    let all = std::fs::read_dir(dir.join("metawrk/faults")).into_iter().flatten().flatten();
    all.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')).count()
}
