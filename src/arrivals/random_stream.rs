use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One of the independent streams of random numbers that a seed has. It is the same on every machine.
#[derive(Clone, Debug)]
pub struct RandomStream(ChaCha8Rng);

impl RandomStream {
    pub fn new(seed: u64, stream: u64) -> RandomStream {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        RandomStream(rng)
    }

    /// A number uniform in [0, 1), of 53 random bits. 1 minus the number is never 0.
    #[inline]
    pub fn draw_unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal number, by Marsaglia's polar method (SIAM Review 6, 1964).
    #[inline]
    pub fn draw_normal(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.draw_unit() - 1.0, 2.0 * self.draw_unit() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }
}
