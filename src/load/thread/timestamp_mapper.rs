//! From kernel timestamps, which are on the wall clock, to instants of the run. Pure: readings of the clocks are arguments.

use crate::load::transport::KernelTimestamp;
use crate::record::WallReading;
use crate::units::{Instant, Time};

/// When bytes arrived, and when the generator read them. Both are the same if the arrival is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadTime {
    pub arrived: Instant,
    pub seen: Instant,
}

impl ReadTime {
    /// Bytes that were read at `seen`, and whose arrival is not known.
    pub fn seen(seen: Instant) -> ReadTime {
        ReadTime { arrived: seen, seen }
    }
}

/// If the wall clock moves against the clock of the run by more than this between two reads, timestamps may be from before
/// or from after that.
const MAX_MOVE: Time = Time::from_millis(1);

/// Knows how far the wall clock is ahead of the clock of the run.
///
/// The kernel runs both clocks at the same pace, so their offset only changes when the wall clock is set. A reading of one
/// between two readings of the other bounds the offset: closely, or loosely if the thread lost its core in between.
#[derive(Debug, Default)]
pub struct TimestampMapper {
    offset_ns: Option<i64>,
}

impl TimestampMapper {
    /// The time of a read whose last segment has `timestamp`, if any; right after it the clocks read `clocks`. The arrival is
    /// not known without a timestamp, if the wall clock was just set, or if the timestamp lies in the future.
    #[inline]
    pub fn map(&mut self, timestamp: Option<KernelTimestamp>, clocks: &WallReading) -> ReadTime {
        let seen = clocks.before;
        let offset_ns = self.observe(clocks);
        let arrived = || {
            let ns = i64::try_from(timestamp?.0).ok()?.checked_sub(offset_ns?)?;
            u64::try_from(ns).ok().map(Instant).filter(|arrived| *arrived <= seen)
        };
        ReadTime { arrived: arrived().unwrap_or(seen), seen }
    }

