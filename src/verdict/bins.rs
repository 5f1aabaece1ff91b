//! Which bins of cohort goodput can be judged.

use crate::plan::VerdictWindows;
pub use crate::record::digest::{Bin, BinLayout};
use crate::units::{Instant, Time};

/// The leading bins that are final at `now`: no request due in them can still become good. All requests that had ended
/// by `now` must have been counted.
pub fn take_final(bins: Vec<Bin>, slo: Time, now: Instant) -> Vec<Bin> {
    bins.into_iter().take_while(|bin| bin.to.plus(slo) <= now).collect()
}

/// Leaves out a last bin that the end of arrivals cut short: it holds too few requests to judge by. The bins of the
/// fault stay, however short the fault.
pub fn whole_bins(bins: &[Bin], windows: VerdictWindows) -> &[Bin] {
    let cut = bins.last().is_some_and(|bin| bin.span() < windows.bin);
    &bins[..bins.len() - usize::from(cut)]
}
