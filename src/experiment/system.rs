//! The system under test: started by the run, or there already; its faults and its monitors.

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::plan::surge;
use super::plan::{ExperimentPlan, Goal};
use super::settings::FaultKind;
use crate::fault::surge::Look;
use crate::fault::{self, CutLink, DelayLink, Fault, LimitLink, LossyLink, Surge};
use crate::load::Traffic;
use crate::monitor::{self, Monitor, Process};
use crate::record::{Clock, Event, Sample};
use crate::testbed::{Role, Testbed, TestbedError, TestbedPlan, TestbedPlanError};

/// Why the system under test is not there.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the testbed does not start: {0}")]
    Testbed(#[from] TestbedError),
    #[error(transparent)]
    Plan(#[from] TestbedPlanError),
}

/// What the load goes to.
pub struct System {
    /// Where requests go.
    pub url: String,
    testbed: Option<Testbed>,
}

impl System {
    /// # Errors
    /// [`StartError`] where the testbed does not start. Nothing is left running.
    pub async fn start(plan: &ExperimentPlan) -> Result<System, StartError> {
        match plan.goal() {
            Goal::Url(url) => Ok(System { url: url.to_owned(), testbed: None }),
            Goal::Embedded(settings) => {
                let testbed = Testbed::start(&TestbedPlan::new(settings.clone())?, None).await?;
                Ok(System { url: format!("{}/wrk2-api/post/compose", testbed.url()), testbed: Some(testbed) })
            }
        }
    }

    /// Applies and removes the plan's faults on the run's clock, each in a task of its own. A surge is seen in `traffic`.
    pub fn drive_faults(
        &self,
        plan: &ExperimentPlan,
        clock: Clock,
        traffic: impl Fn() -> Traffic,
        tell: &UnboundedSender<Event>,
        cancelled: &watch::Receiver<bool>,
    ) -> Vec<JoinHandle<fault::Outcome>> {
        let faults = plan.fault.iter().enumerate().filter_map(|(index, planned)| {
            let link = || self.testbed.as_ref().map(Testbed::link);
            let mut fault: Box<dyn Fault> = match planned.kind {
                FaultKind::Link => Box::new(CutLink::new(link()?)),
                FaultKind::LinkDelay => Box::new(DelayLink::new(link()?, planned.delay?)),
                FaultKind::LinkLoss => Box::new(LossyLink::new(link()?, planned.loss?)),
                FaultKind::LinkBandwidth => Box::new(LimitLink::new(link()?, planned.bandwidth?.0.0)),
                FaultKind::Surge => {
                    let (size, until) = (surge(plan, planned)?, plan.at(planned).plus(planned.lasts));
                    Box::new(Surge::new(size, until.0, looking(traffic(), clock)))
                }
            };
            let schedule = fault::Schedule { at: plan.at(planned), lasting: planned.lasts };
            let (tell, cancelled) = (tell.clone(), cancelled.clone());
            Some(tokio::spawn(async move {
                fault::drive(fault.as_mut(), index, schedule, || clock.now(), tell, cancelled).await
            }))
        });
        faults.collect()
    }

    /// Looks at what the plan monitors, on the run's clock, until nobody takes the samples.
    pub fn monitor(&self, plan: &ExperimentPlan, clock: Clock, sample: &UnboundedSender<Sample>) {
        let Some(testbed) = &self.testbed else { return };
        for planned in &plan.monitor {
            let Some(role) = Role::ALL.into_iter().find(|role| role.name() == planned.component) else { continue };
            let monitor: Box<dyn Monitor> = Box::new(Process::new(role.name(), testbed.pid(role)));
            tokio::spawn(monitor::run(vec![monitor], planned.every, move || clock.now(), sample.clone()));
        }
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

/// Looks at the load on the run's clock.
fn looking(mut traffic: Traffic, clock: Clock) -> impl FnMut() -> Look {
    move || {
        let (at, sent) = (clock.now(), traffic.sent());
        Look { at, due: traffic.due(at), sent }
    }
}
