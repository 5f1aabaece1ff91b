//! A part of a load: it joins a coordinator, gets the plan from it, runs its share of the load, and returns the results.
//!
//! Without its coordinator it stops within [`SILENCE`]. Once it was accepted, it does not fail: what goes wrong is the
//! coordinator's to report.

mod clock;
mod connection;
mod load;
mod rows;
mod scripts;
mod session;

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use super::meeting::{Answer, Join, Message};
use super::protocol::{FromPart, ToPart, version};
use super::token::Token;
use crate::arrivals::GeneratorPart;
use crate::units::Time;
use connection::Connection;
use session::Session;

/// An agent that hears nothing from its coordinator for this long stops.
pub const SILENCE: Duration = Duration::from_secs(4);
/// The coordinator may start after its parts.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// How long an answer to the first message may take.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// What an agent must know to join.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// `HOST:PORT`
    pub coordinator: String,
    pub token: Token,
    /// The checksum of the plan that it accepts.
    pub plan_hash: String,
    /// The part that it wants to be. `None`: any.
    pub wanted: Option<GeneratorPart>,
    /// How long it tries to connect.
    pub join_timeout: Time,
    /// For tests: its clock is ahead by this.
    pub clock_offset: Time,
}

/// Why an agent is no part of a load.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(
        "cannot connect to the coordinator at {address}: {source}. Check the address, and that the coordinator runs"
    )]
    Connect { address: String, source: io::Error },
    #[error(
        "the coordinator at {address} did not answer: {why}. Check that a coordinator of this version listens there"
    )]
    NoAnswer { address: String, why: String },
    #[error(
        "the coordinator at {address} closed the connection. Check that a coordinator of this version listens there"
    )]
    Closed { address: String },
    #[error("the coordinator at {address} refused this part: {because}")]
    Refused { address: String, because: String },
    #[error("cannot use a resource of the operating system: {0}")]
    Io(#[from] io::Error),
}

/// Joins, and runs the part to its end.
///
/// # Errors
/// [`AgentError`] if it was not accepted. Nothing was sent then.
pub fn run_agent(settings: &AgentSettings) -> Result<(), AgentError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let (connection, part) = join(settings).await?;
        let folder = tempfile::tempdir()?;
        Session::new(connection, part, settings, folder.path().to_owned())?.run().await;
        Ok(())
    });
    // Does not wait for stuck scripts.
    runtime.shutdown_background();
    result
}

/// Joins. A coordinator that is flooded with connections may close one before it has read from it: then the part tries again.
async fn join(settings: &AgentSettings) -> Result<(Connection, GeneratorPart), AgentError> {
    let deadline = tokio::time::Instant::now() + settings.join_timeout.std();
    loop {
        match join_once(settings).await {
            Err(AgentError::Closed { .. }) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(RETRY_EVERY).await;
            }
            result => return result,
        }
    }
}

async fn join_once(settings: &AgentSettings) -> Result<(Connection, GeneratorPart), AgentError> {
    let address = settings.coordinator.clone();
    let stream = connect(settings).await.map_err(|source| AgentError::Connect { address: address.clone(), source })?;
    let mut connection = Connection::new(stream);
    let join = Join {
        token: settings.token.reveal().to_owned(),
        version: version(),
        plan_hash: settings.plan_hash.clone(),
        wanted: settings.wanted,
        node: node_name(),
    };
    connection.send(&FromPart::Meeting(Message::Join(join)));
    let answer = tokio::time::timeout(FIRST_ANSWER, connection.receive()).await;
    let no_answer = |why: &str| AgentError::NoAnswer { address: address.clone(), why: why.to_owned() };
    match answer.map_err(|_| no_answer("it is silent"))? {
        Some((ToPart::Answer(Answer::Accepted { part }), _)) => Ok((connection, part)),
        Some((ToPart::Answer(Answer::Refused { because }), _)) => Err(AgentError::Refused { address, because }),
        Some(_) => Err(no_answer("its answer is not one to this question")),
        None => Err(AgentError::Closed { address }),
    }
}

/// Connects. The coordinator may not listen yet.
async fn connect(settings: &AgentSettings) -> io::Result<TcpStream> {
    let deadline = tokio::time::Instant::now() + settings.join_timeout.std();
    loop {
        let connected = tokio::time::timeout_at(deadline, TcpStream::connect(&settings.coordinator)).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Err(error) if tokio::time::Instant::now() + RETRY_EVERY >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(RETRY_EVERY).await,
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
        }
    }
}

fn node_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
}
