use super::exp::ExponentialGaps;
use super::norm::NormalGaps;
use super::zipf::ZipfGaps;
use super::{GeneratorPart, Rate};
use crate::units::Instant;

/// Random gaps. They are drawn at the peak rate; where the rate changes, [`Rate::due`] stretches their time.
#[derive(Clone, Debug)]
pub struct RandomGaps {
    gaps: GapDistribution,
    /// `None` for a constant rate.
    varying: Option<Rate>,
    /// The requests of other generators before the next one of this generator, and between two of its own.
    skip: u16,
    between: u16,
}

/// The distributions of random gaps.
#[derive(Clone, Debug)]
pub enum GapDistribution {
    Exp(ExponentialGaps),
    Norm(NormalGaps),
    Zipf(ZipfGaps),
}

impl RandomGaps {
    pub fn new(gaps: GapDistribution, rate: &Rate, generator: GeneratorPart) -> RandomGaps {
        let varying = rate.as_constant().is_none().then(|| rate.clone());
        RandomGaps { gaps, varying, skip: generator.index, between: generator.of - 1 }
    }

    /// The next due time. Not inlined, so that [`super::Arrivals::next`] stays a few instructions for fixed gaps.
    #[inline(never)]
    pub fn advance(&mut self) -> Instant {
        for _ in 0..self.skip {
            self.gaps.advance();
        }
        self.skip = self.between;
        let due = self.gaps.advance();
        match &self.varying {
            // At the peak rate this many requests would be due by then.
            Some(rate) => rate.due(due.0 as f64 * rate.peak() / 1e9),
            None => due,
        }
    }
}

impl GapDistribution {
    #[inline]
    fn advance(&mut self) -> Instant {
        match self {
            GapDistribution::Exp(exp) => exp.advance(),
            GapDistribution::Norm(norm) => norm.advance(),
            GapDistribution::Zipf(zipf) => zipf.advance(),
        }
    }
}
