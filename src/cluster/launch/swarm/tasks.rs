use super::error::SwarmError;
use crate::docker::swarm::{SwarmNode, SwarmTask, TaskStage};

/// What the tasks of a service show about a part that has not joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TaskFailure<'a> {
    /// These tasks were rejected because their nodes lack the image.
    NoImage(Vec<&'a SwarmTask>),
    /// The swarm finds no node for it.
    NoPlace(&'a SwarmTask),
    /// Its node could not start it, or its program has ended.
    Ended(&'a SwarmTask),
}

/// The first reason why some part will never join. Parts whose tasks wait for another reason may still come.
pub(super) fn find_failure(tasks: &[SwarmTask]) -> Option<TaskFailure<'_>> {
    let lacks_image = |task: &&SwarmTask| {
        task.stage == TaskStage::Rejected
            && task.error.as_deref().is_some_and(|error| error.to_lowercase().contains("no such image"))
    };
    let without_image: Vec<_> = tasks.iter().filter(lacks_image).collect();
    if !without_image.is_empty() {
        return Some(TaskFailure::NoImage(without_image));
    }
    let mut ended = tasks.iter().filter(|task| matches!(task.stage, TaskStage::Rejected | TaskStage::Ended));
    if let Some(task) = ended.next() {
        return Some(TaskFailure::Ended(task));
    }
    let mut unplaced = tasks.iter().filter(|task| task.node.is_none() && task.error.is_some());
    unplaced.next().map(TaskFailure::NoPlace)
}

impl TaskFailure<'_> {
    /// `last_line` is the last line that the program of an ended task has printed.
    pub(super) fn into_error(
        self,
        nodes: &[SwarmNode],
        parts: usize,
        image: &str,
        last_line: Option<String>,
    ) -> SwarmError {
        let name = |task: &SwarmTask| {
            let node = nodes.iter().find(|node| Some(&node.id) == task.node.as_ref());
            node.map_or_else(|| "an unknown node".to_owned(), |node| node.name.clone())
        };
        let why = |task: &SwarmTask| task.error.clone().unwrap_or_else(|| "its program has ended".to_owned());
        match self {
            TaskFailure::NoImage(tasks) => {
                let nodes = tasks.iter().map(|task| name(task)).collect();
                SwarmError::NodesWithoutImage { nodes, image: image.to_owned() }
            }
            TaskFailure::NoPlace(task) => SwarmError::NoPlace { slot: task.slot, parts, why: why(task) },
            TaskFailure::Ended(task) => {
                SwarmError::Ended { node: name(task), why: last_line.unwrap_or_else(|| why(task)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(slot: u16, stage: TaskStage, error: &str) -> SwarmTask {
        let error = Some(error.to_owned()).filter(|error| !error.is_empty());
        SwarmTask { id: format!("t{slot}"), slot, node: Some(format!("n{slot}")), stage, error }
    }

    fn why(tasks: &[SwarmTask], last_line: Option<&str>) -> String {
        let node = |slot| SwarmNode { id: format!("n{slot}"), name: format!("node{slot}"), problem: None };
        let nodes: Vec<_> = (1..=3).map(node).collect();
        let error = find_failure(tasks).map(|failure| {
            failure.into_error(&nodes, tasks.len(), "metawrk:1", last_line.map(str::to_owned)).to_string()
        });
        error.unwrap_or_default()
    }

    #[test]
    fn all_nodes_without_the_image_are_named() {
        let lacks = |slot| task(slot, TaskStage::Rejected, "No such image: sha256:0123");
        insta::assert_snapshot!(why(&[lacks(1), task(2, TaskStage::Running, ""), lacks(3)], None), @"node1, node3 lack this build of the image metawrk:1. Bring it there from a node that has it: `docker save metawrk:1 | ssh node1 docker load`, `docker save metawrk:1 | ssh node3 docker load`. Or name an image in a registry that all nodes reach with --image");
        insta::assert_snapshot!(why(&[lacks(1)], None), @"node1 lacks this build of the image metawrk:1. Bring it there from a node that has it: `docker save metawrk:1 | ssh node1 docker load`. Or name an image in a registry that all nodes reach with --image");
    }

    #[test]
    fn an_agent_that_ended_early_says_why_in_its_own_words() {
        let ended = [task(1, TaskStage::Running, ""), task(2, TaskStage::Ended, "task: non-zero exit (1)")];
        insta::assert_snapshot!(why(&ended, Some("cannot reach the coordinator at 10.0.0.1:7000")), @"the part on node2 ended before the load: cannot reach the coordinator at 10.0.0.1:7000");
        insta::assert_snapshot!(why(&ended, None), @"the part on node2 ended before the load: task: non-zero exit (1)");
    }

    #[test]
    fn a_part_without_a_node_is_a_failure_and_one_whose_container_is_made_is_not() {
        let unplaced =
            SwarmTask { node: None, ..task(2, TaskStage::Waiting, "no suitable node (1 node not available)") };
        insta::assert_snapshot!(why(&[task(1, TaskStage::Running, ""), unplaced], None), @"the swarm finds no node for part 2 of 2: no suitable node (1 node not available). `docker node ls` shows the nodes. Use a smaller -N, or add nodes");
        assert_eq!(find_failure(&[task(1, TaskStage::Waiting, ""), task(2, TaskStage::Running, "")]), None);
    }
}
