use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Gaps of -ln(1-u)/rate, summed in whole ns: the same stream for the same seed and thread, on every machine.
#[derive(Clone, Debug)]
pub struct Exp {
    mean_ns: f64,
    stream: ChaCha8Rng,
    due: u64,
}

impl Exp {
    pub fn new(rate: f64, seed: u64, thread: u64) -> Exp {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        stream.set_stream(thread);
        Exp { mean_ns: 1e9 / rate, stream, due: 0 }
    }

    #[inline]
    pub fn advance(&mut self) -> u64 {
        // 53 random bits: u in [0, 1), so that 1-u is never 0.
        let u = (self.stream.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let gap = -(1.0 - u).ln() * self.mean_ns;
        self.due = self.due.saturating_add(gap.round() as u64);
        self.due
    }
}
