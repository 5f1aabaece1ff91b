use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::journal::refuse_listed;
use crate::docker::{Details, Engine};
use crate::fault::container::ended::{Ended, How};
use crate::fault::container::reach::Reach;
use crate::fault::container::revival::Alive;
use crate::fault::container::{blackhole, disconnect, memory_limit, pause, throttle};
use crate::fault::{ContainerFault, Fault, FaultError, Subject};

/// What undoing a fault on a container takes, taken down before anything is touched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum UndoRecord {
    Disconnect(disconnect::Before),
    Blackhole(blackhole::Before),
    Pause(pause::Before),
    Kill(Alive),
    Stop(Alive),
    Restart(Alive),
    Throttle(throttle::Before),
    MemoryLimit(memory_limit::Before),
}

/// A fault that can't even be prepared: for `map_err`.
pub(crate) fn unprepared(fault: &ContainerFault, container: &str) -> impl Fn(String) -> FaultError + use<> {
    let on = format!("a {} of container {container}", fault.name());
    move |why| FaultError { what: "prepare".into(), on: on.clone(), why, remedy: "nothing was touched".into() }
}

/// An engine may finish what it was asked so long after the one who asked is gone.
const LATE: Duration = Duration::from_secs(5);

impl UndoRecord {
    /// Finds the container called `name`, which must carry no fault yet, and looks at it well.
    ///
    /// # Errors
    /// Where such a fault can't be done to it.
    pub async fn find(engine: &Engine, name: &str, fault: &ContainerFault) -> Result<UndoRecord, FaultError> {
        let failed = unprepared(fault, name);
        let found = engine.find(name).await.map_err(|e| failed(e.to_string()))?;
        refuse_listed(engine, &[&found.id]).map_err(|e| failed(e.to_string()))?;
        let details = engine.inspect(&found.id).await.map_err(|e| failed(e.to_string()))?;
        UndoRecord::look_well(engine, &details, fault).await
    }

    /// Looks at the container as it is, from its peers too. Touches nothing.
    ///
    /// # Errors
    /// Where such a fault can't be done to it.
    pub async fn look_well(
        engine: &Engine,
        container: &Details,
        fault: &ContainerFault,
    ) -> Result<UndoRecord, FaultError> {
        // First what costs nothing, so that what can't be is said at once.
        let afar = UndoRecord::look(engine, container, fault, Reach::none()).await?;
        match fault {
            ContainerFault::Throttle { .. } | ContainerFault::MemoryLimit { .. } => Ok(afar),
            _ => UndoRecord::look(engine, container, fault, Reach::look(engine, container).await).await,
        }
    }

    /// The same, where it is known already what peers can reach.
    pub(crate) async fn look(
        engine: &Engine,
        container: &Details,
        fault: &ContainerFault,
        reach: Reach,
    ) -> Result<UndoRecord, FaultError> {
        Ok(match fault {
            ContainerFault::Disconnect { network } => {
                UndoRecord::Disconnect(disconnect::Before::look(container, network.as_deref(), reach)?)
            }
            ContainerFault::Blackhole { network } => {
                UndoRecord::Blackhole(blackhole::Before::look(engine, container, network.as_deref(), reach).await?)
            }
            ContainerFault::Pause => UndoRecord::Pause(pause::Before::look(container, reach)?),
            ContainerFault::Kill => UndoRecord::Kill(Alive::look(engine, container, How::Kill, reach).await?),
            ContainerFault::Stop => UndoRecord::Stop(Alive::look(engine, container, How::Stop, reach).await?),
            ContainerFault::Restart => UndoRecord::Restart(Alive::look(engine, container, How::Restart, reach).await?),
            ContainerFault::Throttle { cpus } => {
                UndoRecord::Throttle(throttle::Before::look(engine, container, *cpus)?)
            }
            ContainerFault::MemoryLimit { limit } => {
                UndoRecord::MemoryLimit(memory_limit::Before::look(container, *limit)?)
            }
        })
    }

    /// The fault that it undoes.
    pub fn fault(&self, engine: &Engine) -> Box<dyn Fault> {
        let engine = engine.clone();
        match self.clone() {
            UndoRecord::Disconnect(before) => Box::new(disconnect::Disconnect::new(engine, before)),
            UndoRecord::Blackhole(before) => Box::new(blackhole::Blackhole::new(engine, before)),
            UndoRecord::Pause(before) => Box::new(pause::Pause::new(engine, before)),
            UndoRecord::Kill(alive) => Box::new(Ended::new(engine, alive, How::Kill)),
            UndoRecord::Stop(alive) => Box::new(Ended::new(engine, alive, How::Stop)),
            UndoRecord::Restart(alive) => Box::new(Ended::new(engine, alive, How::Restart)),
            UndoRecord::Throttle(before) => Box::new(throttle::Throttle::new(engine, before)),
            UndoRecord::MemoryLimit(before) => Box::new(memory_limit::MemoryLimit::new(engine, before)),
        }
    }

    pub fn subject(&self) -> &Subject {
        match self {
            UndoRecord::Disconnect(disconnect::Before { subject, .. })
            | UndoRecord::Blackhole(blackhole::Before { subject, .. })
            | UndoRecord::Pause(pause::Before { subject, .. })
            | UndoRecord::Throttle(throttle::Before { subject, .. })
            | UndoRecord::MemoryLimit(memory_limit::Before { subject, .. })
            | UndoRecord::Kill(Alive { subject, .. })
            | UndoRecord::Stop(Alive { subject, .. })
            | UndoRecord::Restart(Alive { subject, .. }) => subject,
        }
    }

    /// What peers could reach.
    pub fn reach(&self) -> Reach {
        match self {
            UndoRecord::Disconnect(disconnect::Before { reach, .. })
            | UndoRecord::Blackhole(blackhole::Before { reach, .. })
            | UndoRecord::Pause(pause::Before { reach, .. })
            | UndoRecord::Kill(Alive { reach, .. })
            | UndoRecord::Stop(Alive { reach, .. })
            | UndoRecord::Restart(Alive { reach, .. }) => reach.clone(),
            UndoRecord::Throttle(_) | UndoRecord::MemoryLimit(_) => Reach::none(),
        }
    }

    /// What is left of the fault itself, and nothing else: not what a peer sees of the container, nor whether it died
    /// meanwhile. For one who has to undo it whatever became of the container.
    pub(crate) fn traces_alone(mut self) -> UndoRecord {
        match &mut self {
            UndoRecord::Disconnect(disconnect::Before { subject, reach, .. })
            | UndoRecord::Blackhole(blackhole::Before { subject, reach, .. })
            | UndoRecord::Pause(pause::Before { subject, reach, .. })
            | UndoRecord::Kill(Alive { subject, reach, .. })
            | UndoRecord::Stop(Alive { subject, reach, .. })
            | UndoRecord::Restart(Alive { subject, reach, .. }) => (subject.ran, *reach) = (false, Reach::none()),
            UndoRecord::Throttle(throttle::Before { subject, .. })
            | UndoRecord::MemoryLimit(memory_limit::Before { subject, .. }) => subject.ran = false,
        }
        self
    }

    /// For how long after the last request the engine may still be at it.
    pub(crate) fn lateness(&self) -> Duration {
        match self {
            UndoRecord::Stop(alive) | UndoRecord::Restart(alive) => {
                LATE + Duration::from_secs(alive.grace.unsigned_abs().into())
            }
            _ => LATE,
        }
    }
}
