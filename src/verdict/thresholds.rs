//! The limits that separate the verdicts.

/// Goodput of at least this share of the baseline's counts as recovered.
pub const HEALTHY: f64 = 0.9;

/// Goodput of at most this share of the baseline's counts as broken.
pub const BROKEN: f64 = 0.5;

/// The lowest goodput of a valid baseline, and of a stable run without a fault.
pub const MIN_BASELINE: f64 = 0.99;

/// The largest valid share of the run in which the generator's threads had no core.
pub const MAX_CORE_WAIT: f64 = 0.25;
