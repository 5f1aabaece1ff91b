//! Finds containers by name, compose service or id.

use std::collections::{BTreeSet, HashMap};

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::ListContainersOptions;

use super::helper::is_helper;
use super::{Details, DockerError, Engine};

/// A container of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The whole id: 64 hexadecimal digits.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// Its compose service and project, if it has them.
    pub service: Option<String>,
    pub project: Option<String>,
    /// Its number in the service.
    pub number: Option<String>,
    pub running: bool,
}

impl Engine {
    /// The container called `name`: an id, a container's name, a name that either compose makes
    /// (`project-service-1`, `project_service_1`), a compose service (`service` or `project/service`), or the beginning of
    /// an id, in this order. Among several of a service the only one that runs.
    ///
    /// # Errors
    /// [`DockerError::Unknown`] and [`DockerError::Ambiguous`] list what there is.
    pub async fn find(&self, name: &str) -> Result<Container, DockerError> {
        choose(name, self.containers().await?)
    }

    /// The containers called `name`: the one of [`Self::find`], or all of a compose service that run.
    ///
    /// # Errors
    /// As of [`Self::find`]; a service of several projects is ambiguous.
    pub async fn find_all(&self, name: &str) -> Result<Vec<Container>, DockerError> {
        choose_all(name, self.containers().await?)
    }

    /// All containers, those that do not run too, by name.
    ///
    /// # Errors
    /// Where the engine does not answer.
    pub async fn containers(&self) -> Result<Vec<Container>, DockerError> {
        let mut containers: Vec<_> = self.listed(true).await?.into_iter().filter_map(Container::of).collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    /// The names of the containers that run in the network name space of this one.
    ///
    /// # Errors
    /// Where the engine does not answer.
    pub async fn guests(&self, host: &Details) -> Result<Vec<String>, DockerError> {
        let running = self.listed(false).await?;
        let others = running.iter().filter(|c| !is_helper(c.labels.as_ref()));
        let mut guests: Vec<_> = others.filter(|c| is_guest(c, host)).filter_map(name).collect();
        guests.sort();
        Ok(guests)
    }

    async fn listed(&self, all: bool) -> Result<Vec<ContainerSummary>, DockerError> {
        let options = ListContainersOptions { all, ..Default::default() };
        let listed = self.docker.list_containers(Some(options)).await;
        listed.map_err(DockerError::refused("list", "its containers"))
    }
}

/// A link makes further names: `/other/db`.
fn name(summary: &ContainerSummary) -> Option<String> {
    let mut names = summary.names.iter().flatten();
    names.find_map(|name| name.strip_prefix('/').filter(|name| !name.contains('/'))).map(str::to_owned)
}

/// Whether it was given the name space of that container, by id or by name.
fn is_guest(summary: &ContainerSummary, host: &Details) -> bool {
    let mode = summary.host_config.as_ref().and_then(|config| config.network_mode.as_deref());
    let of = mode.and_then(|mode| mode.strip_prefix("container:"));
    of.is_some_and(|of| of == host.name || of.len() >= 12 && host.id.starts_with(of))
}

impl Container {
    /// `None` for a container without a name, for a one-off container of a service, and for a helper of ours.
    fn of(summary: ContainerSummary) -> Option<Container> {
        if is_helper(summary.labels.as_ref()) {
            return None;
        }
        let labels: HashMap<String, String> = summary.labels.clone().unwrap_or_default();
        let label = |name: &str| labels.get(&format!("com.docker.compose.{name}")).cloned();
        if label("oneoff").is_some_and(|oneoff| oneoff.eq_ignore_ascii_case("true")) {
            return None;
        }
        Some(Container {
            name: name(&summary)?,
            id: summary.id?,
            service: label("service"),
            project: label("project"),
            number: label("container-number"),
            running: matches!(
                summary.state,
                Some(ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::PAUSED)
            ),
        })
    }

    fn is_called_by_compose(&self, name: &str) -> bool {
        let (Some(project), Some(service), Some(number)) = (&self.project, &self.service, &self.number) else {
            return false;
        };
        ["-", "_"].iter().any(|joint| name == [project.as_str(), service, number].join(joint))
    }

    /// `service` or `project/service`.
    fn is_of_service(&self, name: &str) -> bool {
        let Some(service) = self.service.as_deref() else { return false };
        service == name
            || name.split_once('/').is_some_and(|(of, name)| service == name && self.project.as_deref() == Some(of))
    }

