use super::Rate;
use super::exp::ExponentialGaps;
use super::norm::NormalGaps;
use super::zipf::ZipfGaps;
use crate::units::Instant;

/// Random gaps, drawn at the rate's peak, and the rate that bends their time where it changes.
#[derive(Clone, Debug)]
pub struct RandomGaps {
    gaps: GapDistribution,
    bend: Option<Rate>,
}

#[derive(Clone, Debug)]
pub enum GapDistribution {
    Exp(ExponentialGaps),
    Norm(NormalGaps),
    Zipf(ZipfGaps),
}

impl RandomGaps {
    pub fn new(gaps: GapDistribution, rate: &Rate) -> RandomGaps {
        RandomGaps { gaps, bend: rate.as_constant().is_none().then(|| rate.clone()) }
    }

    /// A call of its own: what stands beside it in [`super::Arrivals::next`] is the fixed gaps' few instructions.
    #[inline(never)]
    pub fn advance(&mut self) -> Instant {
        let due = match &mut self.gaps {
            GapDistribution::Exp(exp) => exp.advance(),
            GapDistribution::Norm(norm) => norm.advance(),
            GapDistribution::Zipf(zipf) => zipf.advance(),
        };
        match &self.bend {
            // At the peak so many requests would have been made by then.
            Some(rate) => rate.due(due.0 as f64 * rate.peak() / 1e9),
            None => due,
        }
    }
}
