//! The shares of goodput that separate the verdicts.

/// Goodput of at least this share of the baseline's counts as recovered.
pub const HEALTHY: f64 = 0.9;

/// Goodput of at most this share of the baseline's counts as broken.
pub const BROKEN: f64 = 0.5;

/// The lowest goodput of a valid baseline, and of a stable run without a fault.
pub const MIN_BASELINE: f64 = 0.99;
