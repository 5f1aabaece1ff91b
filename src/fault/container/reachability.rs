//! What the peers of a container can reach of it, probed from one of them: a short-lived container of our image.

use std::collections::BTreeSet;
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::docker::probe::{ProbeAnswer, ProbeRequest, ReachResult};
use crate::docker::{Details, Endpoint, Engine, OUR_IMAGE, ProbePlace};
use crate::fault::StepReport;

/// What could be reached before the fault, and so must be again after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reachability {
    #[serde(rename = "seen")]
    networks: Vec<NetworkView>,
    /// Why no peer could probe it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

/// What could be reached from one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NetworkView {
    network: String,
    network_id: String,
    names: BTreeSet<String>,
    ports: BTreeSet<u16>,
    /// Ports that neither the image nor the user declares: a container that starts again may choose others.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    undeclared: BTreeSet<u16>,
}

/// Before the load: what does not answer by then is not expected later.
const FIRST_PROBE_MS: u64 = 1000;
/// A service may be slow to start again.
const PATIENCE_MS: u64 = 10_000;

impl Reachability {
    /// Nothing is verified.
    pub fn none() -> Reachability {
        Reachability::default()
    }

    /// Probes the container from each of its networks.
    pub async fn probe(engine: &Engine, container: &Details) -> Reachability {
        match Reachability::try_probe(engine, container).await {
            Ok(networks) => Reachability { networks, unknown: None },
            Err(why) => Reachability { networks: Vec::new(), unknown: Some(why) },
        }
    }

    async fn try_probe(engine: &Engine, container: &Details) -> Result<Vec<NetworkView>, String> {
        if !engine.has_image(OUR_IMAGE).await.map_err(|e| e.to_string())? {
            return Err(format!("the engine has no image {OUR_IMAGE} to probe from. Run `metawrk image`"));
        }
        engine.sweep().await.map_err(|e| e.to_string())?;
        let ports: BTreeSet<u16> = container.ports.iter().copied().chain(listening(engine, container)).collect();
        let mut seen = Vec::new();
        for endpoint in &container.endpoints {
            let names = names(container, endpoint);
            if let Some(reached) = probe_network(engine, endpoint, &names, &ports, FIRST_PROBE_MS).await? {
                let Endpoint { network, network_id, .. } = endpoint.clone();
                let ReachResult { names, ports, .. } = reached;
                seen.push(NetworkView { network, network_id, names, ports, undeclared: BTreeSet::new() });
            }
        }
        Ok(seen)
    }

    /// The same from these networks alone.
    pub fn on(mut self, endpoints: &[Endpoint]) -> Reachability {
        self.networks.retain(|seen| endpoints.iter().any(|endpoint| endpoint.network_id == seen.network_id));
        self
    }

    /// For a container that will be started again, whose image or user declares these ports. It may choose other ports
    /// than these, so undeclared ports only produce warnings. If no port that answers is declared, all ports count.
    pub fn declared(mut self, ports: &[u16]) -> Reachability {
        for seen in &mut self.networks {
            let (declared, undeclared): (BTreeSet<u16>, _) = seen.ports.iter().partition(|port| ports.contains(port));
            if !declared.is_empty() {
                seen.ports = declared;
                seen.undeclared.extend(undeclared);
            }
        }
        self
    }

    /// Verifies that all that could be reached can be reached again, at the addresses that the container has `now`. A
    /// probe that cannot be made is a warning.
    ///
    /// # Errors
    /// Says what cannot.
    pub async fn verify(&self, engine: &Engine, now: &Details) -> Result<StepReport, String> {
        let mut report = self.unknown.as_deref().map_or_else(StepReport::default, unverified);
        for seen in &self.networks {
            report = report.and(seen.verify(engine, now).await?);
        }
        Ok(report)
    }

    /// Whether a peer reached a port of it, and so can say whether it is back.
    pub fn is_known(&self) -> bool {
        self.unknown.is_none() && self.networks.iter().any(|seen| !seen.ports.is_empty())
    }

