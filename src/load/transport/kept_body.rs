//! The bodies of responses that are kept in memory for scripts. All of them together have one budget: a server may send
//! bodies without end, on any number of connections.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most memory for the bodies of responses that wait for the script's `response` function, in bytes: of all threads,
/// connections and streams together. Bodies that no script reads are not kept.
pub const BODY_BUDGET: usize = 256 << 20;

/// The error for a body that does not fit.
pub const OVER_BUDGET: &str = "the bodies that wait for the script's response() exceed 256 MiB together";

/// Memory that is shared out. Only scripts with a `response` function use it.
#[derive(Debug)]
struct Budget {
    used: AtomicUsize,
    limit: usize,
}

static BUDGET: Budget = Budget { used: AtomicUsize::new(0), limit: BODY_BUDGET };

impl Budget {
    fn take(&self, bytes: usize) -> bool {
        let more = |used: usize| used.checked_add(bytes).filter(|&used| used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A body that is kept. Gives its memory back when it is dropped.
#[derive(Debug)]
pub struct KeptBody {
    bytes: Vec<u8>,
    /// What it took of the budget.
    reserved: usize,
    is_over_budget: bool,
    budget: &'static Budget,
}

impl Default for KeptBody {
    fn default() -> KeptBody {
        KeptBody::of(&BUDGET)
    }
}

impl KeptBody {
    fn of(budget: &'static Budget) -> KeptBody {
        KeptBody { bytes: Vec::new(), reserved: 0, is_over_budget: false, budget }
    }

    /// Adds `data`. If the budget is spent, the body is dropped, and stays empty.
    pub fn extend(&mut self, data: &[u8]) {
        let needed = self.bytes.len() + data.len();
        if self.is_over_budget
            || !(needed <= self.reserved || self.grow(needed.max(2 * self.reserved)) || self.grow(needed))
        {
            self.clear();
            self.is_over_budget = true;
            return;
        }
        self.bytes.extend_from_slice(data);
    }

    fn grow(&mut self, reserved: usize) -> bool {
        let has_grown = self.budget.take(reserved - self.reserved);
        if has_grown {
            self.bytes.reserve_exact(reserved - self.bytes.len());
            self.reserved = reserved;
        }
        has_grown
    }

    fn clear(&mut self) {
        self.bytes = Vec::new();
        self.budget.give_back(std::mem::take(&mut self.reserved));
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The body did not fit into the budget.
    pub fn is_over_budget(&self) -> bool {
        self.is_over_budget
    }
}

impl Drop for KeptBody {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_one_budget_and_give_it_back() {
        static SMALL: Budget = Budget { used: AtomicUsize::new(0), limit: 1000 };
        let used = || SMALL.used.load(Ordering::Relaxed);
        let (mut first, mut second) = (KeptBody::of(&SMALL), KeptBody::of(&SMALL));
        (0..6).for_each(|_| first.extend(&[b'x'; 100]));
        assert_eq!((first.bytes().len(), first.is_over_budget()), (600, false));
        second.extend(&[b'y'; 200]);
        assert!(!second.is_over_budget() && used() <= 1000, "{}", used());
        second.extend(&[b'y'; 300]);
        assert!(second.is_over_budget() && second.bytes().is_empty());
        second.extend(b"more");
        assert!(second.bytes().is_empty(), "it stays empty");
        first.extend(&[b'x'; 400]);
        assert_eq!((first.bytes().len(), used()), (1000, 1000), "the whole budget can be used");
        drop((first, second));
        assert_eq!(used(), 0);
    }
}
