use crate::lab::campaign::cell::Cell;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::schedule::{Forecast, Request, Strategy, SystemWish, find_shed};
use crate::plan::{ExperimentPlan, InvalidSetting, PlannedFault};
use crate::units::{Instant, Time};

/// The two runs of a certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Certify {
    with_fault: Request,
    after_shed: Request,
    client_timeout: Option<Time>,
    /// Each fault ends processes, as `kill` does.
    ends_processes: bool,
}

impl Certify {
    /// The certificate of a plan, which must be judged early.
    ///
    /// # Errors
    /// [`InvalidSetting`] if the plan has no fault, or is not judged early.
    pub fn new(plan: &ExperimentPlan) -> Result<Certify, InvalidSetting> {
        let Some(fault_end) = plan.faults().iter().map(PlannedFault::end).max() else {
            let why = "a certificate needs a fault that leaves the system stuck. Add a [[fault]] section";
            return Err(InvalidSetting::new("fault", why));
        };
        let Some(dwell) = plan.early() else {
            return Err(InvalidSetting::new(
                "verdict.early",
                "a certificate needs the time for which the system is stuck",
            ));
        };
        let cell = Cell::of(plan);
        let load = plan.phases().warmup.plus(plan.windows().last);
        Ok(Certify {
            with_fault: Request {
                cell,
                system: SystemWish::Healthy,
                duration: None,
                load: fault_end.since(Instant::START).plus(dwell),
            },
            after_shed: Request {
                cell: Cell { outage: Time::ZERO, ..cell },
                system: SystemWish::Same,
                duration: Some(load),
                load,
            },
            client_timeout: plan.load().timeout.map(|timeout| timeout.after),
            ends_processes: plan.faults().iter().all(|fault| fault.spec.spec().ends_processes()),
        })
    }

    /// The last run with the fault, and the run after the shed.
    pub(super) fn find<'a>(&self, runs: &[&'a RunOutcome]) -> Option<(&'a RunOutcome, Option<&'a RunOutcome>)> {
        let index = runs.iter().rposition(|run| run.cell() == self.with_fault.cell)?;
        Some((runs[index], runs.get(index + 1).copied()))
    }

    /// Whether a restart in this run explains that the system recovered in it.
    pub(super) fn restart_cures(&self, with_fault: &RunOutcome) -> bool {
        with_fault.verdict.tau_ns.is_some() && !self.ends_processes
    }

    /// Whether the requests of `with_fault` had left the system before the next run, which was after a time without load of
    /// `shed`.
    pub(super) fn has_drained(&self, with_fault: &RunOutcome, shed: Time) -> bool {
        shed >= find_shed(with_fault, self.client_timeout)
    }
}

impl Strategy for Certify {
    fn next(&self, runs: &[&RunOutcome], same_system: bool) -> Option<Request> {
        match self.find(runs) {
            None => Some(self.with_fault),
            Some((_, Some(_))) => None,
            Some((with_fault, None)) if !with_fault.is_stuck() => None,
            Some((_, None)) if same_system => Some(self.after_shed),
            // The processes that were stuck have ended, so the first run is made again.
            Some(_) => Some(self.with_fault),
        }
    }

    fn left(&self, runs: &[&RunOutcome], same_system: bool) -> Forecast {
        let both = self.with_fault.load.plus(self.after_shed.load);
        match self.next(runs, same_system) {
            None => Forecast::default(),
            Some(next) if next.cell == self.after_shed.cell => Forecast { runs: 1, load: next.load },
            Some(_) => Forecast { runs: 2, load: both },
        }
    }
}
