//! How many connections of a worker were opened, came up and stayed up. Pure: instants are arguments.

use serde::{Deserialize, Serialize};

use crate::units::Instant;

/// The connections of one worker, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionCounts {
    /// Attempts to open one, reconnections included.
    pub opened: u64,
    /// Those that came up.
    pub established: u64,
    /// Those that came up, and that the server ended before they carried an answer.
    pub unused: u64,
    /// Attempts that failed.
    pub errors: u64,
    /// Connections of the plan that came up at least once.
    pub ever_up: u64,
    /// Connections that are up.
    up: u64,
    /// The time that connections were up until `since`, summed over them, in ns.
    up_time: u128,
    since: Instant,
}

impl ConnectionCounts {
    /// The load starts: the time that connections are up counts from the zero of the clock.
    pub fn start(&mut self) {
        (self.up_time, self.since) = (0, Instant::START);
    }

    /// A connection came up; `is_first` if it is one of the plan that was never up before.
    pub fn establish(&mut self, is_first: bool, now: Instant) {
        self.advance(now);
        self.established += 1;
        self.ever_up += u64::from(is_first);
        self.up += 1;
    }

    /// A connection ended; `was_used` if it carried an answer, or if this program ended it.
    pub fn close(&mut self, was_used: bool, now: Instant) {
        self.advance(now);
        self.unused += u64::from(!was_used);
        self.up = self.up.saturating_sub(1);
    }

    /// How many are up.
    pub fn up(&self) -> u64 {
        self.up
    }

    /// How many were up on average, from the start until `end`.
    pub fn mean_up(mut self, end: Instant) -> f64 {
        self.advance(end);
        let elapsed = end.since(Instant::START).0;
        if elapsed == 0 { self.up as f64 } else { self.up_time as f64 / elapsed as f64 }
    }

    fn advance(&mut self, now: Instant) {
        self.up_time += u128::from(self.up) * u128::from(now.since(self.since).0);
        self.since = self.since.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_counts_the_time_since_the_start_of_load() {
        let mut counts = ConnectionCounts::default();
        counts.establish(true, Instant(700));
        counts.establish(true, Instant(800));
        counts.start();
        counts.close(false, Instant(100));
        counts.establish(false, Instant(200));
        counts.close(true, Instant(250));
        assert_eq!(counts.mean_up(Instant(400)), (2.0 * 100.0 + 100.0 + 2.0 * 50.0 + 150.0) / 400.0);
        assert_eq!((counts.established, counts.ever_up, counts.unused), (3, 2, 1));
        assert_eq!(ConnectionCounts::default().mean_up(Instant::START), 0.0);
    }
}
