use super::error::SwarmError;
use crate::docker::swarm::SwarmNode;

/// # Errors
/// If fewer nodes accept tasks than there are parts.
pub(super) fn require_enough(nodes: &[SwarmNode], parts: u16) -> Result<(), SwarmError> {
    let ready: Vec<_> = nodes.iter().filter(|node| node.problem.is_none()).map(|node| node.name.clone()).collect();
    if ready.len() >= usize::from(parts) {
        return Ok(());
    }
    let others = nodes.iter().filter_map(|node| Some(format!("{} is {}", node.name, node.problem?))).collect();
    Err(SwarmError::FewNodes { parts, ready, others })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(problems: &[Option<&'static str>], parts: u16) -> String {
        let node = |(index, problem): (usize, &Option<&'static str>)| {
            let name = format!("node{}", index + 1);
            SwarmNode { id: name.clone(), name, problem: *problem }
        };
        let nodes: Vec<_> = problems.iter().enumerate().map(node).collect();
        require_enough(&nodes, parts).map_or_else(|error| error.to_string(), |()| "enough".to_owned())
    }

    #[test]
    fn each_part_needs_a_node_that_accepts_tasks() {
        assert_eq!(why(&[None, None, Some("down")], 2), "enough");
        insta::assert_snapshot!(why(&[None, None, Some("down")], 3), @"-N 3 needs as many nodes that accept tasks, and the swarm has 2 (node1, node2; node3 is down). Use -N 2, or add machines with the command that `docker swarm join-token worker` prints");
        insta::assert_snapshot!(why(&[None], 8), @"-N 8 needs as many nodes that accept tasks, and the swarm has 1 (node1). Use -N 1, or add machines with the command that `docker swarm join-token worker` prints");
        insta::assert_snapshot!(why(&[Some("drained")], 1), @"-N 1 needs as many nodes that accept tasks, and the swarm has 0 (node1 is drained). Add machines with the command that `docker swarm join-token worker` prints");
    }
}
