//! Whether this machine can make the load, and tell time.

use std::time::Duration;

use rustix::time::{ClockId, clock_getres};

use super::Finding;
use crate::plan::{ExperimentPlan, Goal};

/// A core for the generator's threads each; the testbed sleeps more than it works, and yet wants one of its own.
pub fn cores(plan: &ExperimentPlan) -> Finding {
    const ON: &str = "cores";
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let own = usize::from(matches!(plan.goal(), Goal::Embedded(_)));
    let (threads, wanted) = (plan.load.threads, plan.load.threads + own);
    let text = format!("{cores} here, for {threads} of the generator's threads");
    let text = if own > 0 { format!("{text} and the testbed") } else { text };
    if cores >= wanted {
        return Finding::ok(ON, text);
    }
    Finding::warn(
        ON,
        format!("{text}: they will hold each other up, and a stall is a trigger of its own; lower the load"),
    )
}

/// What is measured in us needs a clock that counts them.
pub fn clock(_: &ExperimentPlan) -> Finding {
    const ON: &str = "clock";
    let tick = clock_getres(ClockId::Monotonic);
    let tick = Duration::new(tick.tv_sec.unsigned_abs(), tick.tv_nsec.unsigned_abs() as u32);
    if tick <= Duration::from_micros(1) {
        return Finding::ok(ON, format!("counts steps of {tick:?}"));
    }
    Finding::warn(ON, format!("counts steps of {tick:?}: no time here is exact to less; is there another clocksource?"))
}

/// What a request costs the generator besides its script: measured, about 8 us on a loaded machine.
const REQUEST: Duration = Duration::from_micros(10);
/// Busier than this, threads send late.
const BUSY: f64 = 0.85;
const RATHER_BUSY: f64 = 0.5;

/// Whether the generator's threads get to make so many requests, each of which takes the script `each`.
pub fn rate(plan: &ExperimentPlan, each: Duration) -> Finding {
    const ON: &str = "rate";
    let peak = plan.planned().peak();
    let share = peak / plan.load.threads as f64 * (REQUEST + each).as_secs_f64();
    let text = format!(
        "{peak} requests/s take each of the generator's threads about {:.1} % of a core ({each:.1?} a request in the script)",
        100.0 * share
    );
    let instead = "take more threads, or lower the load";
    match share {
        _ if share > BUSY => Finding::fail(ON, format!("{text}: {instead}")),
        _ if share > RATHER_BUSY => Finding::warn(ON, format!("{text}: bursts will be late; {instead}")),
        _ => Finding::ok(ON, text),
    }
}
