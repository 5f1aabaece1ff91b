//! Which run of a campaign is next, and when the campaign ends. Pure.

use super::cell::Cell;
use super::forecast::ForecastCorrection;
use super::outcome::{RunOutcome, SystemUse};
use crate::units::Time;

/// A question that a campaign answers, and how it goes about it: a pure function of the runs so far.
///
/// It sees valid runs only, in their order. Runs that are INVALID are repeated, because it asks for them again.
pub trait Strategy {
    /// The next run, or `None` once the question is answered. `same_system` says whether the system of the last run
    /// still runs.
    fn next(&self, runs: &[&RunOutcome], same_system: bool) -> Option<Request>;

    /// The same question without rates from `rate` on, which the system does not carry. `None` if it needs them.
    fn below(&self, _rate: f64) -> Option<Box<dyn Strategy>> {
        None
    }

    /// How many runs are left and how long their loads last together, as far as can be told.
    fn left(&self, runs: &[&RunOutcome], same_system: bool) -> Forecast;
}

/// A run that a strategy asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    pub cell: Cell,
    pub system: SystemWish,
    /// The length of the load. `None`: it follows from the plan.
    pub duration: Option<Time>,
    /// How long its load probably lasts.
    pub load: Time,
}

/// The system that a run needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemWish {
    /// A healthy one. A testbed that is not healthy is started again.
    Healthy,
    /// The one of the last run, in whatever state it is.
    Same,
}

/// What is left of a campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Forecast {
    pub runs: usize,
    /// How long their loads last together.
    pub load: Time,
}

/// What is known when a run has ended.
pub struct CampaignState<'a> {
    /// All runs, in their order.
    pub runs: &'a [RunOutcome],
    /// How many of them an earlier process left.
    pub earlier: usize,
    /// After this time clients abandon an attempt.
    pub client_timeout: Option<Time>,
    /// The system of the last valid run still runs.
    pub same_system: bool,
    /// The time without load between runs. `None`: it follows from the run before.
    pub shed: Option<Time>,
    /// How long the campaign may take in this process, and how long it has taken.
    pub budget: Option<Time>,
    pub spent: Time,
}

/// The usual time without load between runs, where no run tells it yet.
const USUAL_SHED: Time = Time::from_secs(20);
/// What a run takes after its load: requests in flight end, and its report is written.
const USUAL_END: Time = Time::from_secs(5);

impl CampaignState<'_> {
    /// How long no load is sent before the next run.
    pub fn next_shed(&self) -> Time {
        self.runs.last().map_or(Time::ZERO, |last| self.shed.unwrap_or_else(|| find_shed(last, self.client_timeout)))
    }

    /// How long the next run probably takes, with the time without load before it.
    pub fn expect(&self, request: &Request) -> Time {
        ForecastCorrection::of(self.runs).correct(self.expect_uncorrected(request))
    }

    /// How long all runs that are left probably take.
    pub fn expect_all(&self, left: &Forecast) -> Time {
        let others = (left.runs as u64).saturating_sub(1);
        let shed = self.shed.unwrap_or_else(|| self.next_shed().max(USUAL_SHED));
        let all = self.add_overhead(left.load).plus(shed.plus(USUAL_END).times(others));
        ForecastCorrection::of(self.runs).correct(all)
    }

    /// The same without the correction by earlier runs.
    pub fn expect_uncorrected(&self, request: &Request) -> Time {
        self.add_overhead(request.load)
    }

    fn add_overhead(&self, load: Time) -> Time {
        self.next_shed().plus(load).plus(USUAL_END)
    }
}

/// What a campaign does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Run(Request),
    End(Ending),
}

/// Why a campaign ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The question is answered.
    Answered,
    /// The next run would probably end after the budget.
    BudgetSpent { expected: Time },
    /// The plan does not allow the next run: why.
    Refused { why: String },
    /// As many runs in a row as are allowed were INVALID. The verdict of the last one.
    Invalid { verdict: String },
    /// As many runs in a row as are allowed were INVALID because the system was not healthy at their start, although it
    /// was healthy in an earlier run, and no load was sent for long enough.
    Permanent,
    /// The same, but the time without load was too short for requests of the earlier runs to leave the system.
    ShedTooShort { needed: Time },
}

/// As many INVALID runs in a row end a campaign.
const MAX_INVALID: usize = 3;

