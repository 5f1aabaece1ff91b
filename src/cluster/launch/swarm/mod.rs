//! Parts as tasks of a Docker Swarm: one service, one task on each node.

mod error;
mod event_loop;
mod leftovers;
mod nodes;
mod tasks;

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::{LaunchError, LaunchOrder, Launcher, SwarmPlace};
use crate::cluster::token::{PLAN_HASH_VARIABLE, TOKEN_FILE_VARIABLE};
use crate::docker::swarm::{Membership, ServiceRequest, ServiceSecret, SwarmNode};
use crate::docker::{Engine, OUR_IMAGE};
use error::SwarmError;
use event_loop::EventLoop;
use leftovers::remove_leftovers;
use nodes::require_enough;
use tasks::{TaskFailure, find_failure};

/// The label of our services and secrets. Its value is the address of the coordinator.
const LABEL: &str = "metawrk.coordinator";
/// The token in a container.
const TOKEN_FILE: &str = "metawrk-token";
/// Tasks are listed this often.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Managers of a swarm listen on this port. Nothing is sent to it.
const SWARM_PORT: u16 = 2377;

/// Starts one part on each of several nodes of a swarm.
#[derive(Debug)]
pub struct SwarmLauncher {
    place: SwarmPlace,
    connection: Option<Connection>,
    /// The name of the service, once it may exist.
    service: Option<String>,
    checked: Option<Instant>,
}

/// A connection to a manager of the swarm.
#[derive(Debug)]
struct Connection {
    event_loop: EventLoop,
    engine: Engine,
    /// The address of the manager among the nodes.
    address: String,
}

impl SwarmLauncher {
    pub fn new(place: SwarmPlace) -> SwarmLauncher {
        SwarmLauncher { place, connection: None, service: None, checked: None }
    }

    fn connection(&mut self) -> Result<&Connection, SwarmError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.place.manager.as_deref())?,
        };
        Ok(self.connection.insert(connection))
    }
}

impl Launcher for SwarmLauncher {
    fn address(&mut self) -> Result<IpAddr, LaunchError> {
        let address = self.connection()?.address.clone();
        address_towards(&address).map_err(|source| SwarmError::Address { address, source }.into())
    }

    fn launch(&mut self, order: &LaunchOrder) -> Result<(), LaunchError> {
        let image = self.place.image.clone();
        let Connection { event_loop, engine, .. } = self.connection()?;
        let request = event_loop.wait_for(async {
            remove_leftovers(engine, order.address).await?;
            require_enough(&engine.swarm_nodes().await?, order.parts)?;
            let image = match image {
                Some(image) => image,
                None => own_image(engine).await?,
            };
            Ok::<_, SwarmError>(service_request(image, order))
        })?;
        // From here on it is removed at the end.
        self.service = Some(request.name.clone());
        let Connection { event_loop, engine, .. } = self.connection()?;
        Ok(event_loop.wait_for(engine.create_service(&request)).map_err(SwarmError::Docker)?)
    }

    fn check(&mut self) -> Result<(), LaunchError> {
        let is_due = self.checked.is_none_or(|checked| checked.elapsed() >= CHECK_INTERVAL);
        let (Some(service), Some(connection)) = (&self.service, &self.connection) else { return Ok(()) };
        if !is_due {
            return Ok(());
        }
        self.checked = Some(Instant::now());
        let image = self.place.image.as_deref().unwrap_or(OUR_IMAGE);
        let failure = connection.event_loop.wait_for(explain_failure(&connection.engine, service, image))?;
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    fn remove(&mut self) -> Result<(), LaunchError> {
        let (Some(service), Some(connection)) = (self.service.take(), &self.connection) else { return Ok(()) };
        let removed = connection.event_loop.wait_for(connection.engine.remove_service(&service));
        removed.map_err(|error| SwarmError::Remove { service, error }.into())
    }
}

impl Drop for SwarmLauncher {
    /// Also if the coordinator fails before its end.
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

impl Connection {
    fn open(manager: Option<&str>) -> Result<Connection, SwarmError> {
        let event_loop = EventLoop::new().map_err(SwarmError::EventLoop)?;
        let connected = event_loop.wait_for(async {
            let engine = match manager {
                Some(manager) => Engine::connect_to(&format!("tcp://{manager}")).await?,
                None => Engine::connect().await?,
            };
            let membership = engine.swarm_membership().await?;
            Ok::<_, SwarmError>((engine, membership))
        });
        let (engine, membership) = connected?;
        let host = engine.host().to_owned();
        match membership {
            Membership::None => Err(SwarmError::NoSwarm { host }),
            Membership::Worker => Err(SwarmError::Worker { host }),
            Membership::Manager { address } => Ok(Connection { event_loop, engine, address }),
        }
    }
}

/// The id of the image of this program: every node must have the very same build, and none asks a registry for an id.
async fn own_image(engine: &Engine) -> Result<String, SwarmError> {
    let id = engine.image_id(OUR_IMAGE).await?;
    id.ok_or_else(|| SwarmError::NoImage { host: engine.host().to_owned() })
}

/// Why some part will never join, as far as the tasks of the service show it.
async fn explain_failure(engine: &Engine, service: &str, image: &str) -> Result<Option<SwarmError>, SwarmError> {
    let tasks = engine.service_tasks(service).await?;
    let Some(failure) = find_failure(&tasks) else { return Ok(None) };
    let last_line = match failure {
        TaskFailure::Ended(task) => engine.last_line_of_task(&task.id).await,
        TaskFailure::NoImage(_) | TaskFailure::NoPlace(_) => None,
    };
    let nodes: Vec<SwarmNode> = engine.swarm_nodes().await?;
    Ok(Some(failure.into_error(&nodes, tasks.len(), image, last_line)))
}

fn service_request(image: String, order: &LaunchOrder) -> ServiceRequest {
    let address = order.address.to_string();
    ServiceRequest {
        // No two coordinators have the same address at the same time.
        name: format!("metawrk-{}", address.replace(|c: char| !c.is_ascii_alphanumeric(), "-")),
        label: (LABEL.to_owned(), address),
        image,
        args: order.arguments(),
        env: vec![
            format!("{TOKEN_FILE_VARIABLE}=/run/secrets/{TOKEN_FILE}"),
            format!("{PLAN_HASH_VARIABLE}={}", order.plan_hash),
        ],
        tasks: order.parts,
        secret: ServiceSecret { file: TOKEN_FILE.to_owned(), content: order.token.reveal().to_owned() },
    }
}

/// The address of this machine that a machine of the swarm reaches: the one from which this machine would reach it.
fn address_towards(swarm: &str) -> io::Result<IpAddr> {
    let swarm: IpAddr = swarm.parse().map_err(io::Error::other)?;
    let any: IpAddr = if swarm.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((swarm, SWARM_PORT))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_coordinator_is_on_the_way_to_the_swarm() {
        assert_eq!(address_towards("127.0.0.1").unwrap(), IpAddr::from([127, 0, 0, 1]));
        assert!(address_towards("manager").is_err());
    }
}
