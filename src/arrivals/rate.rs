use crate::units::{Instant, Time};

/// A rate over time of constant and linear pieces, and its integral.
///
/// L(t) is the number of requests that are due until t. Request x of a schedule is due at L^-1(x), which has a closed
/// form.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// At least one. The last piece has a constant rate and no end.
    pieces: Box<[RatePiece]>,
    peak: f64,
    mean: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct RatePiece {
    start: Instant,
    /// L(start): requests due before the piece.
    before: f64,
    /// Rate at the start, in requests/s.
    from: f64,
    /// Change of the rate, in requests/s per second.
    slope: f64,
}

impl Rate {
    /// `rate` requests/s without end.
    pub fn constant(rate: f64) -> Rate {
        Rate {
            pieces: Box::new([RatePiece { start: Instant::START, before: 0.0, from: rate, slope: 0.0 }]),
            peak: rate,
            mean: rate,
        }
    }

    /// Ramps in sequence. Each is a span and the rates at its start and its end, in requests/s. The last rate continues
    /// without end. Peak and mean are those until `end`.
    pub(super) fn from_ramps(ramps: impl IntoIterator<Item = (Time, f64, f64)>, end: Instant) -> Rate {
        let mut pieces = Vec::new();
        let mut next = RatePiece { start: Instant::START, before: 0.0, from: 0.0, slope: 0.0 };
        for (lasts, from, to) in ramps {
            let seconds = lasts.as_secs_f64();
            pieces.push(RatePiece { from, slope: (to - from) / seconds, ..next });
            let before = next.before + (from + to) / 2.0 * seconds;
            next = RatePiece { start: next.start.plus(lasts), before, from: to, slope: 0.0 };
        }
        pieces.push(next);
        let within = pieces.iter().filter(|piece| piece.start <= end);
        let peak = within.clone().zip(within.clone().skip(1).map(|next| next.start).chain([end]));
        let peak = peak.map(|(piece, end)| piece.from.max(piece.rate(end))).fold(0.0, f64::max);
        let mut rate = Rate { pieces: pieces.into(), peak, mean: 0.0 };
        rate.mean = rate.cumulated(end) / end.as_secs_f64();
        rate
    }

    /// The rate in requests/s where it is constant.
    pub fn as_constant(&self) -> Option<f64> {
        match *self.pieces {
            [piece] => Some(piece.from),
            _ => None,
        }
    }

    /// The highest rate in the run, in requests/s.
    pub fn peak(&self) -> f64 {
        self.peak
    }

    /// The mean rate over the whole run, in requests/s.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The rate at an instant, in requests/s.
    pub fn at(&self, at: Instant) -> f64 {
        self.piece(at).rate(at)
    }

    /// L: the number of requests due from the start until `at`.
    pub fn cumulated(&self, at: Instant) -> f64 {
        let piece = self.piece(at);
        let seconds = piece.seconds(at);
        piece.before + (piece.from + piece.slope * seconds / 2.0) * seconds
    }

    fn piece(&self, at: Instant) -> &RatePiece {
        let next = self.pieces.partition_point(|piece| piece.start <= at);
        &self.pieces[next.saturating_sub(1)]
    }

    /// L^-1: the instant at which L exceeds `x`, so that a request that would be due in a pause is due at its end.
    /// [`Instant::NEVER`] where L never exceeds `x`.
    pub fn due(&self, x: f64) -> Instant {
        let next = self.pieces.partition_point(|piece| piece.before <= x).max(1);
        let due = self.pieces[next - 1].due(x);
        self.pieces.get(next).map_or(due, |next| due.min(next.start))
    }
}

impl RatePiece {
    /// The time from its start until `at`, in s.
    fn seconds(&self, at: Instant) -> f64 {
        at.since(self.start).as_secs_f64()
    }

    /// The rate at `at`, in requests/s.
    fn rate(&self, at: Instant) -> f64 {
        self.from + self.slope * self.seconds(at)
    }

    fn due(&self, x: f64) -> Instant {
        let (more, start) = (x - self.before, self.start.0 as f64);
        if self.slope == 0.0 {
            return match self.from > 0.0 {
                true => Instant((start + more * 1e9 / self.from) as u64),
                false => Instant::NEVER,
            };
        }
        if more <= 0.0 {
            return self.start;
        }
        // The solution t of `from * t + slope / 2 * t^2 = more`, in a form that is exact for small slopes
        // and for `from = 0`.
        let rate_then = (self.from * self.from + 2.0 * self.slope * more).max(0.0).sqrt();
        Instant((start + 2.0 * more * 1e9 / (self.from + rate_then)) as u64)
    }
}
