use super::Rate;
use super::exp::Exp;
use super::norm::Norm;
use super::zipf::Zipf;
use crate::units::Instant;

/// Random gaps, drawn at the rate's peak, and the rate that bends their time where it changes.
#[derive(Clone, Debug)]
pub struct Random {
    gaps: Drawn,
    bend: Option<Rate>,
}

#[derive(Clone, Debug)]
pub enum Drawn {
    Exp(Exp),
    Norm(Norm),
    Zipf(Zipf),
}

impl Random {
    pub fn new(gaps: Drawn, rate: &Rate) -> Random {
        Random { gaps, bend: rate.as_constant().is_none().then(|| rate.clone()) }
    }

    /// A call of its own: what stands beside it in [`super::Arrivals::next`] is the fixed gaps' few instructions.
    #[inline(never)]
    pub fn advance(&mut self) -> Instant {
        let due = match &mut self.gaps {
            Drawn::Exp(exp) => exp.advance(),
            Drawn::Norm(norm) => norm.advance(),
            Drawn::Zipf(zipf) => zipf.advance(),
        };
        match &self.bend {
            // At the peak so many requests would have been made by then.
            Some(rate) => rate.due(due.0 as f64 * rate.peak() / 1e9),
            None => due,
        }
    }
}
