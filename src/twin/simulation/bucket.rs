use crate::twin::model::Admission;
use crate::units::Instant;

/// A token bucket: it is full at first, and fills up at a constant rate.
pub struct TokenBucket {
    limit: Admission,
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    pub fn new(limit: Admission) -> TokenBucket {
        TokenBucket { limit, tokens: limit.burst, filled_at: Instant::START }
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let new = now.since(self.filled_at).as_secs_f64() * self.limit.rate;
        self.tokens = (self.tokens + new).min(self.limit.burst);
        self.filled_at = now;
        take_whole(&mut self.tokens)
    }
}

/// A retry budget: each request adds a share of a token, and each retry takes a whole one.
pub struct RetryBudget {
    share: f64,
    tokens: f64,
}

/// So many retries may be saved up, so that single failures are retried although the share is small.
const MAX_SAVED: f64 = 10.0;

impl RetryBudget {
    pub fn new(share: f64) -> RetryBudget {
        RetryBudget { share, tokens: 0.0 }
    }

    pub fn add_request(&mut self) {
        self.tokens = (self.tokens + self.share).min(MAX_SAVED.max(self.share));
    }

    /// Takes the token of a retry, if there is one.
    pub fn take(&mut self) -> bool {
        take_whole(&mut self.tokens)
    }
}

/// Sums of shares may be a little below a whole number.
const ROUNDING: f64 = 1e-9;

fn take_whole(tokens: &mut f64) -> bool {
    let has_one = *tokens >= 1.0 - ROUNDING;
    if has_one {
        *tokens = (*tokens - 1.0).max(0.0);
    }
    has_one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_burst_and_then_its_rate() {
        let mut bucket = TokenBucket::new(Admission { rate: 10.0, burst: 3.0 });
        let mut taken = |ms: u64| bucket.take(Instant(ms * 1_000_000));
        assert_eq!([0, 0, 0, 0, 50, 100, 110].map(&mut taken), [true, true, true, false, false, true, false]);
        // After a long time it holds the burst again, and no more.
        assert_eq!([60_000, 60_000, 60_000, 60_000].map(taken), [true, true, true, false]);
    }

    #[test]
    fn a_budget_allows_its_share_of_retries() {
        let mut budget = RetryBudget::new(0.1);
        let mut retries = 0;
        for _ in 0..1000 {
            budget.add_request();
            retries += u32::from(budget.take());
        }
        assert_eq!(retries, 100);
        // What healthy requests save is limited.
        (0..1000).for_each(|_| budget.add_request());
        assert_eq!((0..1000).filter(|_| budget.take()).count(), 10);
    }
}
