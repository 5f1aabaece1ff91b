//! Who starts the parts of a load, and where.

mod local;
mod swarm;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use super::token::{PLAN_HASH_VARIABLE, TOKEN_VARIABLE, Token};
use local::LocalLauncher;
use swarm::SwarmLauncher;

/// Starts the parts of a load somewhere. All methods may block: no event loop runs on their thread.
pub trait Launcher: Send {
    /// The address of this machine that the parts reach. The coordinator listens there, unless the user says otherwise.
    ///
    /// # Errors
    /// [`LaunchError`] if there is none.
    fn address(&mut self) -> Result<IpAddr, LaunchError>;

    /// Starts all parts. Called once, when the coordinator listens.
    ///
    /// # Errors
    /// [`LaunchError`] if they cannot be started.
    fn launch(&mut self, order: &LaunchOrder) -> Result<(), LaunchError>;

    /// Checks that no part has failed. Called about ten times a second until all parts have joined.
    ///
    /// # Errors
    /// [`LaunchError`] if a part cannot start, or has ended. The load is then stopped before its start.
    fn check(&mut self) -> Result<(), LaunchError>;

    /// Ends what still runs, and removes everything. Called once at the end, also after an error or a signal. The parts were
    /// told to end before.
    ///
    /// # Errors
    /// [`LaunchError`] if something is left.
    fn remove(&mut self) -> Result<(), LaunchError>;
}

/// What a part must know to join.
#[derive(Clone, Debug)]
pub struct LaunchOrder {
    pub parts: u16,
    /// Where the coordinator listens.
    pub address: SocketAddr,
    pub token: Token,
    pub plan_hash: String,
}

impl LaunchOrder {
    /// The arguments of `metawrk` as a part. Every user of a machine can see them.
    pub fn arguments(&self) -> Vec<String> {
        vec!["agent".to_owned(), "--join".to_owned(), self.address.to_string()]
    }

    /// The environment variables of a part: names and values. The token is secret.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [(TOKEN_VARIABLE, self.token.reveal().to_owned()), (PLAN_HASH_VARIABLE, self.plan_hash.clone())]
    }
}

/// Parts could not be started. The message has a remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LaunchError(pub String);

/// Where the parts of a load run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In processes of this machine.
    Local,
    /// Part 0 in a process of this machine. Others start the other parts.
    Peers,
    /// On the nodes of a Docker Swarm.
    Swarm(SwarmPlace),
}

/// Which swarm, and which image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwarmPlace {
    /// `HOST[:PORT]` of the engine of a manager. `None`: the engine that the environment means.
    pub manager: Option<String>,
    /// The name of an image that nodes may pull. `None`: the image of this program, which they must have.
    pub image: Option<String>,
}

impl Place {
    /// Starts parts there.
    pub fn launcher(&self) -> Box<dyn Launcher> {
        match self {
            Place::Local => Box::new(LocalLauncher::of_all_parts()),
            Place::Peers => Box::new(LocalLauncher::of_part_0()),
            Place::Swarm(place) => Box::new(SwarmLauncher::new(place.clone())),
        }
    }
}

/// Makes a launcher for each load.
#[derive(Clone)]
pub struct MakeLauncher(Arc<dyn Fn() -> Box<dyn Launcher> + Send + Sync>);

impl MakeLauncher {
    pub fn new(make: impl Fn() -> Box<dyn Launcher> + Send + Sync + 'static) -> MakeLauncher {
        MakeLauncher(Arc::new(make))
    }

    /// Launchers that start parts at `place`.
    pub fn at(place: Place) -> MakeLauncher {
        MakeLauncher::new(move || place.launcher())
    }

    pub fn make(&self) -> Box<dyn Launcher> {
        (self.0)()
    }
}

impl fmt::Debug for MakeLauncher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MakeLauncher")
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let swarm = |manager| Place::Swarm(SwarmPlace { manager, image: None });
        match (text, text.strip_prefix("swarm://")) {
            ("local", _) => Ok(Place::Local),
            ("swarm", _) => Ok(swarm(None)),
            (_, Some(manager)) if !manager.is_empty() => Ok(swarm(Some(manager.to_owned()))),
            _ => Err(format!(
                "`{text}` is not a place where parts can run. Write local (processes of this machine), swarm (nodes of the \
                 Docker Swarm of this machine) or swarm://HOST[:PORT] (of another one)"
            )),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Local => f.write_str("local"),
            Place::Peers => f.write_str("peers"),
            Place::Swarm(SwarmPlace { manager: None, .. }) => f.write_str("swarm"),
            Place::Swarm(SwarmPlace { manager: Some(manager), .. }) => write!(f, "swarm://{manager}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_they_are_read() {
        for text in ["local", "swarm", "swarm://10.0.0.1", "swarm://manager:2375"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in ["", "swarm://", "Swarm", "swarm:/x", "peers"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
