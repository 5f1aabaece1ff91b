use crate::units::Time;

/// An SLO that the plan does not set is at least this.
pub const MIN_SLO: Time = Time::from_secs(1);
/// An SLO that the plan does not set is at most this.
pub const MAX_SLO: Time = Time::from_secs(5);

/// The width of a goodput bin, and of each window that a run is judged by. Each window holds at least five bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictWindows {
    /// max(1 s, 50/rate)
    pub bin: Time,
    /// The shortest baseline: 5 s.
    pub min_baseline: Time,
    /// The longest baseline: 10 s.
    pub max_baseline: Time,
    /// Goodput must be healthy for this long: 10 s.
    pub recovery: Time,
    /// After the recovery window, goodput must not be broken for this long: 30 s.
    pub watch: Time,
    /// The end of the load, by which a system that did not recover is judged: 30 s.
    pub last: Time,
}

impl VerdictWindows {
    /// The windows for a judgement of the baseline before its end, when its last moments are unknown: whole bins of what
    /// is known suffice. The plan makes sure that the baseline is long enough at its end.
    pub fn for_live_baseline(self) -> VerdictWindows {
        VerdictWindows { min_baseline: self.bin, ..self }
    }

    /// The windows of a run that is judged early: by a system that is stuck for `stuck`, or that recovered and is watched
    /// for as long as its recovery window. Each window still holds at least five bins.
    pub fn judging_early(self, stuck: Time) -> VerdictWindows {
        VerdictWindows { watch: self.recovery, last: stuck.max(self.bin.times(5)), ..self }
    }

    /// The windows of a load of `rate` requests per second.
    pub fn of(rate: f64) -> VerdictWindows {
        let bin = Time((50e9 / rate).ceil() as u64).max(Time::from_secs(1));
        let window = |seconds| Time::from_secs(seconds).max(bin.times(5));
        VerdictWindows {
            bin,
            min_baseline: window(5),
            max_baseline: window(10),
            recovery: window(10),
            watch: window(30),
            last: window(30),
        }
    }
}
