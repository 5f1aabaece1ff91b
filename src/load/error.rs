use std::io;
use std::path::PathBuf;

use super::transport::tls::TlsError;
use crate::script::ScriptError;

/// Why a load did not start, or did not end properly. Messages name options in backticks;
/// the commands write them as their users do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the variants mean")]
pub enum LoadError {
    // The first words of these two are wrk's.
    #[error("unable to resolve {host}:{service} {why}")]
    Resolve { host: String, service: String, why: String },
    #[error("unable to connect to {host}:{service} {why}")]
    Connect { host: String, service: String, why: String },
    #[error("unable to connect to {}: {error}. Check that the server listens there, and that this user may write to it", path.display())]
    ConnectUnix { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(
        "cannot open enough connections: {needed} open files are needed, and the limit is {limit}. Raise the hard limit (ulimit -Hn), or lower `connections` or `max-connections`"
    )]
    Files { needed: u64, limit: u64 },
    #[error("the kernel does not support timestamps of TCP sockets (SO_TIMESTAMPING). Use `timestamps` auto or user")]
    Timestamps,
    #[error("cannot start a thread of the generator: {0}. Lower `threads`")]
    Thread(io::Error),
    /// Not all generators of the load were ready. Nothing was sent.
    #[error("{0}")]
    NotStarted(String),
    #[error("a thread of the generator panicked. Please report this with the command that you used")]
    Died,
}
