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
pub enum Undo {
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

impl Undo {
    /// Finds the container called `name`, which must carry no fault yet, and looks at it well.
    ///
    /// # Errors
    /// Where such a fault can't be done to it.
    pub async fn find(engine: &Engine, name: &str, fault: &ContainerFault) -> Result<Undo, FaultError> {
        let failed = unprepared(fault, name);
        let found = engine.find(name).await.map_err(|e| failed(e.to_string()))?;
        refuse_listed(engine, &[&found.id]).map_err(|e| failed(e.to_string()))?;
        let details = engine.inspect(&found.id).await.map_err(|e| failed(e.to_string()))?;
        Undo::look_well(engine, &details, fault).await
    }

    /// Looks at the container as it is, from its peers too. Touches nothing.
    ///
    /// # Errors
    /// Where such a fault can't be done to it.
    pub async fn look_well(engine: &Engine, container: &Details, fault: &ContainerFault) -> Result<Undo, FaultError> {
        // First what costs nothing, so that what can't be is said at once.
        let afar = Undo::look(engine, container, fault, Reach::none()).await?;
        match fault {
            ContainerFault::Throttle { .. } | ContainerFault::MemoryLimit { .. } => Ok(afar),
            _ => Undo::look(engine, container, fault, Reach::look(engine, container).await).await,
        }
    }

    /// The same, where it is known already what peers can reach.
    pub(crate) async fn look(
        engine: &Engine,
        container: &Details,
        fault: &ContainerFault,
        reach: Reach,
    ) -> Result<Undo, FaultError> {
        Ok(match fault {
            ContainerFault::Disconnect { network } => {
                Undo::Disconnect(disconnect::Before::look(container, network.as_deref(), reach)?)
            }
            ContainerFault::Blackhole { network } => {
                Undo::Blackhole(blackhole::Before::look(engine, container, network.as_deref(), reach).await?)
            }
            ContainerFault::Pause => Undo::Pause(pause::Before::look(container, reach)?),
            ContainerFault::Kill => Undo::Kill(Alive::look(engine, container, How::Kill, reach).await?),
            ContainerFault::Stop => Undo::Stop(Alive::look(engine, container, How::Stop, reach).await?),
            ContainerFault::Restart => Undo::Restart(Alive::look(engine, container, How::Restart, reach).await?),
            ContainerFault::Throttle { cpus } => Undo::Throttle(throttle::Before::look(engine, container, *cpus)?),
            ContainerFault::MemoryLimit { limit } => Undo::MemoryLimit(memory_limit::Before::look(container, *limit)?),
        })
    }

    /// The fault that it undoes.
    pub fn fault(&self, engine: &Engine) -> Box<dyn Fault> {
        let engine = engine.clone();
        match self.clone() {
            Undo::Disconnect(before) => Box::new(disconnect::Disconnect::new(engine, before)),
            Undo::Blackhole(before) => Box::new(blackhole::Blackhole::new(engine, before)),
            Undo::Pause(before) => Box::new(pause::Pause::new(engine, before)),
            Undo::Kill(alive) => Box::new(Ended::new(engine, alive, How::Kill)),
            Undo::Stop(alive) => Box::new(Ended::new(engine, alive, How::Stop)),
            Undo::Restart(alive) => Box::new(Ended::new(engine, alive, How::Restart)),
            Undo::Throttle(before) => Box::new(throttle::Throttle::new(engine, before)),
            Undo::MemoryLimit(before) => Box::new(memory_limit::MemoryLimit::new(engine, before)),
        }
    }

    pub fn subject(&self) -> &Subject {
        match self {
            Undo::Disconnect(disconnect::Before { subject, .. })
            | Undo::Blackhole(blackhole::Before { subject, .. })
            | Undo::Pause(pause::Before { subject, .. })
            | Undo::Throttle(throttle::Before { subject, .. })
            | Undo::MemoryLimit(memory_limit::Before { subject, .. })
            | Undo::Kill(Alive { subject, .. })
            | Undo::Stop(Alive { subject, .. })
            | Undo::Restart(Alive { subject, .. }) => subject,
        }
    }

    /// What peers could reach.
    pub fn reach(&self) -> Reach {
        match self {
            Undo::Disconnect(disconnect::Before { reach, .. })
            | Undo::Blackhole(blackhole::Before { reach, .. })
            | Undo::Pause(pause::Before { reach, .. })
            | Undo::Kill(Alive { reach, .. })
            | Undo::Stop(Alive { reach, .. })
            | Undo::Restart(Alive { reach, .. }) => reach.clone(),
            Undo::Throttle(_) | Undo::MemoryLimit(_) => Reach::none(),
        }
    }

    /// What is left of the fault itself, and nothing else: not what a peer sees of the container, nor whether it died
    /// meanwhile. For one who has to undo it whatever became of the container.
    pub(crate) fn traces_alone(mut self) -> Undo {
        match &mut self {
            Undo::Disconnect(disconnect::Before { subject, reach, .. })
            | Undo::Blackhole(blackhole::Before { subject, reach, .. })
            | Undo::Pause(pause::Before { subject, reach, .. })
            | Undo::Kill(Alive { subject, reach, .. })
            | Undo::Stop(Alive { subject, reach, .. })
            | Undo::Restart(Alive { subject, reach, .. }) => (subject.ran, *reach) = (false, Reach::none()),
            Undo::Throttle(throttle::Before { subject, .. })
            | Undo::MemoryLimit(memory_limit::Before { subject, .. }) => subject.ran = false,
        }
        self
    }

    /// For how long after the last request the engine may still be at it.
    pub(crate) fn lateness(&self) -> Duration {
        match self {
            Undo::Stop(alive) | Undo::Restart(alive) => LATE + Duration::from_secs(alive.grace.unsigned_abs().into()),
            _ => LATE,
        }
    }
}
