use std::io;

use crate::cluster::launch::LaunchError;
use crate::docker::{DockerError, OUR_IMAGE};

/// Why the parts of a load cannot run on a swarm.
#[derive(Debug, thiserror::Error)]
pub(super) enum SwarmError {
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error("cannot start the parts on a swarm: no event loop: {0}")]
    EventLoop(#[source] io::Error),
    #[error(
        "the Docker engine at {host} is in no swarm. Create one with `docker swarm init`, and add machines with the \
         command that `docker swarm join-token worker` prints"
    )]
    NoSwarm { host: String },
    #[error(
        "the Docker engine at {host} is a worker of its swarm, and only managers start services. Run this command on a \
         manager, or name one with --on swarm://HOST"
    )]
    Worker { host: String },
    #[error(
        "no address of this machine leads to the swarm at {address}: {source}. Give an address that its nodes reach with --listen"
    )]
    Address { address: String, source: io::Error },
    #[error(
        "-N {parts} needs as many nodes that accept tasks, and the swarm has {} ({}). {}",
        ready.len(), listed(ready, others), few_remedy(ready.len())
    )]
    FewNodes {
        parts: u16,
        /// The names of the nodes that accept tasks.
        ready: Vec<String>,
        /// The others: `node3 is down`.
        others: Vec<String>,
    },
    #[error(
        "the Docker engine at {host} has no image {OUR_IMAGE}. Create it with `metawrk image`, and bring it to the other nodes \
         with `docker save {OUR_IMAGE} | ssh NODE docker load`"
    )]
    NoImage { host: String },
    #[error(
        "{} this build of the image {image}. Bring it there from a node that has it: {}. Or name an image in a registry that all nodes reach \
         with --image",
        lacks(nodes),
        load_commands(nodes, image)
    )]
    NodesWithoutImage { nodes: Vec<String>, image: String },
    #[error(
        "the swarm finds no node for part {slot} of {parts}: {why}. `docker node ls` shows the nodes. Use a smaller -N, or add nodes"
    )]
    NoPlace { slot: u16, parts: usize, why: String },
    #[error("the part on {node} ended before the load: {why}")]
    Ended { node: String, why: String },
    #[error("cannot remove the service {service} of the load: {error}. Remove it with `docker service rm {service}`")]
    Remove { service: String, error: DockerError },
}

impl From<SwarmError> for LaunchError {
    fn from(error: SwarmError) -> LaunchError {
        LaunchError(error.to_string())
    }
}

/// `node1, node2; node3 is down`
fn listed(ready: &[String], others: &[String]) -> String {
    let names = [ready.join(", "), others.join(", ")];
    names.into_iter().filter(|names| !names.is_empty()).collect::<Vec<_>>().join("; ")
}

fn few_remedy(ready: usize) -> String {
    let fewer = if ready == 0 { "Add".to_owned() } else { format!("Use -N {ready}, or add") };
    format!("{fewer} machines with the command that `docker swarm join-token worker` prints")
}

fn lacks(nodes: &[String]) -> String {
    match nodes {
        [node] => format!("{node} lacks"),
        nodes => format!("{} lack", nodes.join(", ")),
    }
}

fn load_commands(nodes: &[String], image: &str) -> String {
    let command = |node: &String| format!("`docker save {image} | ssh {node} docker load`");
    nodes.iter().map(command).collect::<Vec<_>>().join(", ")
}
