use serde::{Deserialize, Serialize};

use super::boundary::BoundarySearch;
use crate::lab::campaign::cell::{Cell, Ramp};
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::schedule::{Forecast, Request, Strategy, SystemWish};
use crate::lab::statistics::bisection::{BisectionPlan, SearchRun, SearchStep};
use crate::plan::{ExperimentPlan, InvalidSetting, RATES, VerdictWindows};
use crate::units::{Time, round_digits};

/// What a search looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Searched {
    /// D*: the shortest outage that leaves the system stuck, in seconds.
    Outage,
    /// The largest rate that the system carries without a fault, in requests/s.
    Rate,
}

impl Searched {
    /// The run as one of a search. An outage counts as long as it was planned: how long it really was is not known, because
    /// an effect and its removal are seen later than they happen.
    pub fn place(self, run: &RunOutcome) -> SearchRun {
        let Cell { rate, outage, .. } = run.cell();
        let at = match self {
            Searched::Outage => outage.as_secs_f64(),
            Searched::Rate => rate,
        };
        SearchRun { at, tipped: self.tipped(run) }
    }

    /// The position that a run can have and that is nearest to `at`: outages are whole ms, and rates have four digits.
    pub fn round(self, at: f64) -> f64 {
        match self {
            Searched::Outage => to_outage(at).as_secs_f64(),
            Searched::Rate => round_digits(at, 4),
        }
    }

    /// After so many runs that agree, the search asks at an end of its range.
    fn agreeing(self) -> usize {
        match self {
            // At once: where nothing tips, the search is over soon.
            Searched::Outage => 0,
            // The upper end overloads the system more than most searches need.
            Searched::Rate => 3,
        }
    }

    /// Whether the run was on the far side of the boundary: stuck after its fault, or not healthy without one.
    pub fn tipped(self, run: &RunOutcome) -> bool {
        match self {
            // A backlog that shrinks (DRAINING) is no failure that sustains itself.
            Searched::Outage => run.is_stuck(),
            Searched::Rate => !run.is_healthy(),
        }
    }
}

/// A search for one boundary.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    searched: Searched,
    /// The cell of the plan. One of its quantities is searched.
    base: Cell,
    /// The search before its first run.
    fresh: BoundarySearch,
    timing: RunTiming,
}

/// The range of a search of outages that is not given. Hardly any system notices the first outage, and the second one is
/// longer than most users accept.
const SHORTEST: Time = Time::from_millis(20);
const LONGEST: Time = Time::from_secs(30);

/// The range of outages to search, unless the user gives one: it contains the plan's own.
pub fn default_outages(plan: &ExperimentPlan) -> (Time, Time) {
    (SHORTEST, Cell::of(plan).outage.max(LONGEST))
}

/// The range of rates to search, unless the user gives one: it contains the plan's own.
pub fn default_rates(plan: &ExperimentPlan) -> (f64, f64) {
    let rate = plan.load().rate;
    ((rate / 4.0).max(*RATES.start()), (rate * 8.0).min(*RATES.end()))
}

impl Search {
    /// The search for a boundary as `search` says.
    ///
    /// # Errors
    /// [`InvalidSetting`] if the plan or the range does not allow the search.
    pub fn new(searched: Searched, plan: &ExperimentPlan, search: BisectionPlan) -> Result<Search, InvalidSetting> {
        let search = BisectionPlan { low: searched.round(search.low), high: searched.round(search.high), ..search };
        let fresh = BoundarySearch::new(search, searched.agreeing());
        let fresh = fresh.map_err(|error| InvalidSetting::new("--between", error.to_string()))?;
        let new = Search { searched, base: Cell::of(plan), fresh, timing: RunTiming::of(plan)? };
        if searched == Searched::Outage {
            check_outages(plan)?;
        }
        for end in [search.low, search.high] {
            if searched == Searched::Rate && !RATES.contains(&end) {
                let (least, most) = (RATES.start(), RATES.end());
                let why = format!("must be between {least} and {most} requests/s at both ends, not {end}");
                return Err(InvalidSetting::new("--between", why));
            }
            let request = new.request(end, &[]);
            let within = |InvalidSetting { key, why }| {
                InvalidSetting::new("--between", format!("{key} of a run at an end of the range {why}"))
            };
            request.cell.plan(plan, request.duration).map_err(within)?;
        }
        Ok(new)
    }

    /// The search after these runs.
    pub fn after(&self, runs: &[&RunOutcome]) -> BoundarySearch {
        self.fresh.after(runs.iter().map(|run| self.searched.place(run)))
    }

    pub fn searched(&self) -> Searched {
        self.searched
    }