    /// Its name, and its service where that is another.
    fn listed(&self) -> String {
        match &self.service {
            Some(service) if *service != self.name => format!("{} (service {service})", self.name),
            _ => self.name.clone(),
        }
    }
}

fn choose(name: &str, containers: Vec<Container>) -> Result<Container, DockerError> {
    let mut found = matching(name, containers)?;
    if found.len() > 1 {
        return Err(ambiguous(name, &found));
    }
    Ok(found.remove(0))
}

fn choose_all(name: &str, containers: Vec<Container>) -> Result<Vec<Container>, DockerError> {
    let found = matching(name, containers)?;
    let is_one_service = found.iter().all(|c| c.is_of_service(name) && c.project == found[0].project && c.running);
    if found.len() > 1 && !is_one_service {
        return Err(ambiguous(name, &found));
    }
    Ok(found)
}

/// The containers that `name` means, at least one: those that run, if any does.
fn matching(name: &str, containers: Vec<Container>) -> Result<Vec<Container>, DockerError> {
    let is_id = name.len() >= 3 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let ways: [&dyn Fn(&Container) -> bool; 5] = [
        &|c| c.id == name,
        &|c| c.name == name.trim_start_matches('/'),
        &|c| c.is_called_by_compose(name),
        &|c| c.is_of_service(name),
        &|c| is_id && c.id.starts_with(name),
    ];
    let Some(way) = ways.iter().find(|way| containers.iter().any(way)) else {
        let candidates = containers.iter().map(Container::listed).collect();
        return Err(DockerError::Unknown { name: name.to_owned(), candidates });
    };
    let some_run = containers.iter().any(|c| way(c) && c.running);
    Ok(containers.into_iter().filter(|c| way(c) && (c.running || !some_run)).collect())
}

fn ambiguous(name: &str, found: &[Container]) -> DockerError {
    let projects = found.iter().filter(|c| c.is_of_service(name)).filter_map(|c| c.project.as_ref());
    let services: BTreeSet<_> = projects.map(|project| format!("{project}/{name}")).collect();
    let services = if services.len() > 1 { services.into_iter().collect() } else { Vec::new() };
    let candidates = found.iter().map(Container::listed).collect();
    DockerError::Ambiguous { name: name.to_owned(), candidates, services }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(id: &str, name: &str, of_compose: Option<(&str, &str, &str)>, running: bool) -> Container {
        Container {
            id: id.repeat(64 / id.len()),
            name: name.to_owned(),
            project: of_compose.map(|(project, ..)| project.to_owned()),
            service: of_compose.map(|(_, service, _)| service.to_owned()),
            number: of_compose.map(|(.., number)| number.to_owned()),
            running,
        }
    }

    fn containers() -> Vec<Container> {
        vec![
            container("ab", "db", None, true),
            container("abcd", "net-db-1", Some(("net", "db", "1")), true),
            container("c0", "net-web-1", Some(("net", "web", "1")), true),
            container("d0", "net-web-2", Some(("net", "web", "2")), true),
            container("e0", "old_cache_1", Some(("old", "cache", "1")), false),
            container("f0", "net-cache-1", Some(("net", "cache", "1")), true),
            container("a0", "net-api-1", Some(("net", "api", "1")), true),
            container("a1", "net-api-2", Some(("net", "api", "2")), false),
            container("a2", "net-api-3", Some(("net", "api", "3")), true),
            container("a3", "other-api-1", Some(("other", "api", "1")), true),
        ]
    }

    fn chosen(name: &str) -> String {
        choose(name, containers()).map_or_else(|e| e.to_string(), |c| c.name)
    }

    fn all_chosen(name: &str) -> String {
        let names = |all: Vec<Container>| all.into_iter().map(|c| c.name).collect::<Vec<_>>().join(" ");
        choose_all(name, containers()).map_or_else(|e| e.to_string(), names)
    }

    #[test]
    fn ids_names_services_and_beginnings_of_ids_are_found() {
        assert_eq!(chosen(&"ab".repeat(32)), "db");
        assert_eq!(chosen("db"), "db");
        assert_eq!(chosen("/db"), "db");
        assert_eq!(chosen("net_db_1"), "net-db-1");
        assert_eq!(chosen("old-cache-1"), "old_cache_1");
        assert_eq!(chosen("abcd"), "net-db-1");
        assert_eq!(chosen("c0c"), "net-web-1");
    }

    #[test]
    fn of_several_of_a_service_the_one_that_runs_is_meant() {
        assert_eq!(chosen("cache"), "net-cache-1");
    }

    #[test]
    fn a_service_means_all_its_containers_that_run_and_only_of_one_project() {
        assert_eq!(all_chosen("web"), "net-web-1 net-web-2");
        assert_eq!(all_chosen("net/api"), "net-api-1 net-api-3");
        assert_eq!(all_chosen("other/api"), "other-api-1");
        assert_eq!(all_chosen("cache"), "net-cache-1");
        assert_eq!(all_chosen("net-api-2"), "net-api-2");
        insta::assert_snapshot!(all_chosen("api"), @"`api` matches more than one container: net-api-1 (service api), net-api-3 (service api), other-api-1 (service api). Name one of them, or one of the services net/api, other/api");
        // The beginning of several ids.
        assert!(all_chosen("a0a").starts_with("net-api-1"), "{}", all_chosen("a0a"));
        assert_eq!(chosen("other/api"), "other-api-1");
        assert_eq!(chosen("net/cache"), "net-cache-1");
    }

    #[test]
    fn what_is_ambiguous_or_unknown_is_said_with_what_there_is() {
        insta::assert_snapshot!(chosen("web"), @"`web` matches more than one container: net-web-1 (service web), net-web-2 (service web). Name one of them");
        insta::assert_snapshot!(chosen("cache-9").replace(", net-api-1 (service api), net-api-2 (service api), net-api-3 (service api), other-api-1 (service api)", ""), @"no container has the name, compose service or id `cache-9`; the containers are db, net-db-1 (service db), net-web-1 (service web), net-web-2 (service web), old_cache_1 (service cache), net-cache-1 (service cache)");
        insta::assert_snapshot!(choose("web", Vec::new()).unwrap_err(), @"no container has the name, compose service or id `web`; there are no containers. Start the system under test first");
    }
}
