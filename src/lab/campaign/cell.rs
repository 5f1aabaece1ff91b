use serde::{Deserialize, Serialize};

use crate::plan::config::{Overrides, vary};
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::units::Time;

/// A point of a campaign. Runs of one cell differ only by chance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Requests per second.
    pub rate: f64,
    /// The length of each fault that has one, or the longest one that the plan allows. Zero: a run without a fault.
    pub outage: Time,
    pub seed: u64,
}

impl Cell {
    /// The cell of a plan as it is.
    pub fn of(plan: &ExperimentPlan) -> Cell {
        let outage = plan.faults().iter().map(|fault| fault.end().since(fault.at)).max().unwrap_or(Time::ZERO);
        Cell { rate: plan.load().rate, outage, seed: plan.load().seed }
    }

    /// The name of its folder: `300-20s-s1`.
    pub fn folder_name(&self) -> String {
        format!("{}-{}-s{}", self.rate, self.outage, self.seed)
    }

    /// The plan of a run of this cell, in a campaign of the plan `base`. `duration` is the length of the load, which
    /// otherwise follows from the plan.
    ///
    /// # Errors
    /// [`InvalidSetting`] for a cell that the plan does not allow.
    pub fn plan(&self, base: &ExperimentPlan, duration: Option<Time>) -> Result<ExperimentPlan, InvalidSetting> {
        let Cell { rate, outage, seed } = *self;
        // A fault without a length, such as a restart, has no outage that could be set.
        let outage = (outage != Cell::of(base).outage).then_some(outage);
        vary(base, &Overrides { rate: Some(rate), outage, seed: Some(seed), duration, ..Overrides::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::config::read_plan;

    fn base() -> ExperimentPlan {
        let overrides = Overrides { early: Some(Time::from_secs(20)), ..Overrides::default() };
        read_plan(None, &overrides).unwrap().plan
    }

    #[test]
    fn the_cell_of_a_plan_has_the_same_plan() {
        let (base, cell) = (base(), Cell::of(&base()));
        assert_eq!(cell, Cell { rate: 300.0, outage: Time::from_secs(20), seed: 1 });
        assert_eq!((cell.plan(&base, None), cell.folder_name()), (Ok(base.clone()), "300-20s-s1".to_owned()));
    }

    #[test]
    fn a_cell_changes_rate_outage_and_seed_and_nothing_else() {
        let base = base();
        let cell = Cell { rate: 122.5, outage: Time::from_millis(300), seed: 7 };
        let plan = cell.plan(&base, None).unwrap();
        assert_eq!((Cell::of(&plan), cell.folder_name()), (cell, "122.5-300ms-s7".to_owned()));
        assert_eq!((plan.phases().observe, plan.early()), (base.phases().observe, base.early()));
        let shorter = Time::from_secs(20).minus(cell.outage);
        assert_eq!(plan.phases().duration, base.phases().duration.minus(shorter), "the load ends as much earlier");
        assert_eq!(Cell::of(&base).plan(&plan, None).unwrap(), base, "and back");
    }

    #[test]
    fn an_outage_of_zero_is_a_run_without_a_fault() {
        let cell = Cell { outage: Time::ZERO, ..Cell::of(&base()) };
        let plan = cell.plan(&base(), Some(Time::from_secs(25))).unwrap();
        assert_eq!((plan.faults().len(), plan.phases().duration), (0, Time::from_secs(25)));
        assert_eq!(Cell::of(&plan), cell);
    }

    #[test]
    fn a_low_rate_gets_a_longer_baseline() {
        let cell = Cell { rate: 5.0, ..Cell::of(&base()) };
        let plan = cell.plan(&base(), None).unwrap();
        assert_eq!(plan.phases().baseline, Time::from_secs(50));
        assert_eq!(plan.faults()[0].at.0, 55_000_000_000);
    }
}
