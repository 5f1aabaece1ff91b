/// Request i of the thread is request `i * threads + thread` of the whole, due at that number over the rate.
#[derive(Clone, Debug)]
pub struct Fixed {
    rate: f64,
    thread: u64,
    threads: u64,
}

impl Fixed {
    pub fn new(rate: f64, thread: u64, threads: u64) -> Fixed {
        Fixed { rate, thread, threads }
    }

    /// In ns. A double holds every ns of 104 days.
    #[inline]
    pub fn due(&self, i: u64) -> u64 {
        let whole = i * self.threads + self.thread;
        (whole as f64 * 1e9 / self.rate) as u64
    }
}
