use crate::arrivals::RandomStream;
use crate::lab::campaign::cell::Cell;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::search::{BoundarySearch, Searched, to_outage};
use crate::lab::statistics::bisection::{BisectionPlan, Prior, SearchAnswer, SearchRun, SearchStep};
use crate::lab::statistics::contradictions::MapRun;
use crate::lab::statistics::interval::Estimate;
use crate::units::Time;

/// The columns of a map, and how each is searched.
#[derive(Clone, Debug, PartialEq)]
pub struct MapColumns {
    /// The rate at which the map begins, in requests/s.
    pub start: f64,
    /// The rates of the columns, in requests/s.
    pub rates: Vec<f64>,
    /// How a column is searched whose neighbours tell nothing.
    pub search: BoundarySearch,
}

/// A column after some runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub rate: f64,
    pub search: BoundarySearch,
}

/// The boundary is probably not farther than this from that of the neighbouring column, in natural logarithms (one
/// standard deviation).
const NEIGHBOUR_SD: f64 = 0.4;
/// A column whose boundary is farther from that of its neighbour is searched without it.
const MAX_DISTANCE: f64 = 2.0 * NEIGHBOUR_SD;
/// So many runs of a column that agree are followed by one at an end of the range.
const AGREEING: usize = 3;
/// Every tenth run is on a random cell. It tests whether tipping is monotone where no bisection asks.
const RANDOM_EVERY: usize = 10;

impl Column {
    /// The answer, if the column needs no more runs.
    pub fn answer(&self) -> Option<SearchAnswer> {
        match self.search.next_step() {
            SearchStep::Done(answer) => Some(answer),
            SearchStep::Run(_) => None,
        }
    }

    /// The boundary, if the column has one.
    pub fn estimate(&self) -> Option<Estimate> {
        match self.answer()? {
            SearchAnswer::Found(estimate) | SearchAnswer::Imprecise(estimate) => Some(estimate),
            SearchAnswer::AlwaysTipped | SearchAnswer::NeverTipped => None,
        }
    }
}

impl MapColumns {
    /// Each column after these runs, in the order in which they are searched.
    pub fn after(&self, runs: &[&RunOutcome]) -> Vec<Column> {
        let mut order = self.rates.clone();
        let distance = |rate: &f64| (rate / self.start).ln().abs();
        order.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        let mut columns: Vec<Column> = Vec::new();
        for rate in order {
            let far = |column: &&Column| (column.rate / rate).ln().abs();
            let neighbour = columns.iter().min_by(|a, b| far(a).total_cmp(&far(b)));
            let search = self.search_column(rate, neighbour, runs);
            columns.push(Column { rate, search });
        }
        columns
    }

    fn search_column(&self, rate: f64, neighbour: Option<&Column>, runs: &[&RunOutcome]) -> BoundarySearch {
        let in_column = runs.iter().filter(|run| is_on_map(run) && run.cell().rate == rate);
        let runs: Vec<SearchRun> = in_column.map(|run| Searched::Outage.place(run)).collect();
        let near = match neighbour.map(Column::answer) {
            // Where a neighbour has no boundary, the column may have none either: its ends come first.
            Some(Some(SearchAnswer::AlwaysTipped | SearchAnswer::NeverTipped)) => {
                return self.search.with_prior(Prior::Uniform, 0).after(runs);
            }
            Some(Some(SearchAnswer::Found(near) | SearchAnswer::Imprecise(near))) => near.value,
            _ => return self.search.with_prior(Prior::Uniform, AGREEING).after(runs),
        };
        let prior = Prior::LogNormal { median: near, sd: NEIGHBOUR_SD };
        let search = self.search.with_prior(prior, AGREEING).after(runs.iter().copied());
        let is_far = (search.bisection().estimate().value / near).ln().abs() > MAX_DISTANCE;
        if is_far { self.search.with_prior(Prior::Uniform, AGREEING).after(runs) } else { search }
    }

    /// The cell of the next run, of which `base` has what all runs share. `None` if every column is known.
    pub fn next_cell(&self, base: Cell, runs: &[&RunOutcome]) -> Option<Cell> {
        let open = self.after(runs).into_iter().find_map(|column| match column.search.next_step() {
            SearchStep::Run(at) => Some((column.rate, at)),
            SearchStep::Done(_) => None,
        })?;
        // Each run has its own arrivals.
        let seed = base.seed.wrapping_add(runs.len() as u64);
        let is_random = runs.len() % RANDOM_EVERY == RANDOM_EVERY - 1;
        let (rate, at) = if is_random { self.draw(seed) } else { open };
        Some(Cell { rate, outage: to_outage(at), seed, ..base })
    }

    /// A random rate of the columns, and a random outage of the range.
    fn draw(&self, seed: u64) -> (f64, f64) {
        let mut random = RandomStream::new(seed, 0);
        let index = (random.draw_unit() * self.rates.len() as f64) as usize;
        let BisectionPlan { low, high, .. } = *self.search.bisection().plan();
        (self.rates[index], low * (high / low).powf(random.draw_unit()))
    }

    /// How many runs are left, if every outcome is as expected.
    pub fn runs_left(&self, runs: &[&RunOutcome]) -> usize {
        let open: usize = self.after(runs).iter().map(|column| column.search.runs_left()).sum();
        open + open / (RANDOM_EVERY - 1)
    }
}

/// Whether the run is a point of the map: it had a fault, and one rate.
fn is_on_map(run: &RunOutcome) -> bool {
    run.cell().outage > Time::ZERO && run.cell().ramp.is_none()
}

/// The run as a point of the map. `None` for runs that are none.
pub fn to_map_run(run: &RunOutcome) -> Option<MapRun> {
    let Cell { rate, outage, .. } = run.cell();
    is_on_map(run).then(|| MapRun { rate, outage, tipped: Searched::Outage.tipped(run) })
}
