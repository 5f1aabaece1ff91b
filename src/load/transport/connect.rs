//! How a worker opens a connection, and what it counts.

use std::future::Future;
use std::io;

use crate::load::thread::state::WorkerState;
use crate::record::Outcome;

/// Waits for `connect`, unless `abandoned` is ready first. Counts the connection, and an error of `connect`.
///
/// # Errors
/// [`Outcome::ConnectError`] or [`Outcome::Abandoned`].
pub async fn open<T>(
    state: &WorkerState,
    connect: impl Future<Output = io::Result<T>>,
    abandoned: impl Future<Output = ()>,
) -> Result<T, Outcome> {
    state.connections_opened.set(state.connections_opened.get() + 1);
    tokio::select! {
        biased;
        result = connect => result.map_err(|_| {
            state.connect_errors.set(state.connect_errors.get() + 1);
            Outcome::ConnectError
        }),
        () = abandoned => Err(Outcome::Abandoned),
    }
}