    /// Why no peer could probe it, if none could.
    pub fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }
}

impl NetworkView {
    async fn verify(&self, engine: &Engine, now: &Details) -> Result<StepReport, String> {
        let NetworkView { network, network_id, names, ports, undeclared } = self;
        let endpoint = now.endpoints.iter().find(|endpoint| endpoint.network_id == *network_id);
        let endpoint = endpoint.ok_or_else(|| format!("it is not on {network}"))?;
        match probe_network(engine, endpoint, names, &(ports | undeclared), PATIENCE_MS).await {
            Ok(Some(reached)) => self.compare(&reached),
            Ok(None) => Err(format!("it has no address on {network}: it does not run")),
            Err(why) => Ok(unverified(&why)),
        }
    }

    fn compare(&self, reached: &ReachResult) -> Result<StepReport, String> {
        let NetworkView { network, names, ports, undeclared, .. } = self;
        if reached.names != *names || !reached.ports.is_superset(ports) {
            return Err(format!("from a peer on {network}, {}", reached.trouble));
        }
        let said = StepReport::from(in_words(network, names, &reached.ports));
        Ok(match list(undeclared.difference(&reached.ports)) {
            missed if missed.is_empty() => said,
            missed => said.and(StepReport::warning(format!(
                "a peer on {network} no longer reaches port {missed}, which neither its image nor its user declares"
            ))),
        })
    }
}

impl fmt::Display for Reachability {
    /// `a peer on metawrk reaches db, net-db-1 on port 4000`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen =
            self.networks.iter().map(|seen| in_words(&seen.network, &seen.names, &(&seen.ports | &seen.undeclared)));
        f.write_str(&seen.collect::<Vec<_>>().join("; "))
    }
}

fn unverified(why: &str) -> StepReport {
    StepReport::warning(format!("not verified from a peer ({why})"))
}

fn in_words(network: &str, names: &BTreeSet<String>, ports: &BTreeSet<u16>) -> String {
    let names = if names.is_empty() { "it".to_owned() } else { list(names) };
    match ports.is_empty() {
        true => format!("a peer on {network} resolves {names}"),
        false => format!("a peer on {network} reaches {names} on port {}", list(ports)),
    }
}

