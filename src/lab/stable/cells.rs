use crate::lab::campaign::cell::{Cell, Ramp};
use crate::lab::campaign::schedule::{Request, SystemWish};
use crate::plan::{ExperimentPlan, InvalidSetting, PlannedFault};
use crate::units::{Instant, Time, round_digits};

/// The runs from which a stable rate is predicted, and those that verify it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StableCells {
    /// The plan's rate and fault.
    base: Cell,
    /// The warm-up and the baseline.
    before: Time,
    /// The end of the last fault.
    fault_end: Time,
    dwell: Time,
}

/// A system that recovered is watched for about this long.
const RECOVERY: Time = Time::from_secs(20);
/// How long the removal of a fault is verified, and the system is stuck, before a ramp.
const BEFORE_RAMP: Time = Time::from_secs(15);

/// The rates of the ramp that shows the healthy system up to its capacity, as multiples of the plan's rate.
const CLIMB: (f64, f64) = (0.25, 3.0);
const CLIMB_LASTS: Time = Time::from_secs(60);

/// A sweep begins at this multiple of the rate that is expected, so that the backlog adapts to it first.
const SWEEP_FROM: f64 = 1.4;
/// It ends at this part of its first rate.
const SWEEP_TO: f64 = 0.05;
/// A gentle sweep would take this long from the expected rate to zero.
const GENTLE: Time = Time::from_secs(240);
/// A steep sweep changes the rate this many times as fast.
const STEEP: f64 = 4.0;

/// A shed is followed by the plan's rate for this long, or until this many requests were due.
const AFTER_SHED: Time = Time::from_secs(40);
const REQUESTS_AFTER_SHED: f64 = 150.0;

impl StableCells {
    /// # Errors
    /// [`InvalidSetting`] if the plan has no fault, or is not judged early.
    pub fn new(plan: &ExperimentPlan) -> Result<StableCells, InvalidSetting> {
        let Some(fault_end) = plan.faults().iter().map(PlannedFault::end).max() else {
            let why = "a stable rate needs a fault that leaves the system stuck. Add a [[fault]] section";
            return Err(InvalidSetting::new("fault", why));
        };
        let Some(dwell) = plan.early() else {
            let why = "a stable rate needs the time for which the system is stuck";
            return Err(InvalidSetting::new("verdict.early", why));
        };
        let before = plan.phases().warmup.plus(plan.phases().baseline);
        Ok(StableCells { base: Cell::of(plan), before, fault_end: fault_end.since(Instant::START), dwell })
    }

    /// The plan's rate, in requests/s.
    pub fn rate(&self) -> f64 {
        self.base.rate
    }

    /// The plan's own cell, which should leave the system stuck.
    pub fn stuck(&self) -> Request {
        self.request(self.base, self.fault_end.plus(self.dwell))
    }

    /// Without a fault, the rate climbs far above the plan's.
    pub fn climb(&self) -> Request {
        let (from, to) = (round(CLIMB.0 * self.base.rate), round(CLIMB.1 * self.base.rate));
        let ramp = Ramp { begins: self.before, from, to, lasts: CLIMB_LASTS, back: Time::ZERO };
        let cell = Cell { rate: from, outage: Time::ZERO, ramp: Some(ramp), ..self.base };
        self.request(cell, ramp.end())
    }

    /// The two sweeps from stuck, the gentle one first. They pass `expected`, in requests/s.
    pub fn sweeps(&self, expected: f64) -> [Request; 2] {
        let from = round((SWEEP_FROM * expected).min(self.base.rate));
        let to = round(SWEEP_TO * from);
        let gentle = (GENTLE.as_secs_f64() * (from - to) / expected).ceil() as u64;
        let steep = (gentle as f64 / STEEP).ceil() as u64;
        [steep * STEEP as u64, steep].map(|seconds| {
            let lasts = Time::from_secs(seconds);
            let begins = whole_seconds(self.fault_end.plus(BEFORE_RAMP));
            let ramp = Ramp { begins, from, to, lasts, back: Time::ZERO };
            // The system comes back on the way.
            self.request(Cell { ramp: Some(ramp), ..self.base }, ramp.begins.plus(Time(lasts.0 / 2)).plus(RECOVERY))
        })
    }

    /// The run number `index` at `rate`, with the plan's fault. Each has another seed.
    pub fn verification(&self, rate: f64, index: u64) -> Request {
        let seed = self.base.seed.wrapping_add(index + 1);
        let after = if rate > self.base.rate { self.dwell } else { self.dwell.max(RECOVERY) };
        self.request(Cell { rate, seed, ..self.base }, self.fault_end.plus(after))
    }

    /// After the system was stuck for as long as in [`StableCells::stuck`], the load is `rate` for `lasts`, and then the plan's
    /// again.
    pub fn shed(&self, rate: f64, lasts: Time) -> Request {
        let rate = round(rate);
        let begins = whole_seconds(self.fault_end.plus(self.dwell));
        let back = AFTER_SHED.max(Time::from_secs((REQUESTS_AFTER_SHED / self.base.rate).ceil() as u64));
        let ramp = Ramp { begins, from: rate, to: rate, lasts, back };
        self.request(Cell { ramp: Some(ramp), ..self.base }, ramp.end())
    }

    /// Whether the plan allows these runs.
    ///
    /// # Errors
    /// [`InvalidSetting`] of the first one that it does not allow.
    pub fn check(plan: &ExperimentPlan, requests: &[Request]) -> Result<(), InvalidSetting> {
        let allow = |request: &Request| match request.cell.plan(plan, request.duration) {
            // The user wrote no profile: it is that of the run.
            Err(error) if error.key == "load.profile" => {
                let why = "a surge excludes runs in which the rate changes: climbs, sweeps and tests of the advice. Use \
                           another kind of fault";
                Err(InvalidSetting::new("fault", why))
            }
            planned => planned.map(|_| ()),
        };
        requests.iter().try_for_each(allow)
    }

    fn request(&self, cell: Cell, load: Time) -> Request {
        Request { cell, system: SystemWish::Healthy, duration: None, load }
    }
}

/// Ramps begin at a whole second, where the intervals of a run begin.
fn whole_seconds(time: Time) -> Time {
    Time::from_secs(time.as_secs_f64().ceil() as u64)
}

/// A rate with three digits, which is easier to read.
pub fn round(rate: f64) -> f64 {
    round_digits(rate, 3)
}
