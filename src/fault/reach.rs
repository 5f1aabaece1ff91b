//! What a container's peers can reach of it, seen from one of them: a short-lived container of our image.

use std::collections::BTreeSet;
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::docker::inside::{Answer, Question, Reached};
use crate::docker::{Details, Endpoint, Engine, OUR_IMAGE, Place};

/// What could be reached before the fault, and so must be again after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    seen: Vec<Seen>,
    /// Why nobody could look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

/// What could be reached from one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    network: String,
    network_id: String,
    names: BTreeSet<String>,
    ports: BTreeSet<u16>,
}

/// Before the load: what does not answer by then is not counted on.
const FIRST_LOOK_MS: u64 = 1000;
/// A service that starts again takes its time.
const PATIENCE_MS: u64 = 10_000;

impl Reach {
    /// Nobody looks.
    pub fn none() -> Reach {
        Reach::default()
    }

    /// Looks at the container from each of the networks that it is on.
    pub async fn look(engine: &Engine, container: &Details) -> Reach {
        match Reach::try_look(engine, container).await {
            Ok(seen) => Reach { seen, unknown: None },
            Err(why) => Reach { seen: Vec::new(), unknown: Some(why) },
        }
    }

    async fn try_look(engine: &Engine, container: &Details) -> Result<Vec<Seen>, String> {
        if !engine.has_image(OUR_IMAGE).await.map_err(|e| e.to_string())? {
            return Err(format!("the engine has no image {OUR_IMAGE} to look from: `metawrk testbed image` makes it"));
        }
        engine.sweep().await.map_err(|e| e.to_string())?;
        let ports: BTreeSet<u16> = container.ports.iter().copied().chain(listening(engine, container)).collect();
        let mut seen = Vec::new();
        for endpoint in &container.endpoints {
            let names = names(container, endpoint);
            if let Some(reached) = ask(engine, endpoint, &names, &ports, FIRST_LOOK_MS).await? {
                let Endpoint { network, network_id, .. } = endpoint.clone();
                seen.push(Seen { network, network_id, names: reached.names, ports: reached.ports });
            }
        }
        Ok(seen)
    }

    /// The same from these networks alone.
    pub fn on(mut self, endpoints: &[Endpoint]) -> Reach {
        self.seen.retain(|seen| endpoints.iter().any(|endpoint| endpoint.network_id == seen.network_id));
        self
    }

    /// Whether all that could be reached can be reached again, at the addresses that the container has `now`; what
    /// there is to say about it.
    ///
    /// # Errors
    /// Says what cannot.
    pub async fn again(&self, engine: &Engine, now: &Details) -> Result<String, String> {
        for Seen { network, network_id, names, ports } in &self.seen {
            let endpoint = now.endpoints.iter().find(|endpoint| endpoint.network_id == *network_id);
            let endpoint = endpoint.ok_or_else(|| format!("it is not on {network}"))?;
            let reached = ask(engine, endpoint, names, ports, PATIENCE_MS).await?.unwrap_or_default();
            if reached.names != *names || reached.ports != *ports {
                return Err(format!("from a peer on {network}, {}", reached.trouble));
            }
        }
        Ok(self.to_string())
    }

    /// Why no peer could look, if none could.
    pub fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }
}

impl fmt::Display for Reach {
    /// `a peer on metawrk reaches db, net-db-1 on port 4000`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.unknown {
            return write!(f, "warning: not seen from a peer ({why})");
        }
        let said = self.seen.iter().map(|Seen { network, names, ports, .. }| {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            let names = if names.is_empty() { "it".to_owned() } else { names.join(", ") };
            match ports.as_slice() {
                [] => format!("a peer on {network} resolves {names}"),
                ports => format!("a peer on {network} reaches {names} on port {}", ports.join(", ")),
            }
        });
        f.write_str(&said.collect::<Vec<_>>().join("; "))
    }
}

/// By which it is known on a network; the default one has no names.
fn names(container: &Details, endpoint: &Endpoint) -> BTreeSet<String> {
    match endpoint.has_names() {
        true => endpoint.aliases.iter().cloned().chain([container.name.clone()]).collect(),
        false => BTreeSet::new(),
    }
}

/// `None` where the container has no address there.
async fn ask(
    engine: &Engine,
    endpoint: &Endpoint,
    names: &BTreeSet<String>,
    ports: &BTreeSet<u16>,
    patience_ms: u64,
) -> Result<Option<Reached>, String> {
    let Ok(address) = endpoint.address.parse().or_else(|_| endpoint.address6.parse()) else { return Ok(None) };
    let question = Question::Reach { names: names.clone(), address, ports: ports.clone(), patience_ms };
    match engine.ask(Place::Network(&endpoint.network_id), &question).await {
        Ok(Answer::Reach(reached)) => Ok(Some(reached)),
        Ok(other) => Err(format!("a peer said {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// The ports that a local container listens at for others: images seldom say all.
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
    use super::*;

    #[test]
    fn ports_that_others_may_use_are_listened_at() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0B00007F:9F3D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1\n   \
            1: 00000000:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2\n   \
            2: 020012AC:0FA0 030012AC:8000 01 00000000:00000000 00:00000000 00000000     0        0 3\n";
        assert_eq!(listening_in(table), [4000]);
        let table = "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0 0 0\n   \
            1: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0 0 0\n";
        assert_eq!(listening_in(table), [443]);
    }
}
