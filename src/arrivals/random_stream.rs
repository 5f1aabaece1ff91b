use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One of the many streams of random numbers that a seed has; the same on every machine.
#[derive(Clone, Debug)]
pub struct RandomStream(ChaCha8Rng);

impl RandomStream {
    pub fn new(seed: u64, stream: u64) -> RandomStream {
        let mut numbers = ChaCha8Rng::seed_from_u64(seed);
        numbers.set_stream(stream);
        RandomStream(numbers)
    }

    /// Uniform in [0, 1): 53 random bits, so that 1 minus it is never 0.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}
