//! From the results of the parts to the result of one load.

use super::desk::Desk;
use crate::arrivals::GeneratorPart;
use crate::cluster::meeting::{Member, Stage};
use crate::cluster::split::plan_of_part;
use crate::cluster::unsent::{account_of_lost, scheduled_requests};
use crate::load::plan::LoadPlan;
use crate::load::{LoadResult, WorkerResult};
use crate::record::{Account, Latencies, PartStats};
use crate::stats::value_at_percentile;
use crate::units::Instant;

/// The results of the loads, with the threads of all parts, and what is known of each part.
pub fn merge_results(desk: &Desk, plans: Vec<LoadPlan>) -> (Vec<LoadResult>, Vec<PartStats>) {
    let members = desk.meeting().members();
    let delivered = desk.parts().iter().flat_map(|part| &part.results);
    // A lost part had requests due until the others ended.
    let end = delivered.map(|(_, result)| result.arrivals_end).max();
    let of = members.len() as u16;
    let (mut loads, mut parts): (Vec<Vec<WorkerResult>>, _) = (plans.iter().map(|_| Vec::new()).collect(), Vec::new());
    let losses = desk.meeting().losses();
    let mut losses = losses.into_iter();
    for ((member, part), index) in members.iter().zip(desk.parts()).zip(0..of) {
        let Some(member) = member else { continue };
        let lost = if member.is_lost() { losses.next() } else { None };
        let results = match (&member.stage, desk.meeting().start()) {
            (Stage::Delivered, _) | (_, None) => part.results.clone(),
            (_, Some(start)) => {
                let at = match &member.stage {
                    Stage::Lost { at, .. } => Instant(at.since(start).0),
                    _ => Instant::START,
                };
                lost_results(&plans, GeneratorPart { index, of }, member, end.unwrap_or(at))
            }
        };
        parts.push(part_stats(index, member, lost, &results));
        for (load, mut result) in results {
            result.thread += usize::from(index) * plans[load].threads;
            loads[load].push(result);
        }
    }
    let results = plans.into_iter().zip(loads).map(|(plan, mut threads)| {
        threads.sort_by_key(|thread| thread.thread);
        LoadResult::new(plan, threads)
    });
    (results.collect(), parts)
}

/// What a lost part leaves: an account of its requests until `end`. Its beats count over all loads, so they are divided as
/// the requests are due.
fn lost_results(plans: &[LoadPlan], part: GeneratorPart, member: &Member, end: Instant) -> Vec<(usize, WorkerResult)> {
    let mut left = member.counts;
    let result = |(load, plan): (usize, &LoadPlan)| {
        let own = plan_of_part(plan, part).ok()?;
        let scheduled = scheduled_requests(&own, end.min(Instant::START.plus(plan.duration)));
        let account = account_of_lost(scheduled, &left);
        left.answered = left.answered.saturating_sub(account.answered);
        left.failed = left.failed.saturating_sub(account.failed);
        left.sent = left.sent.saturating_sub(account.attempts);
        Some((load, WorkerResult::of_lost(0, account, end, plan)))
    };
    plans.iter().enumerate().filter_map(result).collect()
}

fn part_stats(index: u16, member: &Member, lost: Option<String>, results: &[(usize, WorkerResult)]) -> PartStats {
    let (mut account, mut latencies) = (Account::default(), Latencies::default());
    for (_, result) in results {
        account.merge(&result.account);
        latencies.merge(&result.latencies);
    }
    let lag = |percent| value_at_percentile(&latencies.send_lag, percent);
    let clock = member.clock;
    PartStats {
        part: index,
        node: member.node.clone(),
        clock_offset_ns: clock.map_or(0, |clock| clock.before.offset_ns),
        clock_uncertainty_ns: clock.map_or(0, |clock| clock.before.uncertainty.0),
        clock_drift_ns_per_s: clock.and_then(|clock| clock.drift()).map(|(drift, _)| drift),
        scheduled: account.scheduled,
        sent: account.scheduled - account.unsent,
        send_lag_p50_ns: lag(50.0),
        send_lag_p99_ns: lag(99.0),
        send_lag_max_ns: lag(100.0),
        cpu_ns: results.iter().map(|(_, result)| result.times.cpu.0).sum(),
        lost,
    }
}
