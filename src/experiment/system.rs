//! The system under test: started by the run, or there already; its faults and its monitors.

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::docker::{DockerError, Engine};
use crate::fault::keeper::journal::{JournalError, refuse_listed};
use crate::fault::surge::Look;
use crate::fault::{self, CutLink, DelayLink, Fault, FaultError, KeeperClient, LimitLink, LossyLink, Surge};
use crate::load::Traffic;
use crate::monitor::{self, Monitor, Process, WatchError, Watched};
use crate::plan::settings;
use crate::plan::settings::{DOCKER, FaultKind, MonitorKind};
use crate::plan::surge;
use crate::plan::{ExperimentPlan, Goal};
use crate::record::{Clock, Event, Sample};
use crate::testbed::{Role, Testbed, TestbedError, TestbedPlan, TestbedPlanError};

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
}

/// What the load goes to.
pub struct System {
    /// Where requests go.
    pub url: String,
    testbed: Option<Testbed>,
    /// By place in the plan; nothing is touched before they are driven.
    faults: Vec<(usize, Box<dyn Fault>)>,
    /// Monitored containers, in the plan's order.
    watched: Vec<Watched>,
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
        let engine = engine(plan).await?;
        let mut system = System { url, testbed, faults: Vec::new(), watched: Vec::new() };
        // A plan without a testbed, or without an engine, names nothing of it.
        if let Some(engine) = &engine {
            for container in plan.monitor.iter().filter_map(|monitor| monitor.container.as_deref()) {
                system.watched.push(Watched::find(engine, container).await?);
            }
            // What an earlier run left done to one would be taken for this run's.
            refuse_listed(engine, &system.watched.iter().map(Watched::id).collect::<Vec<_>>())?;
        }
        for (index, planned) in plan.fault.iter().enumerate() {
            let fault = match (&system.testbed, &engine) {
                (Some(testbed), _) if planned.kind.is_on_link() => link_fault(testbed, planned),
                (_, Some(engine)) => docker_fault(engine, planned).await?,
                (_, None) => None,
            };
            system.faults.extend(fault.map(|fault| (index, fault)));
        }
        Ok(system)
    }

    /// Applies and removes the plan's faults on the run's clock, each in a task of its own. A surge is seen in `traffic`.
    pub fn drive_faults(
        &mut self,
        plan: &ExperimentPlan,
        clock: Clock,
        traffic: impl Fn() -> Traffic,
        tell: &UnboundedSender<Event>,
        cancelled: &watch::Receiver<bool>,
    ) -> Vec<JoinHandle<fault::Outcome>> {
        let surges = plan.fault.iter().enumerate().filter_map(|(index, planned)| {
            let (size, until) = (surge(plan, planned)?, plan.at(planned).plus(planned.lasts));
            let fault: Box<dyn Fault> = Box::new(Surge::new(size, until.0, looking(traffic(), clock)));
            Some((index, fault))
        });
        let driven = std::mem::take(&mut self.faults).into_iter().chain(surges).filter_map(|(index, mut fault)| {
            let planned = plan.fault.get(index)?;
            let schedule = fault::Schedule { at: plan.at(planned), lasting: planned.lasts };
            let (tell, cancelled) = (tell.clone(), cancelled.clone());
            Some(tokio::spawn(async move {
                fault::drive(fault.as_mut(), index, schedule, || clock.now().0, tell, cancelled).await
            }))
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
            Some(testbed) => match testbed.death().await {
                Some(death) => (death.role.name().to_owned(), format!("{} {}", death.status, death.stderr)),
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

/// A fault on the testbed's link.
fn link_fault(testbed: &Testbed, planned: &settings::Fault) -> Option<Box<dyn Fault>> {
    let link = testbed.link();
    Some(match planned.kind {
        FaultKind::Link => Box::new(CutLink::new(link)),
        FaultKind::LinkDelay => Box::new(DelayLink::new(link, planned.delay?)),
        FaultKind::LinkLoss => Box::new(LossyLink::new(link, planned.loss?)),
        FaultKind::LinkBandwidth => Box::new(LimitLink::new(link, planned.bandwidth?.0.0)),
        _ => return None,
    })
}

/// A fault on a container, which is found to be possible, and not touched.
async fn docker_fault(engine: &Engine, planned: &settings::Fault) -> Result<Option<Box<dyn Fault>>, FaultError> {
    let (Some(container), Some(fault)) = (&planned.container, planned.on_container()) else { return Ok(None) };
    Ok(Some(Box::new(KeeperClient::prepare(engine, container, fault, planned.lasts, None).await?)))
}

/// Looks at the load on the run's clock.
fn looking(mut traffic: Traffic, clock: Clock) -> impl FnMut() -> Look {
    move || {
        let (at, sent) = (clock.now(), traffic.sent());
        Look { at: at.0, due: traffic.due(at), sent }
    }
}
