//! Services of coordinators that were killed. Their agents have ended, and nothing else removes them.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::LABEL;
use super::error::SwarmError;
use crate::docker::Engine;
use crate::docker::swarm::TaskStage;

/// A coordinator that runs accepts a connection within this time.
const ANSWER: Duration = Duration::from_secs(1);

/// What a connection to the address of a coordinator shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// Something listens there.
    Listens,
    /// Its machine says that nothing listens there.
    Refused,
    /// No answer, so its machine is off, or cannot be reached from here.
    Silent,
}

/// Removes the services and secrets whose coordinator is gone. `own` is the address of this coordinator.
///
/// # Errors
/// If the engine refuses.
pub(super) async fn remove_leftovers(engine: &Engine, own: SocketAddr) -> Result<(), SwarmError> {
    for service in engine.services_with_label(LABEL).await? {
        let Ok(coordinator) = service.label.parse::<SocketAddr>() else { continue };
        // This coordinator has started nothing yet.
        let probe = if coordinator == own { Probe::Refused } else { probe(coordinator).await };
        let tasks = engine.service_tasks(&service.name).await;
        let is_running = tasks.is_ok_and(|tasks| tasks.iter().any(|task| task.stage == TaskStage::Running));
        if is_leftover(probe, is_running) {
            engine.remove_service(&service.name).await?;
        }
    }
    Ok(())
}

/// Agents end within seconds without their coordinator. While they run, a coordinator that cannot be reached from here may
/// live.
fn is_leftover(probe: Probe, is_running: bool) -> bool {
    match probe {
        Probe::Listens => false,
        Probe::Refused => true,
        Probe::Silent => !is_running,
    }
}

async fn probe(coordinator: SocketAddr) -> Probe {
    match tokio::time::timeout(ANSWER, TcpStream::connect(coordinator)).await {
        Ok(Ok(_)) => Probe::Listens,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Probe::Refused,
        Ok(Err(_)) | Err(_) => Probe::Silent,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn only_services_whose_coordinator_is_gone_are_removed() {
        for is_running in [false, true] {
            assert!(!is_leftover(Probe::Listens, is_running));
            assert!(is_leftover(Probe::Refused, is_running));
        }
        assert!(is_leftover(Probe::Silent, false) && !is_leftover(Probe::Silent, true));
    }

    #[tokio::test]
    async fn a_coordinator_that_listens_is_told_from_one_that_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(probe(address).await, Probe::Listens);
        drop(listener);
        assert_eq!(probe(address).await, Probe::Refused);
    }
}
