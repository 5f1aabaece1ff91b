use super::{BisectionPlan, Prior};

/// Cells of equal width on the log scale. A range of 1 to 100 has cells of 1.2 %.
const CELLS: usize = 400;

/// A probability density on a log scale, constant in each cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    /// The natural logarithm of the range's lower end.
    from: f64,
    /// The width of a cell, in natural logarithms.
    width: f64,
    /// The probability of each cell. The sum is 1.
    cells: Vec<f64>,
}

impl Density {
    /// The prior of a valid plan.
    pub fn of(plan: &BisectionPlan) -> Density {
        let from = plan.low.ln();
        let width = (plan.high.ln() - from) / CELLS as f64;
        let middles = (0..CELLS).map(|i| from + (i as f64 + 0.5) * width);
        let exponents: Vec<f64> = match plan.prior {
            Prior::Uniform => vec![0.0; CELLS],
            Prior::LogNormal { median, sd } => middles.map(|x| -((x - median.ln()) / sd).powi(2) / 2.0).collect(),
        };
        // Relative to the greatest, so that a median far outside of the range leaves more than zeros.
        let greatest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut density = Density { from, width, cells: exponents.iter().map(|x| (x - greatest).exp()).collect() };
        density.normalize();
        density
    }

    /// Multiplies the density by `below` far below `at` and by `1 - below` far above it. Between them the factor
    /// changes along a logistic curve of the scale `softness`.
    pub fn update(&mut self, at: f64, below: f64, softness: f64) {
        let first = (self.from + 0.5 * self.width - at.ln()) / softness;
        let step = self.width / softness;
        for (i, cell) in self.cells.iter_mut().enumerate() {
            let share_above = 1.0 / (1.0 + (-(first + i as f64 * step)).exp());
            *cell *= below + (1.0 - 2.0 * below) * share_above;
        }
        self.normalize();
    }

    /// The value below which the boundary is with the probability `share`.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sum = 0.0;
        for (i, &cell) in self.cells.iter().enumerate() {
            if sum + cell >= share {
                return self.value(i as f64 + (share - sum) / cell);
            }
            sum += cell;
        }
        self.value(CELLS as f64)
    }

    /// The middle of each cell, and its probability.
    pub fn cells(&self) -> impl Iterator<Item = (f64, f64)> {
        self.cells.iter().enumerate().map(|(i, &cell)| (self.value(i as f64 + 0.5), cell))
    }

    /// The value at a number of cells from the range's lower end.
    fn value(&self, position: f64) -> f64 {
        (self.from + position * self.width).exp()
    }

    fn normalize(&mut self) {
        let sum: f64 = self.cells.iter().sum();
        self.cells.iter_mut().for_each(|cell| *cell /= sum);
    }
}
