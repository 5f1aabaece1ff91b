//! The alias of a compose service, by which the other services find its containers.

use std::fmt;

use bollard::query_parameters::InspectNetworkOptions;

use super::{DockerError, Endpoint, Engine};

/// A container lacks the alias of its compose service on a network: its peers do not find it by that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingAlias {
    /// The container's name.
    pub container: String,
    pub service: String,
    pub network: String,
}

impl fmt::Display for MissingAlias {
    /// `on net_default it lacks the alias db of its service. Run ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MissingAlias { container, service, network } = self;
        write!(
            f,
            "on {network} it lacks the alias {service} of its service. Run `docker network disconnect {network} \
             {container}`, then `docker network connect --alias {service} {network} {container}`"
        )
    }
}

impl Engine {
    /// Whether a container lacks the alias of its compose service; a plain `docker network connect` loses that alias. Looks
    /// at `network`, or else at the networks of the container's compose project: on others the alias may be unwanted.
    ///
    /// # Errors
    /// Where there is no such container, or the engine does not answer.
    pub async fn missing_alias(&self, id: &str, network: Option<&str>) -> Result<Option<MissingAlias>, DockerError> {
        let container = self.find(id).await?;
        let (Some(service), Some(project)) = (&container.service, &container.project) else { return Ok(None) };
        let details = self.inspect(id).await?;
        let mut checked = Vec::new();
        for endpoint in &details.endpoints {
            let is_checked = match network {
                Some(network) => endpoint.network == network || endpoint.network_id == network,
                None => self.project_of(&endpoint.network_id).await?.as_ref() == Some(project),
            };
            checked.extend(is_checked.then_some(endpoint));
        }
        Ok(missing(&details.name, service, checked))
    }

    /// The compose project that made a network.
    async fn project_of(&self, network_id: &str) -> Result<Option<String>, DockerError> {
        let inspected = self.docker.inspect_network(network_id, None::<InspectNetworkOptions>).await;
        let inspected = inspected.map_err(DockerError::refused("inspect", "a network"))?;
        Ok(inspected.labels.and_then(|mut labels| labels.remove("com.docker.compose.project")))
    }
}

/// Of these endpoints of a container.
fn missing<'a>(
    container: &str,
    service: &str,
    endpoints: impl IntoIterator<Item = &'a Endpoint>,
) -> Option<MissingAlias> {
    let mut checked = endpoints.into_iter().filter(|endpoint| endpoint.has_names());
    let endpoint = checked.find(|endpoint| !endpoint.aliases.contains(service))?;
    let (container, service) = (container.to_owned(), service.to_owned());
    Some(MissingAlias { container, service, network: endpoint.network.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(networks: &[(&str, &[&str])]) -> Vec<Endpoint> {
        let endpoint = |(network, aliases): &(&str, &[&str])| {
            let json = serde_json::json!({ "network": network, "network_id": "f00", "aliases": aliases });
            serde_json::from_value::<Endpoint>(json).unwrap()
        };
        networks.iter().map(endpoint).collect()
    }

    #[test]
    fn the_text_has_the_commands_that_bring_it_back() {
        // The default network has no names.
        let bare = endpoints(&[("bridge", &[]), ("net_front", &["db"]), ("net_default", &["net-db-1"])]);
        let missing = missing("net-db-1", "db", &bare).unwrap();
        insta::assert_snapshot!(missing, @"on net_default it lacks the alias db of its service. Run `docker network disconnect net_default net-db-1`, then `docker network connect --alias db net_default net-db-1`");
        assert_eq!(super::missing("net-db-1", "db", &bare[..2]), None);
    }
}
