//! The state of the link, and when data that is sent through it is delivered. Pure.
//!
//! The link forwards streams, not packets, so it cannot lose data. It simulates the effect of a lost packet instead: a stream
//! that lost a packet stalls until the sender retransmits it. That takes the retransmission timeout, and twice as long each
//! further time the packet is lost. Here, a chunk is delayed by this time, together with all data behind it on its connection.
//! A chunk is the data of one read; each request and each response of the testbed is one chunk. A new connection takes one
//! round trip, in which nothing is lost.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::units::Time;

/// The state of the link. The default is a perfect link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkState {
    pub cut: bool,
    /// Every connection is reset, also each new one.
    pub reset: bool,
    /// Delay in each direction.
    pub delay: Duration,
    /// Share of chunks that are lost, from 0 to 1.
    pub loss: f64,
    /// Bytes per second in each direction, shared by all connections.
    pub bandwidth: Option<u64>,
}

/// A command that sets the state of the link. As text, it is one line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkCommand {
    /// Nothing passes.
    Cut,
    /// Every connection is reset, also each new one.
    Reset,
    /// Everything passes at once.
    Heal,
    /// Delay in each direction.
    Delay(Time),
    /// Share of chunks that are lost, from 0 to 1.
    Loss(f64),
    /// Bytes per second.
    Bandwidth(u64),
}

/// Examples of all commands, for error messages.
const COMMANDS: &str = "cut, reset, delay 50ms, loss 0.1, bandwidth 100000 (bytes/s), or heal";

impl LinkCommand {
    /// The state after this command. Earlier commands have no effect on it.
    pub fn state(self) -> LinkState {
        let perfect = LinkState::default();
        match self {
            LinkCommand::Cut => LinkState { cut: true, ..perfect },
            LinkCommand::Reset => LinkState { reset: true, ..perfect },
            LinkCommand::Heal => perfect,
            LinkCommand::Delay(delay) => LinkState { delay: delay.std(), ..perfect },
            LinkCommand::Loss(loss) => LinkState { loss, ..perfect },
            LinkCommand::Bandwidth(bandwidth) => LinkState { bandwidth: Some(bandwidth), ..perfect },
        }
    }
}

impl fmt::Display for LinkCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkCommand::Cut => f.write_str("cut"),
            LinkCommand::Reset => f.write_str("reset"),
            LinkCommand::Heal => f.write_str("heal"),
            LinkCommand::Delay(delay) => write!(f, "delay {delay}"),
            LinkCommand::Loss(share) => write!(f, "loss {share}"),
            LinkCommand::Bandwidth(bytes) => write!(f, "bandwidth {bytes}"),
        }
    }
}

impl FromStr for LinkCommand {
    type Err = String;

    fn from_str(line: &str) -> Result<LinkCommand, String> {
        let unknown = || format!("`{}` is not a command. Write {COMMANDS}.", line.trim());
        let (command, value) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        Ok(match (command, value) {
            ("cut", "") => LinkCommand::Cut,
            ("reset", "") => LinkCommand::Reset,
            ("heal", "") => LinkCommand::Heal,
            ("delay", value) => LinkCommand::Delay(value.parse().map_err(|_| unknown())?),
            ("loss", value) => match value.parse() {
                Ok(share) if (0.0..1.0).contains(&share) => LinkCommand::Loss(share),
                _ => return Err(unknown()),
            },
            ("bandwidth", value) => match value.parse() {
                Ok(bytes @ 1..) => LinkCommand::Bandwidth(bytes),
                _ => return Err(unknown()),
            },
            _ => return Err(unknown()),
        })
    }
}

/// The minimum retransmission timeout of Linux, which applies to short round trips.
pub const RETRANSMISSION_TIMEOUT: Duration = Duration::from_millis(200);
/// A chunk is lost at most this many times in a row. RFC 6298 doubles the timeout each time, from 200 ms to 102 s.
const MAX_LOSSES: u32 = 9;

