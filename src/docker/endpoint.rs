//! The endpoint of a container on a network: what a disconnection deletes, and what a connection brings back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use bollard::models::{EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest};
use serde::{Deserialize, Serialize};

use super::{Api, DockerError, Engine};

/// A container's endpoint on one network, as inspected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The network's name.
    pub network: String,
    pub network_id: String,
    /// The names that its peers know it by, beside its own: a compose service's name is one. Without its short id,
    /// which engines add.
    #[serde(default)]
    pub aliases: BTreeSet<String>,
    #[serde(default)]
    pub links: Vec<String>,
    /// The addresses that its user chose.
    #[serde(default)]
    pub fixed: ChosenAddresses,
    #[serde(default)]
    pub driver_opts: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gw_priority: Option<i64>,
    /// The addresses that it has; empty where it does not run.
    #[serde(default)]
    pub address: String,
    #[serde(default)]
    pub address6: String,
    #[serde(default)]
    pub mac: String,
}

/// Addresses chosen by the user, not by the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenAddresses {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link_local: Vec<String>,
}

/// A difference between two inspections of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointChange {
    /// Peers or the user rely on it: the endpoint is not as before.
    Setting(String),
    /// It has another address. Names resolve to it, so peers that use names are not affected.
    Address { before: String, now: String },
}

impl Endpoint {
    pub(super) fn of(container: &str, network: &str, settings: EndpointSettings) -> Endpoint {
        let short = container.get(..12).unwrap_or(container);
        let fixed = settings.ipam_config.unwrap_or_default();
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Endpoint {
            network: network.to_owned(),
            network_id: settings.network_id.unwrap_or_default(),
            aliases: settings.aliases.unwrap_or_default().into_iter().filter(|alias| alias != short).collect(),
            links: settings.links.unwrap_or_default(),
            fixed: ChosenAddresses {
                ipv4: some(fixed.ipv4_address),
                ipv6: some(fixed.ipv6_address),
                link_local: fixed.link_local_ips.unwrap_or_default(),
            },
            driver_opts: settings.driver_opts.unwrap_or_default().into_iter().collect(),
            gw_priority: settings.gw_priority.filter(|priority| *priority != 0),
            address: settings.ip_address.unwrap_or_default(),
            address6: settings.global_ipv6_address.unwrap_or_default(),
            mac: settings.mac_address.unwrap_or_default(),
        }
    }

    /// The settings that bring it back, for an engine of this version: older ones refuse or ignore the rest.
    fn settings(&self, api: Api) -> EndpointSettings {
        let some = |list: &[String]| Some(list.to_vec()).filter(|list| !list.is_empty());
        let fixed = EndpointIpamConfig {
            ipv4_address: self.fixed.ipv4.clone(),
            ipv6_address: self.fixed.ipv6.clone(),
            link_local_ips: some(&self.fixed.link_local),
        };
        EndpointSettings {
            ipam_config: Some(fixed).filter(|_| self.fixed != ChosenAddresses::default()),
            links: some(&self.links),
            aliases: Some(self.aliases.iter().cloned().collect::<Vec<_>>()).filter(|list| !list.is_empty()),
            driver_opts: Some(self.driver_opts.clone().into_iter().collect()).filter(|_| !self.driver_opts.is_empty()),
            gw_priority: self.gw_priority.filter(|_| api >= Api(1, 48)),
            mac_address: Some(self.mac.clone()).filter(|mac| api >= Api(1, 54) && !mac.is_empty()),
            ..EndpointSettings::default()
        }
    }

    /// The differences from `self`, on an engine of this version.
    pub fn changes(&self, now: &Endpoint, api: Api) -> Vec<EndpointChange> {
        let mut changes = Vec::new();
        let mut compare = |what: &str, before: String, now: String| {
            if before != now {
                changes.push(EndpointChange::Setting(format!(
                    "its {what} on {} changed from {before} to {now}",
                    self.network
                )));
            }
        };
        compare("aliases", format!("{:?}", self.aliases), format!("{:?}", now.aliases));
        compare("links", format!("{:?}", sorted(&self.links)), format!("{:?}", sorted(&now.links)));
        compare("chosen addresses", format!("{:?}", self.fixed), format!("{:?}", now.fixed));
        compare("driver options", format!("{:?}", self.driver_opts), format!("{:?}", now.driver_opts));
        compare("gateway priority", format!("{:?}", self.gw_priority), format!("{:?}", now.gw_priority));
        let mac = self.mac_was_chosen(api).then_some((&self.mac, &now.mac));
        for (before, now) in [(&self.address, &now.address), (&self.address6, &now.address6)].into_iter().chain(mac) {
            if before != now && !before.is_empty() && !now.is_empty() {
                changes.push(EndpointChange::Address { before: before.clone(), now: now.clone() });
            }
        }
        changes
    }