fn list(all: impl IntoIterator<Item = impl ToString>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

/// By which it is known on a network; the default one has no names.
fn names(container: &Details, endpoint: &Endpoint) -> BTreeSet<String> {
    match endpoint.has_names() {
        true => endpoint.aliases.iter().cloned().chain([container.name.clone()]).collect(),
        false => BTreeSet::new(),
    }
}

/// Probes the container from one network; `None` where it has no address there.
async fn probe_network(
    engine: &Engine,
    endpoint: &Endpoint,
    names: &BTreeSet<String>,
    ports: &BTreeSet<u16>,
    patience_ms: u64,
) -> Result<Option<ReachResult>, String> {
    let Ok(address) = endpoint.address.parse().or_else(|_| endpoint.address6.parse()) else { return Ok(None) };
    let request = ProbeRequest::Reach { names: names.clone(), address, ports: ports.clone(), patience_ms };
    match engine.probe(ProbePlace::Network(&endpoint.network_id), &request).await {
        Ok(ProbeAnswer::Reach(reached)) => Ok(Some(reached)),
        Ok(other) => Err(format!("the probe answered {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// The ports on which a local container listens for others: images seldom declare all.
fn listening(engine: &Engine, container: &Details) -> Vec<u16> {
    if !engine.is_local() || container.pid == 0 {
        return Vec::new();
    }
    let read = |file: &str| fs::read_to_string(format!("/proc/{}/net/{file}", container.pid)).unwrap_or_default();
    [read("tcp"), read("tcp6")].iter().flat_map(|table| listening_in(table)).collect()
}

/// From the kernel's tables (proc(5)): local address, then remote, then state, where 0A is listening.
fn listening_in(table: &str) -> Vec<u16> {
    let port = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (address, port) = fields.next()?.split_once(':')?;
        // 127.x.y.z as the kernel writes it on a little-endian machine; docker's name server is one.
        let own = address.len() == 8 && address.ends_with("7F") || address.ends_with("01000000") && address.len() == 32;
        (fields.nth(1)? == "0A" && !own).then(|| u16::from_str_radix(port, 16).ok())?
    };
    table.lines().filter_map(port).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn listening_ports_that_peers_may_use_are_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0B00007F:9F3D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1\n   \
            1: 00000000:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2\n   \
            2: 020012AC:0FA0 030012AC:8000 01 00000000:00000000 00:00000000 00000000     0        0 3\n";
        assert_eq!(listening_in(table), [4000]);
        let table = "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0 0 0\n   \
            1: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0 0 0\n";
        assert_eq!(listening_in(table), [443]);
    }

    fn seen(ports: &[u16], undeclared: &[u16]) -> NetworkView {
        let names = ["db".to_owned()].into();
        let (ports, undeclared) = (ports.iter().copied().collect(), undeclared.iter().copied().collect());
        NetworkView { network: "net".into(), network_id: "f00".into(), names, ports, undeclared }
    }

    #[test]
    fn undeclared_ports_only_produce_warnings_where_others_are_declared() {
        let reach = |seen: NetworkView| Reachability { networks: vec![seen], unknown: None };
        assert_eq!(reach(seen(&[80, 4369], &[])).declared(&[80, 443]), reach(seen(&[80], &[4369])));
        // No port that answers is declared, so all count.
        assert_eq!(reach(seen(&[80, 4369], &[])).declared(&[443]), reach(seen(&[80, 4369], &[])));
        let reached = |ports: &[u16]| {
            let trouble = "10.0.0.2:80 does not accept".to_owned();
            ReachResult { names: ["db".to_owned()].into(), ports: ports.iter().copied().collect(), trouble }
        };
        let said = seen(&[80], &[4369]).compare(&reached(&[80])).unwrap().to_string();
        assert!(said.starts_with("a peer on net reaches db on port 80; warning: ") && said.contains("4369"), "{said}");
        assert_eq!(
            seen(&[80], &[9]).compare(&reached(&[80, 9])).unwrap(),
            "a peer on net reaches db on port 9, 80".into()
        );
        let error = seen(&[80], &[4369]).compare(&reached(&[4369])).unwrap_err();
        assert_eq!(error, "from a peer on net, 10.0.0.2:80 does not accept");
    }

    /// An engine that only answers requests for its version.
    async fn forgetful() -> Engine {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut peer in listener.incoming().flatten() {
                let _ = peer.read(&mut [0; 4096]);
                let body = r#"{"Version":"20.10.0","ApiVersion":"1.41"}"#;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                let _ = write!(peer, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        Engine::connect_to(&format!("tcp://{address}")).await.unwrap()
    }

    #[tokio::test]
    async fn a_probe_that_cannot_be_made_is_a_warning_and_no_address_is_an_error() {
        let engine = forgetful().await;
        let reach = Reachability { networks: vec![seen(&[80], &[])], unknown: None };
        let endpoint = |address: &str| {
            let json = serde_json::json!({ "network": "net", "network_id": "f00", "address": address });
            serde_json::from_value::<Endpoint>(json).unwrap()
        };
        let now = |address: &str| Details { endpoints: vec![endpoint(address)], ..Details::default() };
        let said = reach.verify(&engine, &now("10.0.0.2")).await.unwrap().to_string();
        assert!(said.starts_with("warning: not verified from a peer (the Docker engine failed to create"), "{said}");
        let error = reach.verify(&engine, &now("")).await.unwrap_err();
        assert_eq!(error, "it has no address on net: it does not run");
    }
}
