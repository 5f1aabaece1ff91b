use bollard::errors::Error;

use super::Api;

/// Why a request to the Docker engine failed. Each text says what failed, why, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerError {
    #[error(
        "cannot connect to the Docker engine: {why} ({host}). Start it (`systemctl start docker`), or {}",
        match from_environment {
            true => "give its address with DOCKER_HOST or `docker context use`",
            false => "correct this address (engine in [target])",
        }
    )]
    NoEngine {
        host: String,
        why: String,
        /// The address is that of the user's environment.
        from_environment: bool,
    },
    /// The engine that something was done on earlier.
    #[error(
        "the Docker engine with the id {id} cannot be found: {}. Start it, or give its address with DOCKER_HOST or `docker \
         context use`",
        found.join("; ")
    )]
    NotFound {
        id: String,
        /// What is at each address.
        found: Vec<String>,
    },
    #[error(
        "cannot use the Docker engine: permission denied ({host}). Join the group `docker` (`usermod -aG docker $USER`, \
         then log in again), or run this as root"
    )]
    Forbidden { host: String },
    #[error(
        "cannot use the Docker engine: version {version} has API {api}, and metawrk needs {} or later, which engine 20.10 \
         has ({host}). Update the engine",
        Api::OLDEST
    )]
    TooOld { host: String, version: String, api: Api },
    #[error(
        "cannot connect to the Docker engine: only addresses of the form unix:// and tcp:// are supported ({host}). \
         Forward its socket with `ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST &` and set \
         DOCKER_HOST=unix:///tmp/docker.sock"
    )]
    Unsupported { host: String },
    #[error(
        "cannot use the Docker context `{name}`: {why}. `docker context ls` lists the contexts, and DOCKER_HOST overrides \
         them"
    )]
    Context { name: String, why: String },
    #[error("no container has the name, compose service or id `{name}`; {}", listed(candidates))]
    Unknown { name: String, candidates: Vec<String> },
    #[error(
        "`{name}` matches more than one container: {}. Name one of them{}",
        candidates.join(", "),
        if services.is_empty() { String::new() } else { format!(", or one of the services {}", services.join(", ")) }
    )]
    Ambiguous {
        name: String,
        candidates: Vec<String>,
        /// `project/service`, where they are of several.
        services: Vec<String>,
    },
    /// The engine refused a request, or did not answer.
    #[error("the Docker engine failed to {action} {target}: {why}")]
    Refused {
        /// `inspect`, `disconnect`
        action: &'static str,
        target: String,
        why: String,
        /// The HTTP status, where there was one.
        status: Option<u16>,
    },
}

impl DockerError {
    /// For `map_err`: the engine refused `action` on `target`.
    pub(super) fn refused(action: &'static str, target: impl Into<String>) -> impl FnOnce(Error) -> DockerError {
        let target = target.into();
        move |error| {
            let (status, why) = match error {
                Error::DockerResponseServerError { status_code, message } => (Some(status_code), message),
                Error::RequestTimeoutError => (None, "it did not answer in time".to_owned()),
                other => (None, with_causes(&other)),
            };
            DockerError::Refused { action, target, why: why.trim().to_owned(), status }
        }
    }

    /// The container, network or image does not exist (any more).
    pub fn is_gone(&self) -> bool {
        matches!(self, DockerError::Unknown { .. } | DockerError::Refused { status: Some(404), .. })
    }
}

/// An error with its causes: the text of a client often says only that something failed.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let this = error.to_string();
        if !text.contains(&this) {
            text = format!("{text}: {this}");
        }
        cause = error.source();
    }
    text
}

fn listed(candidates: &[String]) -> String {
    const MOST: usize = 20;
    match candidates.len() {
        0 => "there are no containers. Start the system under test first".to_owned(),
        n if n > MOST => format!("the containers are {}, and {} more", candidates[..MOST].join(", "), n - MOST),
        _ => format!("the containers are {}", candidates.join(", ")),
    }
}
