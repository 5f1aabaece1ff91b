//! The alias of a compose service, by which the other services find its containers.

use std::fmt;

use super::{Details, DockerError, Engine};

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
        Ok(missing(&self.inspect(id).await?, service, project, network))
    }
}

fn missing(details: &Details, service: &str, project: &str, network: Option<&str>) -> Option<MissingAlias> {
    let is_checked = |name: &str, id: &str| match network {
        Some(network) => name == network || id == network,
        None => name.strip_prefix(project).is_some_and(|rest| rest.starts_with('_')),
    };
    let mut checked = details
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.has_names() && is_checked(&endpoint.network, &endpoint.network_id));
    let endpoint = checked.find(|endpoint| !endpoint.aliases.contains(service))?;
    let (container, service) = (details.name.clone(), service.to_owned());
    Some(MissingAlias { container, service, network: endpoint.network.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::Endpoint;

    fn details(networks: &[(&str, &[&str])]) -> Details {
        let endpoint = |(network, aliases): &(&str, &[&str])| {
            let json =
                serde_json::json!({ "network": network, "network_id": format!("id of {network}"), "aliases": aliases });
            serde_json::from_value::<Endpoint>(json).unwrap()
        };
        Details { name: "net-db-1".into(), endpoints: networks.iter().map(endpoint).collect(), ..Details::default() }
    }

    #[test]
    fn the_alias_is_missed_on_the_fault_s_network_or_on_those_of_the_project() {
        let bare = details(&[("monitoring", &[]), ("net_default", &["net-db-1"])]);
        let on = |network| missing(&bare, "db", "net", network).map(|missing| missing.network);
        assert_eq!(on(None).as_deref(), Some("net_default"));
        assert_eq!(on(Some("monitoring")).as_deref(), Some("monitoring"));
        assert_eq!(on(Some("id of monitoring")).as_deref(), Some("monitoring"));
        assert_eq!(on(Some("other")), None);
        assert_eq!(missing(&details(&[("bridge", &[]), ("net_default", &["db"])]), "db", "net", None), None);
    }

    #[test]
    fn the_text_has_the_commands_that_bring_it_back() {
        let missing = missing(&details(&[("net_default", &[])]), "db", "net", None).unwrap();
        insta::assert_snapshot!(missing, @"on net_default it lacks the alias db of its service. Run `docker network disconnect net_default net-db-1`, then `docker network connect --alias db net_default net-db-1`");
    }
}
