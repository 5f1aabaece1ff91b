use bollard::models::{LocalNodeState, Node, NodeSpecAvailabilityEnum, NodeState, SwarmInfo};
use bollard::query_parameters::ListNodesOptions;

use crate::docker::{DockerError, Engine};

/// What an engine is in a swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is in no swarm.
    None,
    /// It runs tasks, and cannot start services.
    Worker,
    /// It can start services. Other nodes reach it at this address, which has no port.
    Manager { address: String },
}

/// A machine of a swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmNode {
    pub id: String,
    /// Its hostname.
    pub name: String,
    /// Why it accepts no tasks: "down", "drained" or "paused". `None` if it does.
    pub problem: Option<&'static str>,
}

impl Engine {
    /// What this engine is in a swarm.
    ///
    /// # Errors
    /// Where the engine does not answer.
    pub async fn swarm_membership(&self) -> Result<Membership, DockerError> {
        let info = self.docker.info().await.map_err(DockerError::refused("describe", "its swarm"))?;
        Ok(membership(info.swarm.unwrap_or_default()))
    }

    /// The nodes of its swarm, by name.
    ///
    /// # Errors
    /// Where the engine is no manager of a swarm.
    pub async fn swarm_nodes(&self) -> Result<Vec<SwarmNode>, DockerError> {
        let listed = self.docker.list_nodes(None::<ListNodesOptions>).await;
        let listed = listed.map_err(DockerError::refused("list", "the nodes of its swarm"))?;
        let mut nodes: Vec<_> = listed.into_iter().filter_map(SwarmNode::of).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }
}

fn membership(swarm: SwarmInfo) -> Membership {
    match (swarm.local_node_state, swarm.control_available) {
        (Some(LocalNodeState::ACTIVE), Some(true)) => {
            Membership::Manager { address: swarm.node_addr.unwrap_or_default() }
        }
        (Some(LocalNodeState::ACTIVE), _) => Membership::Worker,
        _ => Membership::None,
    }
}

impl SwarmNode {
    fn of(node: Node) -> Option<SwarmNode> {
        let id = node.id?;
        let is_ready = node.status.and_then(|status| status.state) == Some(NodeState::READY);
        let problem = match node.spec.and_then(|spec| spec.availability) {
            _ if !is_ready => Some("down"),
            Some(NodeSpecAvailabilityEnum::DRAIN) => Some("drained"),
            Some(NodeSpecAvailabilityEnum::PAUSE) => Some("paused"),
            _ => None,
        };
        let name = node.description.and_then(|description| description.hostname);
        Some(SwarmNode { name: name.unwrap_or_else(|| id.clone()), id, problem })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(state: &str, availability: &str) -> SwarmNode {
        let node = json!({
            "ID": "abc", "Spec": { "Availability": availability }, "Status": { "State": state },
            "Description": { "Hostname": "node1" },
        });
        SwarmNode::of(serde_json::from_value(node).unwrap()).unwrap()
    }

    #[test]
    fn a_node_accepts_tasks_if_it_is_ready_and_active() {
        assert_eq!(node("ready", "active"), SwarmNode { id: "abc".into(), name: "node1".into(), problem: None });
        assert_eq!(node("ready", "drain").problem, Some("drained"));
        assert_eq!(node("ready", "pause").problem, Some("paused"));
        assert_eq!(node("down", "active").problem, Some("down"));
        assert_eq!(node("unknown", "active").problem, Some("down"));
    }

    #[test]
    fn only_managers_can_start_services() {
        let of = |text: &str| membership(serde_json::from_str(text).unwrap());
        assert_eq!(of(r#"{"LocalNodeState":"inactive"}"#), Membership::None);
        assert_eq!(of(r#"{"LocalNodeState":"locked","ControlAvailable":false}"#), Membership::None);
        assert_eq!(of(r#"{"LocalNodeState":"active","ControlAvailable":false}"#), Membership::Worker);
        let manager = of(r#"{"LocalNodeState":"active","ControlAvailable":true,"NodeAddr":"10.0.0.2"}"#);
        assert_eq!(manager, Membership::Manager { address: "10.0.0.2".into() });
    }
}
