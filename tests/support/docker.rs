//! Real containers that run the testbed's post-db from an image of this program. Without a Docker engine, tests that need
//! one print a notice and pass; if METAWRK_NEEDS_DOCKER is set, they fail.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig, Ipam, IpamConfig,
    NetworkConnectRequest, NetworkCreateRequest, NetworkingConfig,
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

/// The engine, with the image of this program.
pub async fn engine() -> Option<Engine> {
    match Engine::connect().await {
        Ok(engine) => {
            provide_image(&engine).await;
            Some(engine)
        }
        Err(error) if std::env::var_os("METAWRK_NEEDS_DOCKER").is_some() => panic!("{error}"),
        Err(error) => {
            // The test harness captures `eprintln!` of a passing test, but not this.
            let _ = writeln!(std::io::stderr(), "\nSKIPPED, not tested: needs a Docker engine: {error}\n");
            None
        }
    }
}

/// A client of the same engine, for calls that only tests make.
pub fn client(engine: &Engine) -> Docker {
    Docker::connect_with_host(engine.host()).unwrap()
}

/// Loads the image of the current build into the engine, once per test run, and removes that of an older build.
async fn provide_image(engine: &Engine) {
    static ONCE: OnceCell<()> = OnceCell::const_new();
    let provide = async || {
        let docker = client(engine);
        let id = async || docker.inspect_image(OUR_IMAGE).await.ok().and_then(|image| image.id);
        let old = id().await;
        let ended = run(METAWRK, Path::new("."), &["image"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        if old != id().await
            && let Some(old) = old
        {
            // Containers of other tests may still use it.
            let _ = docker.remove_image(&old, None::<RemoveImageOptions>, None).await;
        }
    };
    ONCE.get_or_init(provide).await;
}

/// A network with containers, as compose creates them. Everything is removed at the end of the test.
pub struct Stack {
    pub engine: Engine,
    pub docker: Docker,
    /// The project. Containers are called `project-service-1`, and the network has a name of its own.
    pub project: String,
    pub network: String,
    made: Vec<String>,
}

/// The properties of a container.
#[derive(Default)]
pub struct Wanted {
    pub fixed_address: Option<String>,
    pub host: HostConfig,
    pub driver_opts: HashMap<String, String>,
    pub links: Vec<String>,
    /// [`PORT`] unless set.
    pub port: Option<u16>,
    /// The role of the testbed, and its options besides `--listen`. `post-db` unless set.
    pub role: Vec<String>,
    /// It ignores the stop signal. The engine kills it after this many seconds.
    pub ends_after: Option<i64>,
    pub healthcheck: Option<HealthConfig>,
    /// Its number in the service: 1 unless set.
    pub number: Option<u32>,
}

impl Stack {
    /// Without `subnet` the engine chooses one.
    pub async fn new(engine: &Engine, subnet: Option<&str>) -> Stack {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let project = format!("mw{}x{number}", std::process::id());
        let network = format!("net-of-{project}");
        let docker = client(engine);
        let config = subnet.map(|subnet| vec![IpamConfig { subnet: Some(subnet.to_owned()), ..Default::default() }]);
        let request = NetworkCreateRequest {
            name: network.clone(),
            labels: Some([("com.docker.compose.project".to_owned(), project.clone())].into()),
            ipam: Some(Ipam { config, ..Default::default() }),
            ..Default::default()
        };
        docker.create_network(request).await.unwrap();
        Stack { engine: engine.clone(), docker, project, network, made: Vec::new() }
    }

    /// Adds a container of `service`. Its only name in the network is that alias. Returns its id.
    pub async fn add(&mut self, service: &str, wanted: Wanted) -> String {
        let number = wanted.number.unwrap_or(1).to_string();
        let name = format!("{}-{service}-{number}", self.project);
        let label = |name: &str, value: &str| (format!("com.docker.compose.{name}"), value.to_owned());
        let labels = [label("project", &self.project), label("service", service), label("container-number", &number)];
        let endpoint = EndpointSettings {
            aliases: Some(vec![service.to_owned(), name.clone()]),
            ipam_config: wanted
                .fixed_address
                .map(|address| EndpointIpamConfig { ipv4_address: Some(address), ..Default::default() }),
            links: Some(wanted.links).filter(|links| !links.is_empty()),
            driver_opts: Some(wanted.driver_opts).filter(|opts| !opts.is_empty()),
            ..Default::default()
        };
        let port = wanted.port.unwrap_or(PORT);
        let own_network = wanted.host.network_mode.is_none();
        let mut command = vec!["testbed".to_owned()];
        command.extend(if wanted.role.is_empty() { vec!["post-db".to_owned()] } else { wanted.role });
        command.extend(["--listen".to_owned(), format!("0.0.0.0:{port}")]);
        let host = HostConfig {
            network_mode: wanted.host.network_mode.clone().or_else(|| Some(self.network.clone())),
            ..wanted.host
        };
        let body = ContainerCreateBody {
            image: Some(OUR_IMAGE.to_owned()),
            entrypoint: Some(vec![OUR_PROGRAM.to_owned()]),
            cmd: Some(command),
            labels: Some(labels.into()),
            stop_timeout: wanted.ends_after.or(Some(1)),
            stop_signal: wanted.ends_after.map(|_| "SIGWINCH".to_owned()),
            host_config: Some(host),
            healthcheck: wanted.healthcheck,
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

    /// Adds the three roles of the testbed, which are stuck after an outage of post-db above 24 requests/s. `subnet` is
    /// that of the network, as in `10.213.78`. Returns the id of post-db, and an experiment at 50 requests/s.
    pub async fn add_testbed(&mut self, subnet: &str) -> (String, String) {
        let role = |role: &str| role.split(' ').map(str::to_owned).collect();
        let db = self.add("db", Wanted::default()).await;
        let storage = Wanted { role: role("post-storage --db db:4000"), ..Default::default() };
        self.add("storage", storage).await;
        let compose = role("compose-post --storage storage:4000 --budget 124MiB --hold 500ms --give-back-after 1s");
        // A restart does not change it.
        let fixed_address = Some(format!("{subnet}.99"));
        let host = HostConfig { memory: Some(512 << 20), ..Default::default() };
        self.add("compose", Wanted { role: compose, fixed_address, host, ..Default::default() }).await;
        let monitors = ["storage", "compose"]
            .map(|service| format!("[[monitor]]\nkind = 'container'\ncontainer = '{}/{service}'\n", self.project));
        let experiment = format!(
            "name = 't'\n[target]\nurl = 'http://{subnet}.99:{PORT}/wrk2-api/post/compose'\nengine = 'docker'\n\
             [load]\nrate = 50\nwhen-busy = 'open'\nscript = 'compose-post'\n\
             [phases]\nwarmup = '0s'\nbaseline = '5s'\n\
             [[fault]]\nkind = 'disconnect'\ncontainer = '{}/db'\nfor = '5s'\n{}",
            self.project,
            monitors.concat()
        );
        (db, experiment)
    }

    /// Connects it to the network without aliases or addresses.
    pub async fn connect_barely(&self, id: &str) {
        let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: None };
        self.docker.connect_network(&self.network, request).await.unwrap();
    }

    pub async fn details(&self, id: &str) -> Details {
        self.engine.inspect(id).await.unwrap()
    }

    /// Whether the testbed's role answers at the current address of the container.
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

    /// Waits until [`Stack::serves`], if the container has a network.
    pub async fn until_it_serves(&self, id: &str) {
        for _ in 0..200 {
            let alone = self.details(id).await.endpoints.iter().all(|endpoint| endpoint.address.is_empty());
            if alone || self.serves(id).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the testbed does not serve in its container");
    }
}

impl Drop for Stack {
    /// In another thread, since the runtime of the test may have ended.
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
