//! Lengths that give way to others: a low rate needs a longer baseline, and a short load leaves less time for each phase.

use crate::plan::phases::{MIN_VERIFICATION, VERIFICATION};
use crate::plan::settings::Settings;
use crate::plan::windows::VerdictWindows;
use crate::units::Time;

/// The usual baseline. It is longer at low rates.
const USUAL_BASELINE: Time = Time::from_secs(10);
/// A warm-up is not shortened further than this.
const MIN_WARMUP: Time = Time::from_secs(2);

/// Says that the default baseline is longer than usual, if it is.
pub fn note_baseline(settings: &Settings, windows: VerdictWindows) -> Option<String> {
    let lengthened = settings.phases.baseline.is_none() && windows.max_baseline > USUAL_BASELINE;
    let needed = !settings.fault.is_empty();
    (lengthened && needed).then(|| {
        format!(
            "at {} requests/s the baseline lasts {} instead of {USUAL_BASELINE}: it must hold 5 bins of 50 requests",
            settings.load.rate, windows.max_baseline
        )
    })
}

/// Shortens warm-up, baseline and, with `shorten_faults`, faults of a load that lasts for `duration` only, in this order and
/// no further than needed. Says what was shortened. Faults at fixed times, and those without a length, are left alone.
pub fn fit_duration(
    settings: &mut Settings,
    duration: Time,
    windows: VerdictWindows,
    shorten_faults: bool,
) -> Option<String> {
    if settings.fault.iter().any(|fault| fault.at.is_some() || fault.lasts.is_none()) {
        return None;
    }
    let has_faults = !settings.fault.is_empty();
    let phases = &mut settings.phases;
    let (warmup, baseline) = (phases.warmup, phases.baseline.unwrap_or(windows.max_baseline));
    let longest = settings.fault.iter().filter_map(|fault| fault.lasts).max().unwrap_or(Time::ZERO);
    let after = if has_faults { VERIFICATION.plus(windows.last) } else { Time::ZERO };
    let mut excess = warmup.plus(baseline).plus(longest).plus(after).minus(duration);
    let mut shorten = |time: Time, min: Time| {
        let by = time.minus(min).min(excess);
        excess = excess.minus(by);
        time.minus(by)
    };
    let shorter_baseline = shorten(baseline, windows.min_baseline);
    let shorter_warmup = shorten(warmup, MIN_WARMUP);
    if has_faults {
        shorten(VERIFICATION, MIN_VERIFICATION);
    }
    let shorter_fault = if shorten_faults { shorten(longest, windows.bin) } else { longest };
    phases.warmup = shorter_warmup;
    phases.baseline = Some(shorter_baseline);
    for lasts in settings.fault.iter_mut().filter_map(|fault| fault.lasts.as_mut()) {
        *lasts = (*lasts).min(shorter_fault);
    }
    let changes = [
        ("warm-up", warmup, shorter_warmup),
        ("baseline", baseline, shorter_baseline),
        ("fault", longest, shorter_fault),
    ];
    let changed = changes.into_iter().filter(|(_, from, to)| from != to);
    let changed: Vec<String> = changed.map(|(what, from, to)| format!("{what} {to} instead of {from}")).collect();
    (!changed.is_empty()).then(|| format!("--duration {duration} leaves less time: {}", changed.join(", ")))
}
