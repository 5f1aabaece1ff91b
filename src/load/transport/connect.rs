//! How a worker opens a connection, and what it counts.

use std::future::Future;
use std::io;

use super::failure::{Failure, cause_of};
use crate::load::thread::state::WorkerState;

/// Waits for `connect`, unless `abandoned` is ready first. Counts the connection, and an error of `connect` with its
/// cause. `was_up` says whether this connection of the plan was up before, and is set when it comes up.
///
/// # Errors
/// [`Failure::Connect`] or [`Failure::Abandoned`].
pub async fn open<T>(
    state: &WorkerState,
    was_up: &mut bool,
    connect: impl Future<Output = io::Result<T>>,
    abandoned: impl Future<Output = ()>,
) -> Result<T, Failure> {
    state.connections.borrow_mut().opened += 1;
    let connected = tokio::select! {
        biased;
        connected = connect => connected,
        () = abandoned => return Err(Failure::Abandoned),
    };
    match connected {
        Ok(connection) => {
            state.connections.borrow_mut().establish(!*was_up, state.now());
            *was_up = true;
            Ok(connection)
        }
        Err(error) => {
            state.connections.borrow_mut().errors += 1;
            state.causes.borrow_mut().count(cause_of(&error), &error);
            Err(Failure::Connect)
        }
    }
}
