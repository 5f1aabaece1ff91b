//! What this program does inside a container of our image: it probes a container from its network, or switches a link of
//! the engine's machine. A request is an argument, the answer a line, both in JSON.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout};

pub use super::interfaces::Interface;
use super::interfaces::{SYSFS, own_interfaces};
use super::netlink;

/// What to do inside the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeRequest {
    /// Which of `names` resolve to `address`, and which of `ports` accept there? Tries until all do, for `patience_ms`.
    Reach { names: BTreeSet<String>, address: IpAddr, ports: BTreeSet<u16>, patience_ms: u64 },
    /// Which network interfaces are there?
    Interfaces,
    /// Which of these host sides of links are up?
    Links { links: Vec<Link> },
    /// Switches them on or off.
    Switch { links: Vec<Link>, up: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeAnswer {
    Reach(ReachResult),
    Interfaces(Vec<Interface>),
    /// In the order of the request; `None` for a link that no longer exists.
    Links(Vec<Option<bool>>),
    Failed(String),
}

/// The names and ports that could be reached, and the last error of those that could not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachResult {
    pub names: BTreeSet<String>,
    pub ports: BTreeSet<u16>,
    pub trouble: String,
}

/// The host side of the pair of interfaces that connects a container to a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub index: u32,
    /// The index of the other side. The two together identify the link.
    pub peer: u32,
}

impl ProbeRequest {
    /// Whether it needs the right to change links.
    pub(super) fn changes_links(&self) -> bool {
        matches!(self, ProbeRequest::Switch { .. })
    }
}

/// Answers one request.
pub async fn answer(request: &ProbeRequest) -> ProbeAnswer {
    match request {
        ProbeRequest::Reach { names, address, ports, patience_ms } => {
            ProbeAnswer::Reach(reach(names, *address, ports, Duration::from_millis(*patience_ms)).await)
        }
        ProbeRequest::Interfaces => own_interfaces().map_or_else(ProbeAnswer::Failed, ProbeAnswer::Interfaces),
        ProbeRequest::Links { links } => link_states(links).map_or_else(ProbeAnswer::Failed, ProbeAnswer::Links),
        ProbeRequest::Switch { links, up } => {
            switch(links, *up).and_then(|()| link_states(links)).map_or_else(ProbeAnswer::Failed, ProbeAnswer::Links)
        }
    }
}

const PAUSE: Duration = Duration::from_millis(50);
/// A peer on the same network accepts at once, or its queue is full and it does so after the kernel's first try again.
const CONNECT: Duration = Duration::from_millis(1500);

async fn reach(names: &BTreeSet<String>, address: IpAddr, ports: &BTreeSet<u16>, patience: Duration) -> ReachResult {
    let end = Instant::now() + patience;
    loop {
        let reached = reach_once(names, address, ports).await;
        if reached.names == *names && reached.ports == *ports || Instant::now() >= end {
            return reached;
        }
        sleep(PAUSE).await;
    }
}

async fn reach_once(names: &BTreeSet<String>, address: IpAddr, ports: &BTreeSet<u16>) -> ReachResult {
    let mut reached = ReachResult::default();
    for name in names {
        // Several containers of a service may share its name.
        match lookup_host((name.as_str(), 0)).await.map(|mut found| found.any(|found| found.ip() == address)) {
            Ok(true) => drop(reached.names.insert(name.clone())),
            Ok(false) => reached.trouble = format!("`{name}` does not resolve to {address}"),
            Err(e) => reached.trouble = format!("`{name}` does not resolve: {e}"),
        }
    }
    for port in ports {
        let place = SocketAddr::new(address, *port);
        match timeout(CONNECT, TcpStream::connect(place)).await {
            Ok(Ok(_)) => drop(reached.ports.insert(*port)),
            Ok(Err(e)) => reached.trouble = format!("{place} does not accept: {e}"),
            Err(_) => reached.trouble = format!("{place} does not answer"),
        }
    }
    reached
}

/// An interface's flag of being switched on (`IFF_UP` of netdevice(7)).
const UP: u32 = 1;

pub(super) fn link_states(links: &[Link]) -> Result<Vec<Option<bool>>, String> {
    let there = own_interfaces()?;
    links.iter().map(|link| name_of(&there, link).map(|name| Ok(flags(name)? & UP != 0)).transpose()).collect()
}

pub(super) fn switch(links: &[Link], up: bool) -> Result<(), String> {
    let there = own_interfaces()?;
    let links = links.iter().filter(|link| name_of(&there, link).is_some());
    let switch = |link: &Link| netlink::switch(link.index, up).map_err(|e| format!("link {}: {e}", link.index));
    links.into_iter().try_for_each(switch)
}

fn name_of<'a>(there: &'a [Interface], link: &Link) -> Option<&'a str> {
    let found = there.iter().find(|interface| interface.index == link.index && interface.peer == link.peer);
    found.map(|interface| interface.name.as_str())
}

fn flags(name: &str) -> Result<u32, String> {
    let path = Path::new(SYSFS).join(name).join("flags");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let digits = text.trim().trim_start_matches("0x");
    u32::from_str_radix(digits, 16).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_that_resolve_and_ports_that_accept_are_reached() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (here, nowhere) = ("localhost".to_owned(), "name.invalid".to_owned());
        let names = [here.clone(), nowhere].into();
        let address = listener.local_addr().unwrap().ip();
        let request = ProbeRequest::Reach { names, address, ports: [port, 9].into(), patience_ms: 0 };
        let ProbeAnswer::Reach(reached) = answer(&request).await else { panic!() };
        assert_eq!((reached.names, reached.ports), ([here].into(), [port].into()));
        assert!(reached.trouble.contains(":9 does not accept"), "{}", reached.trouble);
    }

    #[tokio::test]
    async fn a_link_that_no_longer_exists_is_none() {
        let links = vec![Link { index: u32::MAX, peer: 1 }];
        assert_eq!(answer(&ProbeRequest::Links { links: links.clone() }).await, ProbeAnswer::Links(vec![None]));
        assert_eq!(answer(&ProbeRequest::Switch { links, up: true }).await, ProbeAnswer::Links(vec![None]));
    }

    #[tokio::test]
    async fn loopback_is_among_the_interfaces() {
        let ProbeAnswer::Interfaces(there) = answer(&ProbeRequest::Interfaces).await else { panic!() };
        assert!(there.iter().any(|interface| interface.name == "lo" && interface.index == 1), "{there:?}");
    }
}