    /// Engines before 28 derive the MAC address from the IP address, unless the user chose one. For later ones this is
    /// not known.
    fn mac_was_chosen(&self, api: Api) -> bool {
        let made = |address: Ipv4Addr| {
            let [a, b, c, d] = address.octets();
            format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
        };
        api < Api(1, 48) && self.address.parse().is_ok_and(|address| !made(address).eq_ignore_ascii_case(&self.mac))
    }

    /// Whether the network has a name server: all but the default ones do.
    pub fn has_names(&self) -> bool {
        !matches!(self.network.as_str(), "bridge" | "host" | "none")
    }
}

fn sorted(list: &[String]) -> Vec<&str> {
    let mut list: Vec<_> = list.iter().map(String::as_str).collect();
    list.sort_unstable();
    list
}

impl Engine {
    /// # Errors
    /// Where the engine refuses.
    pub async fn disconnect(&self, container: &str, endpoint: &Endpoint) -> Result<(), DockerError> {
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: None };
        let done = self.docker.disconnect_network(&endpoint.network_id, request).await;
        done.map_err(DockerError::refused("disconnect", format!("{} from {}", short(container), endpoint.network)))
    }

    /// Connects a container as it was: names, links, chosen addresses and options.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn connect_again(&self, container: &str, endpoint: &Endpoint) -> Result<(), DockerError> {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(endpoint.settings(self.api())),
        };
        let done = self.docker.connect_network(&endpoint.network_id, request).await;
        done.map_err(DockerError::refused("connect", format!("{} to {}", short(container), endpoint.network)))
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn endpoint() -> Endpoint {
        let settings: EndpointSettings = serde_json::from_str(
            r#"{"IPAMConfig":{"IPv4Address":"10.9.0.7"},"Links":["a:b"],"Aliases":["db","0123456789ab","net-db-1"],
                "NetworkID":"f00","EndpointID":"e","Gateway":"10.9.0.1","IPAddress":"10.9.0.7","IPPrefixLen":24,
                "IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"MacAddress":"02:42:0a:09:00:07",
                "DriverOpts":{"x":"y"},"GwPriority":3}"#,
        )
        .unwrap();
        Endpoint::of(ID, "net", settings)
    }

    #[test]
    fn what_a_disconnection_deletes_is_taken_back_as_the_engine_s_version_has_it() {
        let json = |api| serde_json::to_string(&endpoint().settings(api)).unwrap();
        insta::assert_snapshot!(json(Api(1, 41)), @r#"{"IPAMConfig":{"IPv4Address":"10.9.0.7"},"Links":["a:b"],"Aliases":["db","net-db-1"],"DriverOpts":{"x":"y"}}"#);
        insta::assert_snapshot!(json(Api(1, 54)), @r#"{"IPAMConfig":{"IPv4Address":"10.9.0.7"},"Links":["a:b"],"MacAddress":"02:42:0a:09:00:07","Aliases":["db","net-db-1"],"DriverOpts":{"x":"y"},"GwPriority":3}"#);
    }

    #[test]
    fn what_nobody_chose_is_not_asked_for() {
        let bare = EndpointSettings { aliases: Some(vec!["0123456789ab".into()]), ..EndpointSettings::default() };
        let bare = EndpointSettings { ipam_config: Some(EndpointIpamConfig::default()), gw_priority: Some(0), ..bare };
        let settings = Endpoint::of(ID, "net", bare).settings(Api(1, 48));
        assert_eq!(serde_json::to_string(&settings).unwrap(), "{}");
    }

    #[test]
    fn a_lost_alias_is_a_change_and_so_is_another_address() {
        let before = endpoint();
        assert_eq!(before.changes(&before, Api(1, 41)), []);
        let mut now = before.clone();
        now.aliases.remove("db");
        now.address = "10.9.0.8".into();
        let changes = before.changes(&now, Api(1, 41));
        assert!(
            matches!(&changes[..], [EndpointChange::Setting(text), EndpointChange::Address { .. }] if text.contains("aliases")),
            "{changes:?}"
        );
        // A container that does not run has none.
        now = Endpoint { address: String::new(), ..before.clone() };
        assert_eq!(before.changes(&now, Api(1, 41)), []);
    }

    #[test]
    fn another_mac_address_is_a_change_where_it_was_chosen() {
        let changed = |mac: &str, api| {
            let before = Endpoint { mac: mac.into(), ..endpoint() };
            before.changes(&Endpoint { mac: "02:42:0a:09:00:63".into(), ..before.clone() }, api)
        };
        let chosen = "02:42:0a:09:00:aa";
        let change = EndpointChange::Address { before: chosen.into(), now: "02:42:0a:09:00:63".into() };
        assert_eq!(changed(chosen, Api(1, 41)), [change]);
        assert_eq!(changed("02:42:0a:09:00:07", Api(1, 41)), [], "made of its address");
        assert_eq!(changed(chosen, Api(1, 48)), [], "made of nothing");
    }

    #[test]
    fn endpoints_round_trip() {
        let text = serde_json::to_string(&endpoint()).unwrap();
        assert_eq!(serde_json::from_str::<Endpoint>(&text).unwrap(), endpoint());
    }
}
