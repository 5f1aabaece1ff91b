use super::Rate;
use super::exp::ExponentialGaps;
use super::norm::NormalGaps;
use super::zipf::ZipfGaps;
use crate::units::Instant;

/// Random gaps. They are drawn at the peak rate; where the rate changes, [`Rate::due`] stretches their time.
#[derive(Clone, Debug)]
pub struct RandomGaps {
    gaps: GapDistribution,
    /// `None` for a constant rate.
    varying: Option<Rate>,
}

/// The distributions of random gaps.
#[derive(Clone, Debug)]
pub enum GapDistribution {
    Exp(ExponentialGaps),
    Norm(NormalGaps),
    Zipf(ZipfGaps),
}

impl RandomGaps {
    pub fn new(gaps: GapDistribution, rate: &Rate) -> RandomGaps {
        RandomGaps { gaps, varying: rate.as_constant().is_none().then(|| rate.clone()) }
    }

    /// The next due time. Not inlined, so that [`super::Arrivals::next`] stays a few instructions for fixed gaps.
    #[inline(never)]
    pub fn advance(&mut self) -> Instant {
        let due = match &mut self.gaps {
            GapDistribution::Exp(exp) => exp.advance(),
            GapDistribution::Norm(norm) => norm.advance(),
            GapDistribution::Zipf(zipf) => zipf.advance(),
        };
        match &self.varying {
            // At the peak rate this many requests would be due by then.
            Some(rate) => rate.due(due.0 as f64 * rate.peak() / 1e9),
            None => due,
        }
    }
}
