//! The progress of a load.

use crate::cli::progress_options::ProgressOutputs;
use crate::load::{ActiveLoad, LoadPlan};
use crate::progress::{LiveCounts, ProgressMeter, ProgressSink, Stage};

/// Shows the progress of loads, once per second.
pub struct LoadProgress {
    meter: ProgressMeter,
    outputs: ProgressOutputs,
    plans: Vec<LoadPlan>,
}

impl LoadProgress {
    /// The progress of loads of these plans.
    pub fn new(plans: &[LoadPlan], outputs: ProgressOutputs) -> LoadProgress {
        LoadProgress { meter: ProgressMeter::new(plans), outputs, plans: plans.to_vec() }
    }

    /// The sink that needs all records. The records of several generators travel only if an output needs them.
    pub fn sink(&mut self, is_cluster: bool) -> Option<ProgressSink> {
        (!is_cluster || self.outputs.need_records()).then(|| self.meter.sink())
    }

    /// Shows the progress if the current second is over.
    pub fn update(&mut self, loads: &dyn ActiveLoad) {
        let now = loads.clock().now();
        if self.meter.is_due(now) {
            let stage = Stage::of_loads(&self.plans, now);
            let progress = self.meter.end_interval(now, LiveCounts::read(loads), stage);
            self.outputs.show(&progress);
        }
    }
}
