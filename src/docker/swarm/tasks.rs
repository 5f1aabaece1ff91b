use bollard::container::LogOutput;
use bollard::models::{Task, TaskState};
use bollard::query_parameters::{ListTasksOptions, LogsOptions};
use futures_util::StreamExt;

use crate::docker::{DockerError, Engine};

/// A task of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmTask {
    pub id: String,
    /// From 1.
    pub slot: u16,
    /// The id of its node, once it has one.
    pub node: Option<String>,
    pub stage: TaskStage,
    /// What the swarm says about a task that it cannot place or run.
    pub error: Option<String>,
}

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStage {
    /// It has no node yet, or its container is being made.
    Waiting,
    Running,
    /// Its node could not start it.
    Rejected,
    /// Its program has ended, with an error or without, or was stopped.
    Ended,
}

impl Engine {
    /// The tasks of a service, by slot.
    ///
    /// # Errors
    /// Where there is no such service.
    pub async fn service_tasks(&self, service: &str) -> Result<Vec<SwarmTask>, DockerError> {
        let filters = [("service".to_owned(), vec![service.to_owned()])].into();
        let listed = self.docker.list_tasks(Some(ListTasksOptions { filters: Some(filters) })).await;
        let listed = listed.map_err(DockerError::refused("list the tasks of", format!("service {service}")))?;
        let mut tasks: Vec<_> = listed.into_iter().filter_map(SwarmTask::of).collect();
        tasks.sort_by_key(|task| task.slot);
        Ok(tasks)
    }

    /// The last line that a task has printed, if its node still has it.
    pub async fn last_line_of_task(&self, task: &str) -> Option<String> {
        let options = LogsOptions { stdout: true, stderr: true, tail: "1".to_owned(), ..Default::default() };
        let mut output = std::pin::pin!(self.docker.task_logs(task, Some(options)));
        let mut last = None;
        while let Some(Ok(LogOutput::StdOut { message } | LogOutput::StdErr { message })) = output.next().await {
            last = Some(String::from_utf8_lossy(&message).trim().to_owned());
        }
        last.filter(|line| !line.is_empty())
    }
}

impl SwarmTask {
    fn of(task: Task) -> Option<SwarmTask> {
        let status = task.status?;
        let stage = match status.state? {
            TaskState::RUNNING => TaskStage::Running,
            TaskState::REJECTED => TaskStage::Rejected,
            TaskState::COMPLETE | TaskState::SHUTDOWN | TaskState::FAILED | TaskState::REMOVE | TaskState::ORPHANED => {
                TaskStage::Ended
            }
            _ => TaskStage::Waiting,
        };
        Some(SwarmTask {
            id: task.id?,
            slot: task.slot?.try_into().ok()?,
            node: task.node_id.filter(|node| !node.is_empty()),
            stage,
            error: status.err.filter(|error| !error.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(state: &str, err: &str, node: &str) -> SwarmTask {
        let task = json!({ "ID": "t", "Slot": 2, "NodeID": node, "Status": { "State": state, "Err": err } });
        SwarmTask::of(serde_json::from_value(task).unwrap()).unwrap()
    }

    #[test]
    fn a_task_without_a_node_says_why() {
        let waiting = task("pending", "no suitable node (max replicas per node limit exceed)", "");
        assert_eq!((waiting.stage, waiting.node, waiting.slot), (TaskStage::Waiting, None, 2));
        assert_eq!(waiting.error.as_deref(), Some("no suitable node (max replicas per node limit exceed)"));
    }

    #[test]
    fn a_task_that_runs_is_neither_waiting_nor_ended() {
        let stage = |state: &str| task(state, "", "n").stage;
        assert_eq!(task("running", "", "n").error, None);
        assert_eq!(stage("running"), TaskStage::Running);
        assert_eq!(stage("rejected"), TaskStage::Rejected);
        for state in ["new", "assigned", "preparing", "ready", "starting"] {
            assert_eq!(stage(state), TaskStage::Waiting, "{state}");
        }
        for state in ["complete", "shutdown", "failed", "remove", "orphaned"] {
            assert_eq!(stage(state), TaskStage::Ended, "{state}");
        }
    }
}