    /// The rate of the plan, in requests/s.
    pub fn rate(&self) -> f64 {
        self.base.rate
    }

    /// The run at `at`, after these runs. Each run has its own arrivals.
    fn request(&self, at: f64, runs: &[&RunOutcome]) -> Request {
        let seed = self.base.seed.wrapping_add(runs.len() as u64);
        match self.searched {
            Searched::Outage => self.timing.with_fault(Cell { outage: to_outage(at), seed, ..self.base }),
            Searched::Rate => {
                let cell = Cell { rate: self.searched.round(at), outage: Time::ZERO, seed, ..self.base };
                self.timing.without_fault(cell, self.find_check_rate(cell.rate, runs))
            }
        }
    }

    /// The rate of the health check before a run at `rate`: one that a healthy system certainly carries. That is the smallest
    /// of the range, or half of one that it did carry.
    fn find_check_rate(&self, rate: f64, runs: &[&RunOutcome]) -> f64 {
        let carried = runs.iter().filter(|run| run.is_healthy()).map(|run| run.cell().rate).fold(0.0, f64::max);
        self.searched.round((carried / 2.0).max(self.smallest()).min(rate))
    }

    /// The lower end of the range.
    pub fn smallest(&self) -> f64 {
        self.fresh.bisection().plan().low
    }
}

impl Strategy for Search {
    fn next(&self, runs: &[&RunOutcome], _same_system: bool) -> Option<Request> {
        match self.after(runs).next_step() {
            SearchStep::Run(at) => Some(self.request(at, runs)),
            SearchStep::Done(_) => None,
        }
    }

    fn left(&self, runs: &[&RunOutcome], _same_system: bool) -> Forecast {
        let search = self.after(runs);
        let runs_left = search.runs_left();
        let usual = self.request(search.bisection().estimate().value, runs).load;
        Forecast { runs: runs_left, load: usual.times(runs_left as u64) }
    }
}

/// Refuses plans in which no outage can be set.
///
/// # Errors
/// [`InvalidSetting`] if no fault has a length, or if they have different ones.
pub fn check_outages(plan: &ExperimentPlan) -> Result<(), InvalidSetting> {
    let mut lengths: Vec<Time> = plan.faults().iter().filter_map(|fault| fault.lasts).collect();
    lengths.dedup();
    let why = match *lengths {
        [] => {
            "a search for the shortest outage needs a fault that has a length. Add a [[fault]] section with the key `for`"
                .to_owned()
        }
        [_] => return Ok(()),
        [first, other, ..] => format!(
            "a search for the shortest outage gives all faults one length, but the lengths {first} and {other} differ. \
             Set one with --outage, such as --outage {first}"
        ),
    };
    Err(InvalidSetting::new("fault", why))
}

/// An outage in whole ms, at least 1.
pub fn to_outage(seconds: f64) -> Time {
    Time::from_millis((seconds * 1e3).round().max(1.0) as u64)
}

/// How long the runs of a search take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunTiming {
    warmup: Time,
    baseline: Time,
    dwell: Time,
}

impl RunTiming {
    /// # Errors
    /// [`InvalidSetting`] if the plan is not judged early.
    pub fn of(plan: &ExperimentPlan) -> Result<RunTiming, InvalidSetting> {
        let why = "a search needs the time for which the system is stuck";
        let dwell = plan.early().ok_or_else(|| InvalidSetting::new("verdict.early", why))?;
        let phases = plan.phases();
        Ok(RunTiming { warmup: phases.warmup, baseline: phases.baseline, dwell })
    }

    /// A run with a fault. It ends once the system is stuck for long enough, or recovered.
    pub fn with_fault(self, cell: Cell) -> Request {
        let load = self.warmup.plus(self.baseline).plus(cell.outage).plus(self.dwell);
        Request { cell, system: SystemWish::Healthy, duration: None, load }
    }

    /// A run without a fault. A health check at `check_rate` takes the place of the baseline. The rate of the cell lasts for as
    /// long as a baseline and the windows of a run with a fault do. All windows are those of the first rate.
    pub fn without_fault(self, cell: Cell, check_rate: f64) -> Request {
        let windows = VerdictWindows::of(check_rate).judging_early(self.dwell);
        let lasts = self.warmup.plus(windows.max_baseline);
        let back = windows.max_baseline.plus(windows.last);
        let check = Ramp { begins: Time::ZERO, from: check_rate, to: check_rate, lasts, back };
        let cell = Cell { ramp: Some(check), ..cell };
        Request { cell, system: SystemWish::Healthy, duration: None, load: check.end() }
    }
}
