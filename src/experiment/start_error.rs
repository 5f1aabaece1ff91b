use super::overlap::Overlap;
use crate::docker::DockerError;
use crate::fault::FaultError;
use crate::fault::keeper::journal::JournalError;
use crate::monitor::{ContainerMonitorError, UnitError};
use crate::testbed::TestbedError;

/// Why the system under test cannot be started or used.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot start the testbed: {0}")]
    Testbed(#[from] TestbedError),
    #[error(transparent)]
    Proxy(TestbedError),
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error(transparent)]
    Monitor(#[from] ContainerMonitorError),
    #[error(transparent)]
    Unit(#[from] UnitError),
    #[error(transparent)]
    Fault(#[from] FaultError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// Does not happen for a resolved plan.
    #[error("cannot prepare {what}: the plan has no {needs}")]
    Unplanned { what: String, needs: &'static str },
}