    /// The offset by these readings; `None` if the wall clock was set since the last ones.
    fn observe(&mut self, clocks: &WallReading) -> Option<i64> {
        let ahead_of = |instant: Instant| clocks.wall_ns as i64 - instant.0 as i64;
        let (least, most) = (ahead_of(clocks.after), ahead_of(clocks.before));
        let max_move = MAX_MOVE.0 as i64;
        let is_set = |known: &i64| !(least - max_move..=most + max_move).contains(known);
        let was_set = self.offset_ns.as_ref().is_some_and(is_set);
        let known = self.offset_ns.filter(|_| !was_set).unwrap_or(least + (most - least) / 2);
        let offset_ns = known.clamp(least, most);
        self.offset_ns = Some(offset_ns);
        (!was_set).then_some(offset_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: u64 = 1000;
    const MS: u64 = 1000 * US;
    /// The wall clock is ahead by this.
    const OFFSET: u64 = 1_700_000_000_000_000_000;

    /// Reads the clocks at `at` within `takes`, while the wall clock is ahead by `offset`.
    fn clocks(at: u64, takes: u64, offset: u64) -> WallReading {
        WallReading { before: Instant(at), wall_ns: at + takes / 2 + offset, after: Instant(at + takes) }
    }

    fn stamp(at: u64, offset: u64) -> Option<KernelTimestamp> {
        Some(KernelTimestamp(at + offset))
    }

    fn arrival(mapper: &mut TimestampMapper, timestamp: Option<KernelTimestamp>, clocks: WallReading) -> u64 {
        let ReadTime { arrived, seen } = mapper.map(timestamp, &clocks);
        assert_eq!(seen, clocks.before);
        arrived.0
    }

    #[test]
    fn a_timestamp_is_an_instant_of_the_run() {
        let mut mapper = TimestampMapper::default();
        for at in [100 * US, 350 * US, 90 * MS] {
            assert_eq!(arrival(&mut mapper, stamp(at - 40 * US, OFFSET), clocks(at, 60, OFFSET)), at - 40 * US);
        }
    }

    #[test]
    fn without_a_timestamp_the_arrival_is_the_read() {
        let mut mapper = TimestampMapper::default();
        assert_eq!(arrival(&mut mapper, None, clocks(7 * US, 60, OFFSET)), 7 * US);
        for impossible in [KernelTimestamp(0), KernelTimestamp(u64::MAX), KernelTimestamp(i64::MAX as u64)] {
            assert_eq!(arrival(&mut mapper, Some(impossible), clocks(9 * US, 60, OFFSET)), 9 * US, "{impossible:?}");
        }
        let future = stamp(12 * US, OFFSET);
        assert_eq!(arrival(&mut mapper, future, clocks(11 * US, 60, OFFSET)), 11 * US);
    }

    #[test]
    fn the_read_at_which_the_wall_clock_was_set_has_no_arrival() {
        for set in [OFFSET + 3600 * 1000 * MS, OFFSET - 2 * MS, OFFSET + MS + 31] {
            let mut mapper = TimestampMapper::default();
            arrival(&mut mapper, None, clocks(MS, 60, OFFSET));
            let at = 2 * MS;
            assert_eq!(arrival(&mut mapper, stamp(at - 40 * US, OFFSET), clocks(at, 60, set)), at, "{set}");
            let at = 3 * MS;
            assert_eq!(arrival(&mut mapper, stamp(at - 40 * US, set), clocks(at, 60, set)), at - 40 * US, "{set}");
        }
    }

    #[test]
    fn a_slow_change_of_the_offset_is_followed() {
        let mut mapper = TimestampMapper::default();
        for step in 1..1000 {
            let (at, offset) = (step * MS, OFFSET + step * 10 * US);
            let arrived = arrival(&mut mapper, stamp(at - 40 * US, offset), clocks(at, 60, offset));
            assert!(arrived.abs_diff(at - 40 * US) <= 30, "half of the time that the readings took");
        }
    }

    #[test]
    fn a_thread_that_loses_its_core_between_the_readings_does_not_change_the_offset() {
        let mut mapper = TimestampMapper::default();
        arrival(&mut mapper, None, clocks(MS, 0, OFFSET));
        let at = 20 * MS;
        let mut late = clocks(at, 0, OFFSET);
        // 8 ms pass before the wall clock is read, and 1 ms after it.
        (late.wall_ns, late.after) = (late.wall_ns + 8 * MS, Instant(at + 9 * MS));
        assert_eq!(arrival(&mut mapper, stamp(at - 40 * US, OFFSET), late), at - 40 * US);
        let at = 40 * MS;
        assert_eq!(arrival(&mut mapper, stamp(at - 40 * US, OFFSET), clocks(at, 0, OFFSET)), at - 40 * US);
    }

    #[test]
    fn after_a_loose_first_reading_a_close_one_corrects_the_offset() {
        let mut mapper = TimestampMapper::default();
        let (mut late, at) = (clocks(MS, 0, OFFSET), 20 * MS);
        late.after = Instant(MS + 600 * US);
        arrival(&mut mapper, None, late);
        assert_eq!(arrival(&mut mapper, stamp(at - 40 * US, OFFSET), clocks(at, 0, OFFSET)), at - 40 * US);
    }

    proptest::proptest! {
        #[test]
        fn no_arrival_is_after_its_read(
            reads in proptest::collection::vec((0..u64::MAX, 0..u64::MAX, 0..u64::MAX, 0..100 * MS), 1..20),
        ) {
            let mut mapper = TimestampMapper::default();
            for (timestamp, wall_ns, before, takes) in reads {
                let before = Instant(before / 4);
                let clocks = WallReading { before, wall_ns: wall_ns / 4, after: before.plus(Time(takes)) };
                let time = mapper.map(Some(KernelTimestamp(timestamp)), &clocks);
                proptest::prop_assert!(time.arrived <= time.seen && time.seen == before);
            }
        }
    }
}