/// The next step of a campaign.
pub fn next_step(strategy: &dyn Strategy, state: &CampaignState<'_>) -> Step {
    let below = find_overload(state.runs).and_then(|rate| Some((rate, strategy.below(rate)?)));
    let strategy = below.as_ref().map_or(strategy, |(_, below)| &**below);
    let valid = valid_runs(state.runs);
    let Some(request) = strategy.next(&valid, state.same_system) else { return Step::End(Ending::Answered) };
    let limit = below.as_ref().map_or(f64::INFINITY, |(rate, _)| *rate);
    if let Some(ending) = explain_invalid(state, limit) {
        return Step::End(ending);
    }
    let expected = state.expect(&request);
    match state.budget {
        Some(budget) if state.spent.plus(expected) > budget => Step::End(Ending::BudgetSpent { expected }),
        _ => Step::Run(request),
    }
}

/// The runs that count.
pub fn valid_runs(runs: &[RunOutcome]) -> Vec<&RunOutcome> {
    runs.iter().filter(|run| run.is_valid()).collect()
}

/// The smallest rate that the system does not carry: it was not healthy at the start of three runs in a row, and carried
/// a smaller rate before them, but no larger one. The run after them shows that the system is not broken.
pub fn find_overload(runs: &[RunOutcome]) -> Option<f64> {
    let overload = |(from, last): (usize, &[RunOutcome])| {
        let rate = last[0].cell().rate;
        let is_overload = last.iter().all(|run| run.cell().rate == rate && run.began_unhealthy());
        let carried = valid_runs(&runs[..from]).iter().map(|run| run.cell().rate).fold(0.0, f64::max);
        let is_broken = runs.get(from + MAX_INVALID).is_some_and(RunOutcome::began_unhealthy);
        (is_overload && !is_broken && carried > 0.0 && carried < rate).then_some(rate)
    };
    runs.windows(MAX_INVALID).enumerate().filter_map(overload).min_by(f64::total_cmp)
}

/// Why the campaign ends, if the last runs of this process were INVALID. Those of an earlier process may have had another
/// cause. Runs at rates from `limit` on, and those before them, do not count.
fn explain_invalid(state: &CampaignState<'_>, limit: f64) -> Option<Ending> {
    let own = state.runs.get(state.earlier..)?;
    let first = own.iter().rposition(|run| run.cell().rate >= limit).map_or(0, |last| last + 1);
    let from = own.len().checked_sub(MAX_INVALID).filter(|&from| from >= first)?;
    let last = &own[from..];
    if last.iter().any(RunOutcome::is_valid) {
        return None;
    }
    let was_healthy = state.runs.iter().any(RunOutcome::is_valid);
    let stays_broken = last.iter().all(RunOutcome::began_unhealthy);
    // Requests of the run before may have been in the system still. A testbed that was started has none.
    let before = state.runs.get((state.earlier + from).saturating_sub(1)..)?.windows(2);
    let needed = before.filter_map(|pair| {
        let needed = find_shed(&pair[0], state.client_timeout);
        let is_reused = matches!(pair[1].record.system, SystemUse::Reused | SystemUse::External);
        (is_reused && pair[1].record.shed < needed).then_some(needed)
    });
    match last.last() {
        _ if was_healthy && stays_broken => {
            Some(needed.max().map_or(Ending::Permanent, |needed| Ending::ShedTooShort { needed }))
        }
        Some(run) => Some(Ending::Invalid { verdict: run.verdict.name.clone() }),
        None => None,
    }
}

/// Whether the testbed is started again before a run that needs a healthy one. After a run that was INVALID, the system may
/// not be as it was. After a run without a fault that broke it, no baseline would show that it still is.
pub fn needs_restart(wish: SystemWish, runs: &[RunOutcome]) -> bool {
    let broke = |run: &RunOutcome| run.cell().outage == Time::ZERO && !run.is_healthy();
    wish == SystemWish::Healthy && runs.last().is_some_and(|run| !run.is_valid() || broke(run))
}

/// The shortest time without load. Work that clients abandoned may wait in a queue of the server, which nothing shows.
const MIN_SHED: Time = Time::from_secs(10);

/// How long no load is sent after a run, so that its requests leave the system: twice the longest time that a request can
/// stay in it. That is the client's timeout, or the longest time after which a request was answered.
///
/// A run ends only once its client has no request in flight any more, or has closed their connections.
pub fn find_shed(last: &RunOutcome, client_timeout: Option<Time>) -> Time {
    last.longest_answer.max(client_timeout.unwrap_or(Time::ZERO)).times(2).max(MIN_SHED)
}
