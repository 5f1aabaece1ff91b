use serde::{Deserialize, Serialize};

use crate::arrivals::Profile;
use crate::plan::config::{Overrides, vary};
use crate::plan::{ExperimentPlan, InvalidSetting};
use crate::units::{Instant, Time};

/// A point of a campaign. Runs of one cell differ only by chance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Requests per second.
    pub rate: f64,
    /// The length of each fault that has one. If this is the longest of the plan, the faults are as in the plan. If no
    /// fault has a length, the longest time that one may take. Zero: a run without a fault.
    pub outage: Time,
    pub seed: u64,
    /// How the rate changes at the end of the run, or at its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Ramp>,
}

/// A change of the rate at the end of a run. The run ends with it, or once the system recovered and was watched. One that
/// begins at once is a [health check](Cell::check_end).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// When it begins, since the start of load.
    pub begins: Time,
    /// The first and the last rate, in requests/s.
    pub from: f64,
    pub to: f64,
    pub lasts: Time,
    /// How long the load has the rate of the cell afterwards.
    #[serde(default)]
    pub back: Time,
}

/// The shortest time between the fault and what a run is judged by.
const BEFORE_JUDGED: Time = Time::from_secs(1);

impl Ramp {
    /// The rate at `at`, which lies in the ramp.
    pub fn rate_at(&self, at: Time) -> f64 {
        let share = at.minus(self.begins).as_secs_f64() / self.lasts.as_secs_f64();
        self.from + (self.to - self.from) * share
    }

    /// The end of the run.
    pub fn end(&self) -> Time {
        self.begins.plus(self.lasts).plus(self.back)
    }
}

impl Cell {
    /// The cell of a plan as it is.
    pub fn of(plan: &ExperimentPlan) -> Cell {
        let faults = plan.faults().iter();
        // A fault without a length, such as a restart, has no outage that could be set.
        let longest = faults.clone().filter_map(|fault| fault.lasts).max();
        let outage = longest.or_else(|| faults.map(|fault| fault.end().since(fault.at)).max()).unwrap_or(Time::ZERO);
        Cell { rate: plan.load().rate, outage, seed: plan.load().seed, ramp: None }
    }

    /// The name of its folder: `300-20s-s1`.
    pub fn folder_name(&self) -> String {
        let Cell { rate, outage, seed, ramp } = self;
        let ramp = ramp.map(|Ramp { from, to, lasts, .. }| match from == to {
            true => format!("-{from}-for-{lasts}"),
            false => format!("-{from}-to-{to}-in-{lasts}"),
        });
        format!("{rate}-{outage}-s{seed}{}", ramp.unwrap_or_default())
    }

    /// `300`, `300, then 150..8`, or `300, then 108, then 300`
    pub fn describe_rate(&self) -> String {
        let Cell { rate, ramp, .. } = self;
        let Some(Ramp { begins, from, to, back, .. }) = ramp else { return rate.to_string() };
        let before = if *begins > Time::ZERO { format!("{rate}, then ") } else { String::new() };
        let change = if from == to { from.to_string() } else { format!("{from}..{to}") };
        let back = if *back > Time::ZERO { format!(", then {rate}") } else { String::new() };
        format!("{before}{change}{back}")
    }

    /// The end of the health check: a run without a fault may begin with a low rate, which shows whether the system was
    /// healthy before the rate of the cell.
    pub fn check_end(&self) -> Option<Instant> {
        self.ramp.filter(|ramp| ramp.begins == Time::ZERO).map(|ramp| Instant::START.plus(ramp.lasts))
    }

