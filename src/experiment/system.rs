//! The system under test: started by the run, or there already; its faults and its monitors.

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::docker::{DockerError, Engine};
use crate::fault::keeper::journal::{JournalError, refuse_listed};
use crate::fault::surge::CountLoad;
use crate::fault::{self, Fault, FaultError, FaultSpec, KeeperClient, LoadCount, LoadFault, Machine};
use crate::load::Traffic;
use crate::monitor::{self, Monitor, Process, WatchError, Watched};
use crate::plan::settings;
use crate::plan::settings::{DOCKER, MonitorKind};
use crate::plan::{ExperimentPlan, Goal, PlannedFault};
use crate::record::{Clock, Event, Sample};
use crate::testbed::{Role, Testbed, TestbedError, TestbedPlan, TestbedPlanError};
use crate::units::Instant;

/// Why the system under test is not there, or its faults can't be done to it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the testbed does not start: {0}")]
    Testbed(#[from] TestbedError),
    #[error(transparent)]
    Plan(#[from] TestbedPlanError),
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Fault(#[from] FaultError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(
        "cannot prepare the {0} fault: the plan has no [testbed], whose link it needs. Add one, or use a fault on a container"
    )]
    NoLink(&'static str),
}

/// What the load goes to.
pub struct System {
    /// Where requests go.
    pub url: String,
    testbed: Option<Testbed>,
    /// In the plan's order; nothing is changed before they are driven.
    faults: Vec<PreparedFault>,
    /// Monitored containers, in the plan's order.
    watched: Vec<Watched>,
}

/// A fault that is known to be possible.
enum PreparedFault {
    Ready(Box<dyn Fault>),
    /// It needs the load, which has not started yet.
    OnLoad(LoadFault),
}

impl System {
    /// Starts the testbed, or finds what the plan names of a system that runs.
    ///
    /// # Errors
    /// [`StartError`] where the testbed does not start, or something is not there. Nothing is left running, and nothing
    /// was touched.
    pub async fn start(plan: &ExperimentPlan) -> Result<System, StartError> {
        let (url, testbed) = match plan.goal() {
            Goal::Url(url) => (url.to_owned(), None),
            Goal::Embedded(settings) => {
                let testbed = Testbed::start(&TestbedPlan::new(settings.clone())?, None).await?;
                (format!("{}/wrk2-api/post/compose", testbed.url()), Some(testbed))
            }
        };
        let machine = Machine { engine: engine(plan).await? };
        let mut system = System { url, testbed, faults: Vec::new(), watched: Vec::new() };
        // A plan without a testbed, or without an engine, names nothing of it.
        if let Some(engine) = &machine.engine {
            for container in plan.monitor.iter().filter_map(|monitor| monitor.container.as_deref()) {
                system.watched.push(Watched::find(engine, container).await?);
            }
            // What an earlier run left done to one would be taken for this run's.
            refuse_listed(engine, &system.watched.iter().map(Watched::id).collect::<Vec<_>>())?;
        }
        for planned in plan.faults() {
            system.faults.push(prepare(planned, system.testbed.as_ref(), &machine).await?);
        }
        Ok(system)
    }

    /// Applies and removes the plan's faults on the run's clock, each in a task of its own. `traffic` counts the load's
    /// requests.
    pub fn drive_faults(
        &mut self,
        plan: &ExperimentPlan,
        clock: Clock,
        traffic: impl Fn() -> Traffic,
        tell: &UnboundedSender<Event>,
        cancelled: &watch::Receiver<bool>,
    ) -> Vec<JoinHandle<fault::Outcome>> {
        let prepared = std::mem::take(&mut self.faults).into_iter().zip(plan.faults());
        let driven = prepared.enumerate().map(|(index, (prepared, planned))| {
            let mut fault = match prepared {
                PreparedFault::Ready(fault) => fault,
                PreparedFault::OnLoad(fault) => {
                    let until = Instant::START.plus(planned.end());
                    fault.spec().fault(plan.load.rate, until, counting(traffic(), clock))
                }
            };
            let schedule = fault::Schedule { at: planned.at, lasting: planned.lasts };
            let (tell, cancelled) = (tell.clone(), cancelled.clone());
            tokio::spawn(
                async move { fault::drive(fault.as_mut(), index, schedule, || clock.now(), tell, cancelled).await },
            )
        });
        driven.collect()
    }

    /// Looks at what the plan monitors, on the run's clock, until nobody takes the samples. What happens to containers
    /// goes to `tell`.
    pub fn monitor(
        &mut self,
        plan: &ExperimentPlan,
        clock: Clock,
        sample: &UnboundedSender<Sample>,
        tell: &UnboundedSender<Event>,
    ) {
        let mut watched = std::mem::take(&mut self.watched).into_iter();
        for planned in &plan.monitor {
            let monitor: Option<Box<dyn Monitor>> = match planned.kind {
                MonitorKind::Process => self.process(planned).map(|process| Box::new(process) as Box<dyn Monitor>),
                MonitorKind::Container => {
                    watched.next().map(|container| Box::new(container.follow(clock, tell.clone())) as Box<dyn Monitor>)
                }
            };
            let Some(monitor) = monitor else { continue };
            tokio::spawn(monitor::run(vec![monitor], planned.every, move || clock.now().0, sample.clone()));
        }
    }

    fn process(&self, planned: &settings::Monitor) -> Option<Process> {
        let (testbed, component) = (self.testbed.as_ref()?, planned.component.as_deref()?);
        let role = Role::ALL.into_iter().find(|role| role.name() == component)?;
        Some(Process::new(role.name(), testbed.pid(role)))
    }

    /// The next component that died.
    pub async fn death(&mut self) -> (String, String) {
        match &mut self.testbed {
            Some(testbed) => match testbed.next_exit().await {
                Some(exit) => (exit.role.name().to_owned(), format!("{} {}", exit.status, exit.stderr)),
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    pub async fn stop(self) {
        if let Some(testbed) = self.testbed {
            testbed.stop().await;
        }
    }
}

/// The engine whose containers the plan names, if it names any.
pub async fn engine(plan: &ExperimentPlan) -> Result<Option<Engine>, DockerError> {
    match plan.engine() {
        Some(DOCKER) => Engine::connect().await.map(Some),
        Some(host) => Engine::connect_to(host).await.map(Some),
        None => Ok(None),
    }
}

/// Makes a fault that is known to be possible; changes nothing.
async fn prepare(
    planned: &PlannedFault,
    testbed: Option<&Testbed>,
    machine: &Machine,
) -> Result<PreparedFault, StartError> {
    Ok(match &planned.spec {
        FaultSpec::Link(fault) => {
            let testbed = testbed.ok_or(StartError::NoLink(fault.kind()))?;
            PreparedFault::Ready(fault.spec().fault(testbed.link()))
        }
        FaultSpec::Load(fault) => PreparedFault::OnLoad(fault.clone()),
        FaultSpec::Kept(fault) => {
            PreparedFault::Ready(Box::new(KeeperClient::prepare(machine, fault, planned.lasts, None).await?))
        }
    })
}

/// Counts the load's requests on the run's clock.
fn counting(mut traffic: Traffic, clock: Clock) -> CountLoad {
    Box::new(move || {
        let (at, sent) = (clock.now(), traffic.sent());
        LoadCount { at, due: traffic.due(at), sent }
    })
}
