use std::sync::Arc;

use super::host::Host;
use super::merge::merge_results;
use crate::cluster::meeting::{OnLost, State};
use crate::cluster::protocol::ToPart;
use crate::load::plan::LoadPlan;
use crate::load::{ActiveLoad, GeneratorResult, LiveCounters, LoadError, MainScript, PartsProgress};
use crate::record::Clock;
use crate::units::Time;

/// Records travel over the network.
const RECORD_DELAY: Time = Time::from_millis(1000);

/// A load that runs on several generators.
pub struct ActiveCluster {
    host: Host,
    plans: Vec<LoadPlan>,
    on_lost: OnLost,
    scripts: Vec<Option<MainScript>>,
    clock: Clock,
    live: Vec<Arc<LiveCounters>>,
}

impl ActiveCluster {
    pub fn new(
        host: Host,
        plans: Vec<LoadPlan>,
        on_lost: OnLost,
        scripts: Vec<Option<MainScript>>,
        clock: Clock,
    ) -> ActiveCluster {
        let live = host.shared.desk().parts().iter().map(|part| Arc::clone(&part.live)).collect();
        ActiveCluster { host, plans, on_lost, scripts, clock, live }
    }
}

impl ActiveLoad for ActiveCluster {
    fn clock(&self) -> Clock {
        self.clock
    }

    fn poll_finished(&mut self) -> Result<bool, LoadError> {
        let mut desk = self.host.shared.desk();
        let has_failed = desk.parts().iter().flat_map(|part| &part.results).any(|(_, result)| result.failure.is_some());
        if has_failed {
            desk.stop("a script failed".to_owned());
        }
        Ok(desk.meeting().is_over())
    }

    fn end_arrivals(&self) {
        self.host.shared.desk().push_all(&ToPart::EndArrivals);
    }

    fn stop(&self) {
        self.host.shared.desk().stop("the load was stopped".to_owned());
    }

    fn hurry(&self) {
        let mut desk = self.host.shared.desk();
        desk.stop("the load was stopped".to_owned());
        desk.push_all(&ToPart::Hurry);
    }

    fn live(&self) -> Vec<Arc<LiveCounters>> {
        self.live.clone()
    }

    fn record_delay(&self) -> Time {
        RECORD_DELAY
    }

    fn parts_progress(&self) -> Option<PartsProgress> {
        Some(self.host.shared.desk().take_progress())
    }

    fn finish(mut self: Box<Self>) -> Result<GeneratorResult, LoadError> {
        while !self.poll_finished()? {
            std::thread::sleep(super::POLL_INTERVAL);
        }
        let ActiveCluster { host, plans, on_lost, scripts, .. } = *self;
        let (loads, parts) = merge_results(&host.shared.desk(), plans);
        let lost = {
            let desk = host.shared.desk();
            let was_stopped = matches!(desk.meeting().state(), State::Stopped { .. });
            desk.meeting().losses().into_iter().next().filter(|_| on_lost == OnLost::Stop && was_stopped)
        };
        // The parts answer the scripts until the last result is dropped.
        let host = Arc::new(host);
        let with_script = |(load, script): (crate::load::LoadResult, Option<MainScript>)| match script {
            Some(script) => load.with_script(script, Box::new(Arc::clone(&host))),
            None => load,
        };
        Ok(GeneratorResult { loads: loads.into_iter().zip(scripts).map(with_script).collect(), parts, lost })
    }
}
