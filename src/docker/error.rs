use bollard::errors::Error;

use super::engine::Api;

/// Why something on the Docker engine is not to be had. Each says what, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerError {
    #[error(
        "no Docker engine answers at {host} ({why}): start it (`systemctl start docker`), or say where it is with \
         DOCKER_HOST or `docker context use`"
    )]
    NoEngine { host: String, why: String },
    #[error(
        "you may not use the Docker engine at {host}: join its group (`usermod -aG docker $USER`, then log in again), or run this as root"
    )]
    Forbidden { host: String },
    #[error(
        "the Docker engine {version} at {host} speaks API {api}, and this needs {} or later (engine 20.10): update it",
        Api::OLDEST
    )]
    TooOld { host: String, version: String, api: Api },
    #[error(
        "this speaks to Docker engines at unix:// and tcp://, and {host} is neither: forward its socket with \
         `ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST &` and set DOCKER_HOST=unix:///tmp/docker.sock"
    )]
    Unspoken { host: String },
    #[error(
        "the Docker context `{name}` can't be used: {why}; `docker context ls` shows those that can, and DOCKER_HOST overrides them"
    )]
    Context { name: String, why: String },
    #[error("no container, compose service or id `{name}` on this Docker engine; {}", listed(candidates))]
    Unknown { name: String, candidates: Vec<String> },
    #[error("`{name}` is more than one container: {}; say which", candidates.join(", "))]
    Ambiguous { name: String, candidates: Vec<String> },
    /// The engine refused, or did not answer.
    #[error("the Docker engine did not {doing} {on}: {why}")]
    Refused {
        /// `inspect`, `disconnect`
        doing: &'static str,
        on: String,
        why: String,
        /// The HTTP status, where there was one.
        status: Option<u16>,
    },
}

impl DockerError {
    /// For `map_err`: what the engine refused while `doing` something `on` something.
    pub(super) fn refused(doing: &'static str, on: impl Into<String>) -> impl FnOnce(Error) -> DockerError {
        let on = on.into();
        move |error| {
            let (status, why) = match error {
                Error::DockerResponseServerError { status_code, message } => (Some(status_code), message),
                Error::RequestTimeoutError => (None, "it did not answer in time".to_owned()),
                other => (None, whole(&other)),
            };
            DockerError::Refused { doing, on, why: why.trim().to_owned(), status }
        }
    }

    /// What it was about is not there (any more).
    pub fn is_gone(&self) -> bool {
        matches!(self, DockerError::Unknown { .. } | DockerError::Refused { status: Some(404), .. })
    }
}

/// An error with its causes: a client's own text often says only that something failed.
pub(super) fn whole(error: &dyn std::error::Error) -> String {
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
        0 => "there is no container at all: start the system under test first".to_owned(),
        n if n > MOST => format!("there are {}, and {} more", candidates[..MOST].join(", "), n - MOST),
        _ => format!("there are {}", candidates.join(", ")),
    }
}
