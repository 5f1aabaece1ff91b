use std::collections::HashMap;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::{Stream, StreamExt};

use super::{DockerError, Engine};

/// An event of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEvent {
    pub id: String,
    pub name: String,
    pub what: ContainerEventKind,
    /// Wall time of the engine's machine, ns since 1970.
    pub wall_ns: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerEventKind {
    /// The kernel killed one of its processes because its memory was full.
    OutOfMemory,
    /// Its first process ended. 137 is a SIGKILL.
    Died {
        exit_code: Option<i64>,
    },
    Started,
    /// A user's restart; an engine's own is a death and a start.
    Restarted,
}

impl Engine {
    /// The events of these containers from now on, until the engine or the connection to it ends.
    pub fn events(&self, ids: &[String]) -> impl Stream<Item = Result<ContainerEvent, DockerError>> + Send + use<> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let filters = HashMap::from([
            ("type".to_owned(), words(&["container"])),
            ("event".to_owned(), words(&["oom", "die", "start", "restart"])),
            ("container".to_owned(), ids.to_vec()),
        ]);
        let events = self.docker.events(Some(EventsOptions { filters: Some(filters), ..Default::default() }));
        events.filter_map(async |event| match event {
            Ok(event) => ContainerEvent::of(event).map(Ok),
            Err(error) => Some(Err(DockerError::refused("report events of", "its containers")(error))),
        })
    }
}

impl ContainerEvent {
    fn of(event: EventMessage) -> Option<ContainerEvent> {
        let actor = event.actor?;
        let attributes = actor.attributes.unwrap_or_default();
        let what = match event.action?.as_str() {
            "oom" => ContainerEventKind::OutOfMemory,
            "die" => {
                ContainerEventKind::Died { exit_code: attributes.get("exitCode").and_then(|code| code.parse().ok()) }
            }
            "start" => ContainerEventKind::Started,
            "restart" => ContainerEventKind::Restarted,
            _ => return None,
        };
        let wall_ns = event.time_nano?;
        Some(ContainerEvent { id: actor.id?, name: attributes.get("name").cloned().unwrap_or_default(), what, wall_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_has_its_exit_code() {
        let event = r#"{"Type":"container","Action":"die","Actor":{"ID":"f00","Attributes":{"exitCode":"137","name":"db"}},
                        "scope":"local","time":1,"timeNano":1000000005}"#;
        let what = ContainerEventKind::Died { exit_code: Some(137) };
        let wanted = ContainerEvent { id: "f00".into(), name: "db".into(), what, wall_ns: 1_000_000_005 };
        assert_eq!(ContainerEvent::of(serde_json::from_str(event).unwrap()), Some(wanted));
    }

    #[test]
    fn other_events_are_left_out() {
        let event = r#"{"Type":"container","Action":"exec_die","Actor":{"ID":"f00","Attributes":{}},"timeNano":1}"#;
        assert_eq!(ContainerEvent::of(serde_json::from_str(event).unwrap()), None);
    }
}
