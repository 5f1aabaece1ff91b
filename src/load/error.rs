use std::io;

use super::transport::tls::TlsError;
use crate::script::ScriptError;

/// Why a load did not begin, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("unable to resolve {host}:{service} {why}")]
    Resolve { host: String, service: String, why: String },
    #[error("unable to connect to {host}:{service} {why}")]
    Connect { host: String, service: String, why: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(
        "{needed} open files are needed for so many connections, and only {limit} allowed; raise the hard limit (ulimit -Hn) or take fewer with --connections or --max-connections"
    )]
    Files { needed: u64, limit: u64 },
    #[error("a thread of the generator could not be started: {0}; try fewer threads")]
    Thread(io::Error),
    #[error("a thread of the generator died; please report this with the command that did it")]
    Died,
}
