use super::Outage;
use crate::arrivals::RandomStream;
use crate::twin::model::{ServiceLaw, SystemModel};
use crate::units::{Instant, Time};

/// How long serving takes: the law, and what an outage does to it.
pub struct ServiceTimes {
    mean: Time,
    law: ServiceLaw,
    sigma: f64,
    call_timeout: Option<Time>,
    outage: Option<Outage>,
    random: RandomStream,
}

impl ServiceTimes {
    pub fn new(system: &SystemModel, outage: Option<Outage>, random: RandomStream) -> ServiceTimes {
        let SystemModel { service_time: mean, service_law: law, call_timeout, .. } = *system;
        ServiceTimes { mean, law, sigma: system.service_sigma.unwrap_or_default(), call_timeout, outage, random }
    }

    /// When serving that begins at `start` ends, and whether it ends well.
    ///
    /// What an outage meets hangs until its end, and then takes the time that it still needs. It fails if that is longer than
    /// the call timeout.
    pub fn end(&mut self, start: Instant) -> (Instant, bool) {
        let takes = self.draw();
        let undisturbed = start.plus(takes);
        match self.outage {
            Some(Outage { from, to }) if start < to && undisturbed > from => {
                let end = undisturbed.plus(to.since(from.max(start)));
                match self.call_timeout.map(|timeout| start.plus(timeout)) {
                    Some(timeout) if timeout < end => (timeout, false),
                    _ => (end, true),
                }
            }
            _ => (undisturbed, true),
        }
    }

    fn draw(&mut self) -> Time {
        let factor = match self.law {
            ServiceLaw::Constant => return self.mean,
            ServiceLaw::Exponential => -(1.0 - self.random.draw_unit()).ln(),
            // The mean of exp(sigma Z - sigma^2 / 2) is 1.
            ServiceLaw::Lognormal => (self.sigma * self.random.draw_normal() - self.sigma * self.sigma / 2.0).exp(),
        };
        Time((factor * self.mean.0 as f64).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::tests::system;

    fn times(text: &str, outage: Option<(u64, u64)>) -> ServiceTimes {
        let at = |ms| Instant(ms * 1_000_000);
        let outage = outage.map(|(from, to)| Outage { from: at(from), to: at(to) });
        ServiceTimes::new(
            &system(&format!("servers = 1\nservice-time = '10ms'\n{text}")),
            outage,
            RandomStream::new(1, 7),
        )
    }

    fn ends_ms(times: &mut ServiceTimes, starts: &[u64]) -> Vec<(u64, bool)> {
        let end = |start: &u64| times.end(Instant(start * 1_000_000));
        starts.iter().map(end).map(|(at, well)| (at.0 / 1_000_000, well)).collect()
    }

    #[test]
    fn what_an_outage_meets_hangs_until_its_end() {
        let mut hangs = times("", Some((100, 200)));
        // Before, ended just in time, begun before, begun in it, begun at its end.
        let ends = [(60, true), (100, true), (205, true), (210, true), (210, true)];
        assert_eq!(ends_ms(&mut hangs, &[50, 90, 95, 150, 200]), ends);
    }

    #[test]
    fn with_a_call_timeout_it_fails_unless_the_outage_ends_before() {
        let mut fails = times("call-timeout = '30ms'", Some((100, 200)));
        assert_eq!(
            ends_ms(&mut fails, &[95, 150, 179, 180, 200]),
            [(125, false), (180, false), (209, false), (210, true), (210, true)]
        );
    }

    #[test]
    fn every_law_has_the_mean_and_its_own_spread() {
        for (law, relative_sd) in [
            ("service-law = 'constant'", 0.0),
            ("service-law = 'exponential'", 1.0),
            // sqrt(exp(sigma^2) - 1)
            ("service-law = 'lognormal'\nservice-sigma = 0.5", 0.533),
        ] {
            let mut times = times(law, None);
            let all: Vec<f64> = (0..20_000).map(|_| times.end(Instant::START).0.as_secs_f64()).collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            let sd = (all.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt();
            assert!((mean / 0.01 - 1.0).abs() < 0.03, "{law}: mean {mean}");
            assert!((sd / mean - relative_sd).abs() < 0.04, "{law}: sd {sd}");
        }
    }
}
