//! The system under test during a run: the testbed, or a running target, with its faults and monitors.

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::monitors::{PreparedMonitor, prepare_monitors};
use super::overlap::refuse_overlaps;
use super::proxies::Proxies;
use super::start_error::StartError;
use crate::docker::{DockerError, Engine};
use crate::fault::surge::CountLoad;
use crate::fault::{self, Fault, FaultGroup, FaultSpec, KeeperClient, LoadCount, LoadFault, Machine, Target};
use crate::load::RequestCounter;
use crate::plan::{EngineAddress, ExperimentPlan, PlannedFault, System};
use crate::record::{Clock, Event, Sample};
use crate::testbed::{Role, Testbed};
use crate::units::Time;

/// The system under test.
pub struct SystemUnderTest {
    url: String,
    testbed: Option<Testbed>,
    proxies: Proxies,
    /// In the order of the plan. Preparing them changed nothing.
    faults: Vec<PreparedFault>,
    /// In the order of the plan.
    monitors: Vec<PreparedMonitor>,
}

/// Holds the faults back until the baseline is judged.
#[derive(Clone, Debug)]
pub struct FaultGate {
    pub approved: watch::Receiver<bool>,
    /// When it becomes true, faults are removed, and no further ones are applied.
    pub cancelled: watch::Receiver<bool>,
}

impl FaultGate {
    /// Waits until the faults are approved; `false` if they are cancelled before.
    async fn opens(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.cancelled.wait_for(|cancelled| *cancelled) => false,
            approved = self.approved.wait_for(|approved| *approved) => approved.is_ok(),
        }
    }
}

/// A fault that can be applied.
enum PreparedFault {
    Ready(Box<dyn Fault>),
    /// It needs the load, which has not started yet.
    OnLoad(LoadFault),
}

impl SystemUnderTest {
    /// Finds the containers and processes that the plan names, starts its proxies, and prepares faults and monitors. `testbed` must be there if the plan has
    /// one.
    ///
    /// # Errors
    /// [`StartError`] if something is not found. The testbed is stopped, and no container was changed.
    pub async fn prepare(plan: &ExperimentPlan, testbed: Option<Testbed>) -> Result<SystemUnderTest, StartError> {
        let url = match (plan.system(), &testbed) {
            (System::Target { url, .. }, _) => url.clone(),
            (System::Testbed(_), Some(testbed)) => format!("{}/wrk2-api/post/compose", testbed.url()),
            (System::Testbed(_), None) => {
                return Err(StartError::Unplanned { what: "the load".to_owned(), needs: "running testbed" });
            }
        };
        let machine = Machine { engine: connect_engine(plan).await? };
        let monitors = prepare_monitors(plan, testbed.as_ref(), machine.engine.as_ref()).await?;
        let proxies = Proxies::start(plan).await.map_err(StartError::Proxy)?;
        let (mut faults, mut targets) = (Vec::new(), Vec::new());
        for planned in plan.faults() {
            let (fault, on) = prepare_fault(planned, testbed.as_ref(), &proxies, &machine).await?;
            faults.push(fault);
            targets.push(on);
        }
        refuse_overlaps(plan.faults(), &targets)?;
        Ok(SystemUnderTest { url, testbed, proxies, faults, monitors })
    }

    /// The URL of the load.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Applies and removes the faults on the run's clock, each in its own task, once `gate` lets them. `traffic` counts the
    /// load's requests.
    pub fn drive_faults(
        &mut self,
        plan: &ExperimentPlan,
        clock: Clock,
        traffic: impl Fn() -> RequestCounter,
        events: &UnboundedSender<Event>,
        gate: &FaultGate,
    ) -> Vec<JoinHandle<fault::Outcome>> {
        let prepared = std::mem::take(&mut self.faults).into_iter().zip(plan.faults());
        let driven = prepared.enumerate().map(|(index, (prepared, planned))| {
            let mut fault = match prepared {
                PreparedFault::Ready(fault) => fault,
                PreparedFault::OnLoad(fault) => {
                    fault.spec().fault(plan.load().rate, planned.end(), count_load(traffic(), clock))
                }
            };
            let schedule = fault::Schedule { at: Time(planned.at.0), lasting: planned.lasts.unwrap_or(Time::ZERO) };
            let (events, mut gate) = (events.clone(), gate.clone());
            tokio::spawn(async move {
                if !gate.opens().await {
                    return fault::Outcome::Untouched;
                }
                fault::drive(fault.as_mut(), index, schedule, || clock.now(), events, gate.cancelled).await
            })
        });
        driven.collect()
    }