/// One direction of the link, shared by all connections.
pub struct LinkDirection {
    /// When all data sent so far has left the link.
    free_at: Instant,
    random: ChaCha8Rng,
}

impl LinkDirection {
    /// Directions with the same `seed` lose the same chunks.
    pub fn new(seed: u64, now: Instant) -> LinkDirection {
        LinkDirection { free_at: now, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// When a chunk of `bytes` bytes is delivered that is sent `now`.
    pub fn delivery_time(&mut self, state: &LinkState, now: Instant, bytes: usize) -> Instant {
        let passed = match state.bandwidth {
            Some(bandwidth) => {
                self.free_at = self.free_at.max(now) + Duration::from_secs_f64(bytes as f64 / bandwidth as f64);
                self.free_at
            }
            None => {
                self.free_at = now;
                now
            }
        };
        let mut lost = 0;
        while lost < MAX_LOSSES && self.random_fraction() < state.loss {
            lost += 1;
        }
        passed + state.delay + RETRANSMISSION_TIMEOUT * ((1 << lost) - 1)
    }

    /// A random number from 0 to 1.
    fn random_fraction(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction() -> (LinkDirection, Instant) {
        let now = Instant::now();
        (LinkDirection::new(1, now), now)
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn commands_round_trip_and_others_are_refused() {
        for line in ["cut", "reset", "heal", "delay 50ms", "loss 0.1", "bandwidth 100000"] {
            assert_eq!(line.parse::<LinkCommand>().unwrap().to_string(), line);
        }
        for line in ["", "cut it", "delay", "delay x", "loss 1", "loss -1", "loss nan", "bandwidth 0", "repair"] {
            assert!(line.parse::<LinkCommand>().is_err(), "{line}");
        }
        assert_eq!(LinkCommand::Heal.state(), LinkState::default());
    }

    #[test]
    fn a_perfect_link_has_no_delay() {
        let (mut direction, now) = direction();
        assert_eq!(direction.delivery_time(&LinkState::default(), now, 1 << 20), now);
    }

    #[test]
    fn a_delay_does_not_depend_on_the_size() {
        let (mut direction, now) = direction();
        let state = LinkCommand::Delay(Time::from_millis(50)).state();
        assert_eq!([1, 16_384].map(|bytes| direction.delivery_time(&state, now, bytes)), [now + 50 * MS; 2]);
    }

    #[test]
    fn concurrent_chunks_share_the_bandwidth_and_idle_time_is_not_saved() {
        let (mut direction, now) = direction();
        let state = LinkCommand::Bandwidth(1000).state();
        assert_eq!(
            [100, 50].map(|bytes| direction.delivery_time(&state, now, bytes)),
            [now + 100 * MS, now + 150 * MS]
        );
        let later = now + 1000 * MS;
        assert_eq!(direction.delivery_time(&state, later, 10), later + 10 * MS);
        // Data that a slow link has queued does not delay a restored one.
        direction.delivery_time(&state, later, 1_000_000);
        assert_eq!(direction.delivery_time(&LinkState::default(), later, 10), later);
        assert_eq!(direction.delivery_time(&state, later, 10), later + 10 * MS);
    }

    #[test]
    fn lost_chunks_are_delayed_by_their_retransmissions() {
        let (mut direction, now) = direction();
        let state = LinkCommand::Loss(0.1).state();
        let held: Vec<u128> =
            (0..10_000).map(|_| (direction.delivery_time(&state, now, 1) - now).as_millis()).collect();
        let share = |ms: u128| held.iter().filter(|held| **held == ms).count() as f64 / 10_000.0;
        // 0.9, 0.1 x 0.9, 0.01 x 0.9: within four standard deviations.
        for (ms, expected) in [(0, 0.9f64), (200, 0.09), (600, 0.009)] {
            let deviation = (expected * (1.0 - expected) / 10_000.0).sqrt();
            assert!((share(ms) - expected).abs() < 4.0 * deviation, "{ms} ms: {}", share(ms));
        }
    }
}
