//! `--join`: `srun`, `mpirun` or Kubernetes starts every part with the same command line. Part 0 is also the coordinator.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::arrivals::GeneratorPart;
use crate::cli::parts::{PartOptions, token_of_environment};
use crate::cluster::launch::{MakeLauncher, Place};
use crate::cluster::{AgentSettings, Bundle, Cluster, TOKEN_VARIABLE, part_of_environment};
use crate::load::plan::LoadPlan;
use crate::units::Time;

/// What a process with `--join` does.
pub enum Role {
    /// It is part 0.
    Coordinator(Cluster),
    /// It is another part.
    Agent(AgentSettings),
}

/// A name may become known only after the start of a part, as in Kubernetes.
const RESOLVE_EVERY: Duration = Duration::from_millis(200);

/// The role of this process, from its environment. `address` is the `HOST:PORT` of the coordinator.
///
/// # Errors
/// If options exclude each other, the environment does not say which part this is, or part 0 does not run at `address`.
pub fn find_role(address: &str, options: &PartOptions, plans: &[LoadPlan]) -> anyhow::Result<Role> {
    if options.on.is_some() || options.parts.is_some() || options.listen.is_some() || options.image.is_some() {
        bail!(
            "--join cannot be combined with --on, --parts, --listen or --image: something else starts the parts, and the \
             environment has their number. Leave them out."
        );
    }
    let Some(part) = part_of_environment(|name| std::env::var(name).ok())? else {
        bail!(
            "--join needs to know which part this process is. Start it with srun or mpirun, or set METAWRK_PART (from 0) and \
             METAWRK_PARTS."
        );
    };
    let Some(token) = token_of_environment()? else {
        bail!(
            "--join needs a secret that all parts know, in the environment variable {TOKEN_VARIABLE}. Set it before they \
             start: export {TOKEN_VARIABLE}=$(openssl rand -hex 32)"
        );
    };
    let files = options.data_files()?;
    let GeneratorPart { index, of: parts } = part;
    if index > 0 {
        let bundle = Bundle::new(plans, files)?;
        return Ok(Role::Agent(AgentSettings {
            coordinator: address.to_owned(),
            token,
            plan_hash: bundle.checksum(),
            wanted: Some(part),
            join_timeout: options.join_timeout,
            clock_offset: Time::ZERO,
        }));
    }
    let address = find_own_address(address, options.join_timeout)?;
    Ok(Role::Coordinator(Cluster {
        parts,
        launcher: MakeLauncher::at(Place::Peers),
        listen: (Some(address.ip()), address.port()),
        token: Some(token),
        join_timeout: options.join_timeout,
        on_lost: options.on_lost,
        files,
    }))
}

/// The address of this machine that `address` means.
fn find_own_address(address: &str, timeout: Time) -> anyhow::Result<SocketAddr> {
    let Some((host, port)) = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()) else {
        bail!("--join {address} has no port. Write HOST:PORT, for example --join node1:7100.");
    };
    if port.parse::<u16>().is_ok_and(|port| port == 0) {
        bail!(
            "--join {address} has port 0, which the other parts cannot know. Choose a port, for example {host}:7100."
        );
    }
    let addresses = resolve(address, timeout).with_context(|| format!("cannot look up {host} (--join {address})"))?;
    let own = addresses.iter().find(|address| is_own(address.ip()));
    let Some(own) = own else {
        let found: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
        bail!(
            "{host} (--join {address}) is {}, which is no address of this machine. Part 0 runs here and coordinates. Give the \
             address of this machine.",
            found.join(", ")
        );
    };
    let names_loopback = host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if own.ip().is_loopback() && !names_loopback {
        bail!(
            "{host} (--join {address}) is {} on this machine, which other machines cannot reach. Give an IP address of this \
             machine: `hostname -I` lists them.",
            own.ip()
        );
    }
    Ok(*own)
}

/// Looks a name up until it is known.
fn resolve(address: &str, timeout: Time) -> io::Result<Vec<SocketAddr>> {
    let deadline = Instant::now() + timeout.std();
    loop {
        match address.to_socket_addrs() {
            Ok(addresses) => return Ok(addresses.collect()),
            Err(error) if Instant::now() + RESOLVE_EVERY >= deadline => return Err(error),
            Err(_) => std::thread::sleep(RESOLVE_EVERY),
        }
    }
}

/// Whether a process here can listen at an address.
fn is_own(address: IpAddr) -> bool {
    TcpListener::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(address: &str) -> String {
        find_own_address(address, Time::ZERO).unwrap_err().to_string()
    }

    #[test]
    fn part_0_listens_at_an_address_of_its_machine() {
        let find = |address| find_own_address(address, Time::ZERO).unwrap().to_string();
        assert_eq!(find("127.0.0.1:7100"), "127.0.0.1:7100");
        assert!(["127.0.0.1:7100", "[::1]:7100"].contains(&find("localhost:7100").as_str()));
        insta::assert_snapshot!(why("192.0.2.1:7100"), @"192.0.2.1 (--join 192.0.2.1:7100) is 192.0.2.1, which is no address of this machine. Part 0 runs here and coordinates. Give the address of this machine.");
        insta::assert_snapshot!(why("127.0.0.1:0"), @"--join 127.0.0.1:0 has port 0, which the other parts cannot know. Choose a port, for example 127.0.0.1:7100.");
        insta::assert_snapshot!(why("node1"), @"--join node1 has no port. Write HOST:PORT, for example --join node1:7100.");
        assert!(why("127.0.0.1:x").starts_with("cannot look up 127.0.0.1"));
    }
}
