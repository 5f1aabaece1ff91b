//! Response times of queues with Poisson arrivals that are served first come, first served, in closed form. They hold for
//! the steady state, so the arrival rate must be below what the servers can serve.

use std::time::Duration;

/// A queue with Poisson arrivals, in the notation of Kendall.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    /// Arrivals per second.
    pub rate: f64,
    /// Mean service time.
    pub service: Duration,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// M/M/k: exponential service times, `k` servers.
    Exponential { servers: usize },
    /// M/D/1: every service takes the same time, one server.
    Fixed,
}

impl Queue {
    pub fn servers(&self) -> usize {
        match self.kind {
            Kind::Exponential { servers } => servers,
            Kind::Fixed => 1,
        }
    }

    /// The share of the time in which a server is busy.
    fn utilization(&self) -> f64 {
        self.rate * self.service.as_secs_f64() / self.servers() as f64
    }

    /// The mean response time in seconds: waiting time after Erlang (M/M/k) or Pollaczek and Khinchine (M/D/1), plus
    /// service time.
    pub fn mean(&self) -> f64 {
        let (service, utilization) = (self.service.as_secs_f64(), self.utilization());
        let wait = match self.kind {
            Kind::Exponential { servers } => {
                erlang_c(servers, self.rate * service) * service / (servers as f64 * (1.0 - utilization))
            }
            Kind::Fixed => utilization * service / (2.0 * (1.0 - utilization)),
        };
        wait + service
    }

    /// The response time in seconds that `percent` (above 0, below 100) of all requests do not exceed.
    pub fn percentile(&self, percent: f64) -> f64 {
        let longer = 1.0 - percent / 100.0;
        let (mut low, mut high) = (0.0, self.mean());
        while self.share_longer(high) > longer {
            high *= 2.0;
        }
        // Halved until doubles do not distinguish the bounds.
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            (low, high) = if self.share_longer(middle) > longer { (middle, high) } else { (low, middle) };
        }
        high
    }

    /// The probability that a response takes longer than `t` seconds.
    pub fn share_longer(&self, t: f64) -> f64 {
        let service = self.service.as_secs_f64();
        match self.kind {
            Kind::Exponential { servers } => {
                // With probability C a request waits, for an exponential time with rate `drain`. Then it is served, for
                // an exponential time with rate `each`.
                let each = 1.0 / service;
                let drain = servers as f64 * each - self.rate;
                let waits = erlang_c(servers, self.rate * service);
                let both = if (drain - each).abs() < 1e-9 * each {
                    (1.0 + each * t) * (-each * t).exp()
                } else {
                    (drain * (-each * t).exp() - each * (-drain * t).exp()) / (drain - each)
                };
                (1.0 - waits) * (-each * t).exp() + waits * both
            }
            Kind::Fixed if t < service => 1.0,
            Kind::Fixed => 1.0 - self.share_waiting_at_most(t - service),
        }
    }

    /// M/D/1: the probability that a request waits for at most `t` seconds, by Erlang's series (1909). Its terms have
    /// alternating signs; doubles are exact to six digits up to 20 mean gaps between arrivals.
    fn share_waiting_at_most(&self, t: f64) -> f64 {
        let service = self.service.as_secs_f64();
        let terms = (0..=(t / service) as usize).map(|j| {
            let x = self.rate * (t - j as f64 * service);
            // (-x)^j / j! * e^x
            (1..=j).fold(x.exp(), |term, i| term * -x / i as f64)
        });
        (1.0 - self.utilization()) * terms.sum::<f64>()
    }
}

/// Erlang's C formula: the probability that an arrival waits, where `load` is the arrival rate times the mean service
/// time. It is computed from Erlang's B formula, which has a stable recursion.
pub fn erlang_c(servers: usize, load: f64) -> f64 {
    let blocked = (1..=servers).fold(1.0, |blocked, k| load * blocked / (k as f64 + load * blocked));
    blocked / (1.0 - load / servers as f64 * (1.0 - blocked))
}