    /// The plan of a run of this cell, in a campaign of the plan `base`. `duration` is the length of the load, which
    /// otherwise follows from the plan, or from the ramp.
    ///
    /// # Errors
    /// [`InvalidSetting`] for a cell that the plan does not allow.
    pub fn plan(&self, base: &ExperimentPlan, duration: Option<Time>) -> Result<ExperimentPlan, InvalidSetting> {
        let Cell { rate, outage, seed, ramp } = *self;
        let outage = (outage != Cell::of(base).outage).then_some(outage);
        let overrides = Overrides { rate: Some(rate), outage, seed: Some(seed), duration, ..Overrides::default() };
        let Some(ramp) = ramp else { return vary(base, &overrides) };
        let profile = Profile::with_ramp(rate, ramp.begins, (ramp.from, ramp.to), ramp.lasts, ramp.back);
        let overrides = Overrides { profile: Some(profile), duration: Some(ramp.end()), ..overrides };
        if self.check_end().is_some() {
            return vary(base, &Overrides { rate: Some(ramp.from), ..overrides });
        }
        // A system that stays stuck must not end the run before the ramp does.
        let constant = Overrides { profile: None, duration, ..overrides.clone() };
        let fault_end = vary(base, &constant)?.faults().iter().map(|fault| fault.end().since(Instant::START)).max();
        let early = ramp.end().minus(fault_end.unwrap_or(ramp.begins)).minus(BEFORE_JUDGED);
        vary(base, &Overrides { early: Some(early), ..overrides })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::config::{parse, read_plan};

    fn base() -> ExperimentPlan {
        let overrides = Overrides { early: Some(Time::from_secs(20)), ..Overrides::default() };
        read_plan(None, &overrides).unwrap().plan
    }

    #[test]
    fn the_cell_of_a_plan_has_the_same_plan() {
        let (base, cell) = (base(), Cell::of(&base()));
        assert_eq!(cell, Cell { rate: 300.0, outage: Time::from_secs(20), seed: 1, ramp: None });
        assert_eq!((cell.plan(&base, None), cell.folder_name()), (Ok(base.clone()), "300-20s-s1".to_owned()));
    }

    #[test]
    fn a_cell_changes_rate_outage_and_seed_and_nothing_else() {
        let base = base();
        let cell = Cell { rate: 122.5, outage: Time::from_millis(300), seed: 7, ramp: None };
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

    fn with_faults(faults: &str) -> ExperimentPlan {
        let text =
            format!("name = \"x\"\n[target]\nurl = \"http://x/\"\nengine = \"docker\"\n[load]\nrate = 300\n{faults}");
        parse(&text, "x", Path::new(""), &Overrides::default()).unwrap()
    }

    const PAUSE: &str = "[[fault]]\nkind = \"pause\"\ncontainer = \"db\"\nat = \"15s\"\nfor = \"20s\"\n";
    const SURGE: &str = "[[fault]]\nkind = \"surge\"\nfactor = 8.0\nat = \"40s\"\nfor = \"5s\"\n";
    const RESTART: &str = "[[fault]]\nkind = \"restart\"\ncontainer = \"web\"\n";

    #[test]
    fn the_outage_is_that_of_the_faults_that_have_a_length() {
        let lengths = |base: &ExperimentPlan, outage| {
            let plan = Cell { outage: Time::from_secs(outage), ..Cell::of(base) }.plan(base, None).unwrap();
            plan.faults().iter().map(|fault| fault.lasts.map(Time::as_secs_f64)).collect::<Vec<_>>()
        };
        let base = with_faults(&format!("{PAUSE}{RESTART}"));
        assert_eq!(Cell::of(&base).outage, Time::from_secs(20), "not the longest time of a restart");
        assert_eq!([20, 30].map(|outage| lengths(&base, outage)), [[Some(20.0), None], [Some(30.0), None]]);
        let base = with_faults(&format!("{PAUSE}{SURGE}"));
        assert_eq!(lengths(&base, 20), [Some(20.0), Some(5.0)], "as in the plan");
        assert_eq!(lengths(&base, 7), [Some(7.0), Some(7.0)]);
        assert_eq!(Cell::of(&with_faults(RESTART)).outage, Time::from_secs(30));
    }

    #[test]
    fn faults_in_sequence_stay_in_sequence_if_a_low_rate_has_a_longer_baseline() {
        let begin = |first: &str, rate| {
            let base = with_faults(&format!("{PAUSE}{SURGE}").replace("15s", first));
            let plan = Cell { rate, ..Cell::of(&base) }.plan(&base, None).unwrap();
            plan.faults().iter().map(|fault| fault.at.as_secs_f64()).collect::<Vec<_>>()
        };
        assert_eq!(begin("15s", 50.0), [15.0, 40.0], "the baseline suffices");
        assert_eq!(begin("15s", 5.0), [55.0, 80.0]);
        assert_eq!(begin("10s", 5.0), [55.0, 85.0], "the first one was in the baseline");
        assert_eq!(begin("17s", 5.0), [57.0, 80.0], "the first one was later than the baseline");
    }

    #[test]
    fn a_low_rate_gets_a_longer_baseline() {
        let cell = Cell { rate: 5.0, ..Cell::of(&base()) };
        let plan = cell.plan(&base(), None).unwrap();
        assert_eq!(plan.phases().baseline, Time::from_secs(50));
        assert_eq!(plan.faults()[0].at.0, 55_000_000_000);
    }

    #[test]
    fn a_health_check_comes_before_the_rate_of_the_cell() {
        let (lasts, back) = (Time::from_secs(15), Time::from_secs(30));
        let check = Ramp { begins: Time::ZERO, from: 50.0, to: 50.0, lasts, back };
        let cell = Cell { rate: 400.0, outage: Time::ZERO, seed: 1, ramp: Some(check) };
        let plan = cell.plan(&base(), None).unwrap();
        let at = |seconds| plan.rate().at(Instant::START.plus(Time::from_secs(seconds)));
        assert_eq!([0, 14, 15, 44].map(at), [50.0, 50.0, 400.0, 400.0]);
        assert_eq!((plan.phases().duration, plan.early()), (check.end(), base().early()));
        assert_eq!(cell.check_end(), Some(Instant::START.plus(lasts)));
        assert_eq!(
            (cell.folder_name(), cell.describe_rate()),
            ("400-0s-s1-50-for-15s".to_owned(), "50, then 400".to_owned())
        );
    }

    #[test]
    fn a_ramp_begins_after_the_fault_and_the_run_ends_with_it() {
        let ramp =
            Ramp { begins: Time::from_secs(60), from: 150.0, to: 10.0, lasts: Time::from_secs(280), back: Time::ZERO };
        let cell = Cell { ramp: Some(ramp), ..Cell::of(&base()) };
        let plan = cell.plan(&base(), None).unwrap();
        assert_eq!(plan.phases().duration, ramp.end());
        let at = |seconds| plan.rate().at(crate::units::Instant::START.plus(Time::from_secs(seconds)));
        assert_eq!([0, 59, 60, 200, 340].map(at), [300.0, 300.0, 150.0, 80.0, 10.0]);
        assert_eq!((ramp.rate_at(Time::from_secs(200)), plan.early()), (80.0, Some(Time::from_secs(340 - 35 - 1))));
        assert_eq!(cell.folder_name(), "300-20s-s1-150-to-10-in-280s");
        assert_eq!(cell.describe_rate(), "300, then 150..10");
        let shed = Ramp { from: 108.0, to: 108.0, lasts: Time::from_secs(25), back: Time::from_secs(40), ..ramp };
        let cell = Cell { ramp: Some(shed), ..cell };
        assert_eq!(
            (cell.folder_name(), cell.describe_rate()),
            ("300-20s-s1-108-for-25s".to_owned(), "300, then 108, then 300".to_owned())
        );
        let rate = cell.plan(&base(), None).unwrap().rate().clone();
        let at = |seconds| rate.at(crate::units::Instant::START.plus(Time::from_secs(seconds)));
        assert_eq!([59, 60, 84, 85, 124].map(at), [300.0, 108.0, 108.0, 300.0, 300.0]);
        assert_eq!(parse(&plan.to_toml().unwrap(), "x", Path::new(""), &Overrides::default()).unwrap(), plan);
    }
}
