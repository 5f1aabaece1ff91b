//! Whether this machine can generate the load and measure time.

use std::time::Duration;

use rustix::time::{ClockId, clock_getres};

use super::Finding;
use crate::plan::{ExperimentPlan, System};

/// Whether each generator thread has its own core. The testbed needs one more, although it mostly sleeps.
pub fn check_cores(plan: &ExperimentPlan) -> Finding {
    const SUBJECT: &str = "cores";
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let testbed = usize::from(matches!(plan.system(), System::Testbed(_)));
    let (threads, needed) = (plan.load().threads, plan.load().threads + testbed);
    let text = format!("{cores} available; the generator's threads need {threads}");
    let text = if testbed > 0 { format!("{text}, the testbed {testbed}") } else { text };
    if cores >= needed {
        return Finding::ok(SUBJECT, text);
    }
    Finding::warn(
        SUBJECT,
        format!(
            "{text}. Threads that share a core delay each other, and a stall can trigger the failure too. Lower the load \
             (--rate)."
        ),
    )
}

/// Whether the clock resolves microseconds.
pub fn check_clock() -> Finding {
    const SUBJECT: &str = "clock";
    let tick = clock_getres(ClockId::Monotonic);
    let tick = Duration::new(tick.tv_sec.unsigned_abs(), tick.tv_nsec.unsigned_abs() as u32);
    if tick <= Duration::from_micros(1) {
        return Finding::ok(SUBJECT, format!("resolution {tick:?}"));
    }
    Finding::warn(
        SUBJECT,
        format!("resolution {tick:?}: times are not more exact than this. Use another clock source."),
    )
}

/// The generator's CPU time per request without its script: about 8 us, measured on a loaded machine.
const REQUEST: Duration = Duration::from_micros(10);
/// Threads that are busier than this send late.
const MAX_LOAD: f64 = 0.85;
/// Threads that are busier than this send bursts late.
const HIGH_LOAD: f64 = 0.5;

/// Whether the generator's threads can send requests at the planned rate. The script takes `script_time` per request.
pub fn check_rate(plan: &ExperimentPlan, script_time: Duration) -> Finding {
    const SUBJECT: &str = "rate";
    let peak = plan.rate().peak();
    let share = peak / plan.load().threads as f64 * (REQUEST + script_time).as_secs_f64();
    let text = format!(
        "{peak} requests/s take about {:.1} % of a core per generator thread ({script_time:.1?} per request in the \
         script)",
        100.0 * share
    );
    let remedy = "Raise threads in [load], or lower the load (--rate).";
    match share {
        _ if share > MAX_LOAD => Finding::fail(SUBJECT, format!("{text}. {remedy}")),
        _ if share > HIGH_LOAD => Finding::warn(SUBJECT, format!("{text}: bursts are sent late. {remedy}")),
        _ => Finding::ok(SUBJECT, text),
    }
}