    /// Samples the monitored components on the run's clock until the receiver of `samples` is closed. What happens to them
    /// goes to `events`.
    pub fn start_monitors(&mut self, clock: Clock, samples: &UnboundedSender<Sample>, events: &UnboundedSender<Event>) {
        std::mem::take(&mut self.monitors).into_iter().for_each(|monitor| monitor.start(clock, samples, events));
    }

    /// Waits until a component of the testbed or a proxy dies: its name, and how it died.
    pub async fn wait_for_death(&mut self) -> (String, String) {
        let testbed = async {
            match &mut self.testbed {
                Some(testbed) => match testbed.next_exit().await {
                    Some(exit) => (exit.role.name().to_owned(), format!("{} {}", exit.status, exit.stderr)),
                    None => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            death = testbed => death,
            death = self.proxies.wait_for_death() => death,
        }
    }

    /// Ends the proxies. Returns the testbed, which still runs.
    pub async fn release(self) -> Option<Testbed> {
        self.proxies.stop().await;
        self.testbed
    }
}

/// Connects to the engine of the plan's containers, if the plan has one.
pub async fn connect_engine(plan: &ExperimentPlan) -> Result<Option<Engine>, DockerError> {
    match plan.system().engine() {
        Some(EngineAddress::Environment) => Engine::connect().await.map(Some),
        Some(EngineAddress::Host(host)) => Engine::connect_to(host).await.map(Some),
        None => Ok(None),
    }
}

/// Prepares a fault without changing anything. Gives the containers or processes that it is on, too.
async fn prepare_fault(
    planned: &PlannedFault,
    testbed: Option<&Testbed>,
    proxies: &Proxies,
    machine: &Machine,
) -> Result<(PreparedFault, Vec<Target>), StartError> {
    let mut targets = Vec::new();
    let prepared = match &planned.spec {
        FaultSpec::Link(fault) => {
            let (link, needs) = match fault.spec().proxy() {
                Some(address) => (proxies.link(address.listen).cloned(), "proxy"),
                None => (testbed.map(Testbed::link), "[testbed]"),
            };
            let what = || format!("the fault {}", fault.kind());
            let link = link.ok_or_else(|| StartError::Unplanned { what: what(), needs })?;
            PreparedFault::Ready(fault.spec().fault(link))
        }
        FaultSpec::Load(fault) => PreparedFault::OnLoad(fault.clone()),
        FaultSpec::Kept(fault) => {
            let mut fault = fault.clone();
            fault.resolve_components(&|component| component_pid(testbed?, component));
            let lasting = planned.end().since(planned.at);
            let mut keepers: Vec<(String, Box<dyn Fault>)> = Vec::new();
            for fault in fault.on_each(machine).await? {
                let keeper = KeeperClient::prepare(machine, &fault, lasting, None).await?;
                let target = keeper.target().clone();
                keepers.push((target.name().to_owned(), Box::new(keeper)));
                targets.push(target);
            }
            PreparedFault::Ready(FaultGroup::of(keepers))
        }
    };
    Ok((prepared, targets))
}

/// The process of a component of the testbed.
pub(crate) fn component_pid(testbed: &Testbed, component: &str) -> Option<u32> {
    let role = Role::ALL.into_iter().find(|role| role.name() == component)?;
    Some(testbed.pid(role))
}

/// Counts the load's requests on the run's clock.
fn count_load(mut traffic: RequestCounter, clock: Clock) -> CountLoad {
    Box::new(move || {
        let (at, sent) = (clock.now(), traffic.sent());
        LoadCount { at, due: traffic.due(at), sent }
    })
}
