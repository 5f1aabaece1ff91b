//! What the link does to what passes it, and when something sent arrives. Pure.
//!
//! Nothing is truly lost here, since the link passes on streams and no packets: a stream that lost a packet stands still
//! until it was sent again, which takes its sender the retransmission timeout, twice that if it is lost again, and so on.
//! So does a chunk of a stream here, and all that follows it on its connection. A chunk is what was read at once: of the
//! testbed's requests and answers one each. Making a connection takes a round trip, in which nothing is lost.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::units::Time;

/// How a link is; by default as if it were not there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shape {
    pub cut: bool,
    /// Each way.
    pub delay: Duration,
    /// The share of chunks that is lost, 0 to 1.
    pub loss: f64,
    /// Bytes per second each way, over all connections.
    pub bandwidth: Option<u64>,
}

/// What a link can be told, a line each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// Nothing passes.
    Cut,
    /// Everything passes at once, whatever it was told before.
    Heal,
    Delay(Time),
    Loss(f64),
    /// Bytes per second.
    Bandwidth(u64),
}

/// The lines that are commands, for who typed none.
pub const COMMANDS: &str = "cut, delay 50ms, loss 0.1, bandwidth 100000 (bytes/s), or heal";

impl Command {
    /// The link as it is told to be: each command stands for itself alone.
    pub fn shape(self) -> Shape {
        let plain = Shape::default();
        match self {
            Command::Cut => Shape { cut: true, ..plain },
            Command::Heal => plain,
            Command::Delay(delay) => Shape { delay: delay.std(), ..plain },
            Command::Loss(loss) => Shape { loss, ..plain },
            Command::Bandwidth(bandwidth) => Shape { bandwidth: Some(bandwidth), ..plain },
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Cut => f.write_str("cut"),
            Command::Heal => f.write_str("heal"),
            Command::Delay(delay) => write!(f, "delay {delay}"),
            Command::Loss(share) => write!(f, "loss {share}"),
            Command::Bandwidth(bytes) => write!(f, "bandwidth {bytes}"),
        }
    }
}

impl FromStr for Command {
    type Err = String;

    fn from_str(line: &str) -> Result<Command, String> {
        let unknown = || format!("`{}` is no command: {COMMANDS}", line.trim());
        let (command, value) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        Ok(match (command, value) {
            ("cut", "") => Command::Cut,
            ("heal", "") => Command::Heal,
            ("delay", value) => Command::Delay(value.parse().map_err(|_| unknown())?),
            ("loss", value) => match value.parse() {
                Ok(share) if (0.0..1.0).contains(&share) => Command::Loss(share),
                _ => return Err(unknown()),
            },
            ("bandwidth", value) => match value.parse() {
                Ok(bytes @ 1..) => Command::Bandwidth(bytes),
                _ => return Err(unknown()),
            },
            _ => return Err(unknown()),
        })
    }
}

/// Linux's least retransmission timeout: a short round trip's.
pub const RETRANSMISSION: Duration = Duration::from_millis(200);
/// A chunk is lost at most so many times in a row: RFC 6298 doubles the timeout each time, and 200 ms is 102 s by then.
const MOST_LOSSES: u32 = 9;

/// One direction of the link, for all connections.
pub struct Lane {
    /// When all that was sent so far has been passed on.
    free: Instant,
    dice: ChaCha8Rng,
}

impl Lane {
    /// Lanes of the same `seed` lose the same chunks.
    pub fn new(seed: u64, now: Instant) -> Lane {
        Lane { free: now, dice: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// When a chunk of so many bytes arrives that is sent `now`.
    pub fn arrival(&mut self, shape: &Shape, now: Instant, bytes: usize) -> Instant {
        let passed = match shape.bandwidth {
            Some(bandwidth) => {
                self.free = self.free.max(now) + Duration::from_secs_f64(bytes as f64 / bandwidth as f64);
                self.free
            }
            None => {
                self.free = now;
                now
            }
        };
        let mut lost = 0;
        while lost < MOST_LOSSES && self.roll() < shape.loss {
            lost += 1;
        }
        passed + shape.delay + RETRANSMISSION * ((1 << lost) - 1)
    }

    /// A number from 0 to 1.
    fn roll(&mut self) -> f64 {
        (self.dice.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> (Lane, Instant) {
        let now = Instant::now();
        (Lane::new(1, now), now)
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn commands_round_trip_and_others_are_refused() {
        for line in ["cut", "heal", "delay 50ms", "loss 0.1", "bandwidth 100000"] {
            assert_eq!(line.parse::<Command>().unwrap().to_string(), line);
        }
        for line in ["", "cut it", "delay", "delay x", "loss 1", "loss -1", "loss nan", "bandwidth 0", "mend"] {
            assert!(line.parse::<Command>().is_err(), "{line}");
        }
        assert_eq!(Command::Heal.shape(), Shape::default());
    }

    #[test]
    fn a_plain_link_holds_nothing_up() {
        let (mut lane, now) = lane();
        assert_eq!(lane.arrival(&Shape::default(), now, 1 << 20), now);
    }

    #[test]
    fn a_delay_is_the_same_for_all() {
        let (mut lane, now) = lane();
        let shape = Command::Delay(Time::from_millis(50)).shape();
        assert_eq!([1, 16_384].map(|bytes| lane.arrival(&shape, now, bytes)), [now + 50 * MS; 2]);
    }

    #[test]
    fn bandwidth_is_shared_by_what_is_sent_at_once_and_idle_time_is_not_saved_up() {
        let (mut lane, now) = lane();
        let shape = Command::Bandwidth(1000).shape();
        assert_eq!([100, 50].map(|bytes| lane.arrival(&shape, now, bytes)), [now + 100 * MS, now + 150 * MS]);
        let later = now + 1000 * MS;
        assert_eq!(lane.arrival(&shape, later, 10), later + 10 * MS);
        // What a slow link held is no burden to a healed one.
        lane.arrival(&shape, later, 1_000_000);
        assert_eq!(lane.arrival(&Shape::default(), later, 10), later);
        assert_eq!(lane.arrival(&shape, later, 10), later + 10 * MS);
    }

    #[test]
    fn a_share_is_lost_and_stands_still_for_as_long_as_sending_it_again_takes() {
        let (mut lane, now) = lane();
        let shape = Command::Loss(0.1).shape();
        let held: Vec<u128> = (0..10_000).map(|_| (lane.arrival(&shape, now, 1) - now).as_millis()).collect();
        let share = |ms: u128| held.iter().filter(|held| **held == ms).count() as f64 / 10_000.0;
        // 0.9, 0.1 x 0.9, 0.01 x 0.9: within four standard deviations.
        for (ms, expected) in [(0, 0.9f64), (200, 0.09), (600, 0.009)] {
            let deviation = (expected * (1.0 - expected) / 10_000.0).sqrt();
            assert!((share(ms) - expected).abs() < 4.0 * deviation, "{ms} ms: {}", share(ms));
        }
    }
}
