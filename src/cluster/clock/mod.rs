//! The clock of a part against the clock of the coordinator.
//!
//! An exchange has the four timestamps of NTP (RFC 5905, section 8 and figure 15): the part sends, the coordinator receives
//! and answers, the part receives. If both ways took equally long, the coordinator's clock would be ahead by
//! ((t2 - t1) + (t3 - t4)) / 2. In truth the offset differs from that by at most half the delay, (t4 - t1) - (t3 - t2),
//! however different the two ways were. So of several exchanges the one with the least delay is the best, as in the clock
//! filter of RFC 5905, section 10.
//!
//! One measurement before the load and one after it give the drift. A clock that is not adjusted runs evenly over minutes,
//! so the offset between the two is on the line through both.
//!
//! Latencies never cross clocks. Only the common time axis does.

use serde::{Deserialize, Serialize};

use crate::units::Time;

/// An instant on the clock of a part, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartInstant(pub u64);

/// An instant on the clock of the coordinator, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CoordinatorInstant(pub u64);

impl CoordinatorInstant {
    /// The instant `span` after this one.
    pub const fn plus(self, span: Time) -> CoordinatorInstant {
        CoordinatorInstant(self.0.saturating_add(span.0))
    }

    /// The span from `earlier` to this instant; zero where `earlier` is later.
    pub const fn since(self, earlier: CoordinatorInstant) -> Time {
        Time(self.0.saturating_sub(earlier.0))
    }
}

/// How many exchanges make a measurement.
pub const EXCHANGES: usize = 16;

/// The four timestamps of a question of the part and its answer, t1 to t4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The part sends the question.
    pub sent: PartInstant,
    /// The coordinator receives it.
    pub arrived: CoordinatorInstant,
    /// The coordinator sends the answer.
    pub answered: CoordinatorInstant,
    /// The part receives it.
    pub received: PartInstant,
}

/// What exchanges say about the two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockMeasurement {
    /// The middle of the best exchange.
    pub at: PartInstant,
    /// How far the coordinator's clock is ahead of the part's, in ns. Negative if it is behind.
    pub offset_ns: i64,
    /// The true offset differs from `offset_ns` by at most this.
    pub uncertainty: Time,
    /// The longest round trip of all exchanges.
    pub worst_round_trip: Time,
}

impl Exchange {
    /// What this exchange alone says. `None` if no two clocks of equal speed could have made its timestamps, or if they are
    /// further apart than centuries.
    fn measure(&self) -> Option<ClockMeasurement> {
        let [t1, t2, t3, t4] = [self.sent.0, self.arrived.0, self.answered.0, self.received.0].map(i128::from);
        let delay = u64::try_from((t4 - t1) - (t3 - t2)).ok().filter(|_| t4 >= t1 && t3 >= t2)?;
        Some(ClockMeasurement {
            at: PartInstant(self.sent.0 + (self.received.0 - self.sent.0) / 2),
            // Twice the offset and the delay are both odd or both even. Rounded apart, the bound still holds.
            offset_ns: i64::try_from(((t2 - t1) + (t3 - t4)).div_euclid(2)).ok()?,
            uncertainty: Time(delay.div_ceil(2)),
            worst_round_trip: Time(delay),
        })
    }
}

impl ClockMeasurement {
    /// The measurement by several exchanges: that of the least delay. Impossible exchanges are left out; `None` if no other
    /// is left.
    pub fn of(exchanges: &[Exchange]) -> Option<ClockMeasurement> {
        let measured = || exchanges.iter().filter_map(Exchange::measure);
        let worst_round_trip = measured().map(|one| one.worst_round_trip).max()?;
        let best = measured().min_by_key(|one| one.uncertainty)?;
        Some(ClockMeasurement { worst_round_trip, ..best })
    }

    /// The instant of the part at which the coordinator's clock shows `at`, if the clocks do not drift. `None` if that is
    /// before the zero of the part's clock.
    pub fn to_part(&self, at: CoordinatorInstant) -> Option<PartInstant> {
        u64::try_from(i128::from(at.0) - i128::from(self.offset_ns)).ok().map(PartInstant)
    }
}

/// From the clock of a part to the clock of the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockMapping {
    /// Before the load.
    pub before: ClockMeasurement,
    /// After it. A part that was lost has none.
    pub after: Option<ClockMeasurement>,
}

/// An instant on the axis of the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedInstant {
    pub at: CoordinatorInstant,
    /// The true instant differs from `at` by at most this, if the part's clock runs evenly between the measurements. With
    /// only one measurement this is its uncertainty, which leaves out the drift.
    pub uncertainty: Time,
}

impl ClockMapping {
    /// The same instant on the clock of the coordinator. The offset changes evenly between the two measurements, and as
    /// evenly before and after them. `None` if the result is before the zero of the coordinator's clock, or centuries away.
    pub fn to_coordinator(&self, at: PartInstant) -> Option<MappedInstant> {
        let (before, at) = (&self.before, i128::from(at.0));
        let since = at - i128::from(before.at.0);
        let (offset, uncertainty) = match self.span() {
            None => (i128::from(before.offset_ns), i128::from(before.uncertainty.0)),
            Some((after, span)) => {
                let change = i128::from(after.offset_ns) - i128::from(before.offset_ns);
                let offset = change.checked_mul(since)?.div_euclid(span).checked_add(before.offset_ns.into())?;
                // The errors of both measurements, weighted as their offsets are, and 2 ns for rounding.
                let weighted = i128::from(before.uncertainty.0).checked_mul((span - since).abs())?;
                let weighted = weighted.checked_add(i128::from(after.uncertainty.0).checked_mul(since.abs())?)?;
                (offset, (weighted / span).checked_add(2)?)
            }
        };
        Some(MappedInstant {
            at: CoordinatorInstant(u64::try_from(at.checked_add(offset)?).ok()?),
            uncertainty: Time(u64::try_from(uncertainty).ok()?),
        })
    }

    /// How much faster the coordinator's clock runs, in ns per s: the value, and the most that it may be wrong by. `None`
    /// without a second measurement.
    pub fn drift(&self) -> Option<(f64, f64)> {
        let (after, span) = self.span()?;
        let per_second = |ns: i128| ns as f64 * 1e9 / span as f64;
        let change = i128::from(after.offset_ns) - i128::from(self.before.offset_ns);
        let uncertainty = i128::from(self.before.uncertainty.0) + i128::from(after.uncertainty.0);
        Some((per_second(change), per_second(uncertainty)))
    }

    /// The second measurement, and how long after the first it was, in ns.
    fn span(&self) -> Option<(&ClockMeasurement, i128)> {
        let after = self.after.as_ref()?;
        let span = i128::from(after.at.0) - i128::from(self.before.at.0);
        (span > 0).then_some((after, span))
    }
}

#[cfg(test)]
mod tests;
