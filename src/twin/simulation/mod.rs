//! The simulation: from due times to outcomes.
//!
//! A request is sent when it is due, or when one of the client's connections is free. The system serves the attempt at once
//! if a server is free. Otherwise the attempt waits in the queue, or is refused if the queue is full. The client abandons an
//! attempt after its timeout and tries again. The system does not notice that: it serves abandoned attempts too.

mod bucket;
mod calendar;
mod service;

use std::collections::VecDeque;

use super::model::{Mitigation, QueueOrder, Shed, SystemModel};
use crate::arrivals::RandomStream;
use crate::load::plan::Retries;
use crate::units::{Instant, Time};
use bucket::{RetryBudget, TokenBucket};
use calendar::{Calendar, SimulatedEvent};
use service::ServiceTimes;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct SimulationInput<'a> {
    pub system: &'a SystemModel,
    pub mitigation: &'a Mitigation,
    pub client: ClientModel,
    pub outage: Option<Outage>,
    /// When each request is due, in order of time.
    pub due: &'a [Instant],
    /// The end of the simulation. What is in flight then has no outcome.
    pub end: Instant,
    /// Of service times and shedding.
    pub seed: u64,
}

/// The clients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientModel {
    /// After this time the client abandons an attempt.
    pub timeout: Option<Time>,
    pub retries: Retries,
    /// The most attempts in flight. Further ones wait at the client.
    pub connections: usize,
}

/// Nothing is served from `from` to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    pub from: Instant,
    pub to: Instant,
}

/// What happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOutcome {
    pub due: Instant,
    /// When its last attempt ended; [`Instant::NEVER`] if the simulation ended before.
    pub end: Instant,
    /// Whether it was answered well. A late answer counts as well here.
    pub success: bool,
}

/// What a simulation returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// In the order of the due times.
    pub requests: Vec<RequestOutcome>,
    pub counts: AttemptCounts,
}

/// Attempts by what happened to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptCounts {
    pub sent: u64,
    /// The queue was full, or admission had no token.
    pub refused: u64,
    pub abandoned: u64,
    /// The most attempts in flight at once.
    pub in_flight_max: usize,
    /// The most attempts that waited for a server at once.
    pub queue_max: u32,
}

/// Streams of random numbers. Arrivals have the first ones of the seed, one for each thread.
const SERVICE_STREAM: u64 = 1 << 32;
const SHED_STREAM: u64 = SERVICE_STREAM + 1;

/// Simulates the requests that are due until the end.
pub fn simulate(input: &SimulationInput) -> Simulated {
    let mut simulation = Simulation::new(input);
    for (request, due) in input.due.iter().enumerate() {
        if *due >= input.end {
            break;
        }
        simulation.advance(*due);
        simulation.begin_request(request as u32, *due);
    }
    simulation.advance(input.end);
    let requests = simulation.requests.iter().zip(input.due);
    let requests = requests.map(|(request, &due)| RequestOutcome { due, end: request.end, success: request.success });
    Simulated { requests: requests.collect(), counts: simulation.counts }
}

struct Request {
    attempts: u16,
    end: Instant,
    success: bool,
}

struct Attempt {
    request: u32,
    /// It waits for a server.
    waits: bool,
    /// The client still waits for its answer.
    awaited: bool,
}

struct Simulation<'a> {
    input: &'a SimulationInput<'a>,
    now: Instant,
    calendar: Calendar,
    requests: Vec<Request>,
    attempts: Vec<Attempt>,
    counts: AttemptCounts,
    // The clients.
    unsent: VecDeque<u32>,
    in_flight: usize,
    retry_budget: Option<RetryBudget>,
    shed: RandomStream,
    // The system.
    free: u32,
    /// Some of these do not wait any more.
    queue: VecDeque<u32>,
    waiting: u32,
    service: ServiceTimes,
    admission: Option<TokenBucket>,
}

impl<'a> Simulation<'a> {
    fn new(input: &'a SimulationInput<'a>) -> Simulation<'a> {
        let SimulationInput { system, mitigation, due, seed, .. } = *input;
        let open = || Request { attempts: 0, end: Instant::NEVER, success: false };
        Simulation {
            input,
            now: Instant::START,
            calendar: Calendar::default(),
            requests: due.iter().map(|_| open()).collect(),
            attempts: Vec::with_capacity(due.len()),
            counts: AttemptCounts::default(),
            unsent: VecDeque::new(),
            in_flight: 0,
            retry_budget: mitigation.retry_budget.map(RetryBudget::new),
            shed: RandomStream::new(seed, SHED_STREAM),
            free: system.servers,
            queue: VecDeque::new(),
            waiting: 0,
            service: ServiceTimes::new(system, input.outage, RandomStream::new(seed, SERVICE_STREAM)),
            admission: mitigation.admission.map(TokenBucket::new),
        }
    }

    /// Lets everything happen up to `until`, inclusive.
    fn advance(&mut self, until: Instant) {
        while let Some((at, event)) = self.calendar.pop_until(until) {
            self.now = at;
            self.handle(event);
            self.send_unsent();
        }
    }

    fn handle(&mut self, event: SimulatedEvent) {
        match event {
            SimulatedEvent::Served { attempt, well, servers } => {
                self.answer(attempt, well);
                self.release(servers);
            }
            SimulatedEvent::HoldOver { attempt } => {
                self.serve(attempt, 0);
                self.release(self.input.system.costly.map_or(0, |costly| costly.servers));
            }
            SimulatedEvent::RetryDue { request } => self.unsent.push_back(request),
            SimulatedEvent::TimedOut { attempt } => {
                if self.attempts[attempt as usize].awaited {
                    self.counts.abandoned += 1;
                    self.answer(attempt, false);
                }
            }
            SimulatedEvent::WaitedTooLong { attempt } => {
                if std::mem::take(&mut self.attempts[attempt as usize].waits) {
                    self.waiting -= 1;
                    self.answer(attempt, false);
                }
            }
        }
    }

    // The clients.

    fn begin_request(&mut self, request: u32, due: Instant) {
        self.now = due;
        if let Some(budget) = &mut self.retry_budget {
            budget.add_request();
        }
        if self.is_shed() {
            self.end_request(request, false);
        } else {
            self.unsent.push_back(request);
            self.send_unsent();
        }
    }

    fn is_shed(&mut self) -> bool {
        let (Some(Shed { share, after, lasts }), Some(outage)) = (self.input.mitigation.shed, self.input.outage) else {
            return false;
        };
        let from = outage.to.plus(after);
        (from..from.plus(lasts)).contains(&self.now) && self.shed.draw_unit() < share
    }

    /// Sends what waits at the clients, as far as there are connections. An attempt that is refused at once may be retried at
    /// once, so this is a loop and not a recursion.
    fn send_unsent(&mut self) {
        while self.in_flight < self.input.client.connections
            && let Some(request) = self.unsent.pop_front()
        {
            let attempt = self.attempts.len() as u32;
            self.attempts.push(Attempt { request, waits: false, awaited: true });
            self.requests[request as usize].attempts += 1;
            self.counts.sent += 1;
            self.in_flight += 1;
            self.counts.in_flight_max = self.counts.in_flight_max.max(self.in_flight);
            if let Some(timeout) = self.input.client.timeout {
                self.calendar.add_timeout(self.now, timeout, attempt);
            }
            self.receive(attempt);
        }
    }

    /// The attempt ends for its client, which retries it if it failed. An abandoned attempt has ended before.
    fn answer(&mut self, attempt: u32, well: bool) {
        let Attempt { request, awaited, .. } = &mut self.attempts[attempt as usize];
        let request = *request;
        if !std::mem::take(awaited) {
            return;
        }
        self.in_flight -= 1;
        let retries = self.input.client.retries;
        let attempts = self.requests[request as usize].attempts;
        let may_retry = !well && attempts <= retries.count;
        if !(may_retry && self.retry_budget.as_mut().is_none_or(RetryBudget::take)) {
            return self.end_request(request, well);
        }
        let doubled = 1u64.checked_shl(u32::from(attempts) - 1).unwrap_or(u64::MAX);
        match retries.backoff.times(doubled) {
            Time::ZERO => self.unsent.push_back(request),
            wait => self.calendar.add(self.now.plus(wait), SimulatedEvent::RetryDue { request }),
        }
    }

    fn end_request(&mut self, request: u32, success: bool) {
        let now = self.now;
        let request = &mut self.requests[request as usize];
        (request.end, request.success) = (now, success);
    }

    // The system.

    fn receive(&mut self, attempt: u32) {
        let is_admitted = self.admission.as_mut().is_none_or(|bucket| bucket.take(self.now));
        let system = self.input.system;
        if is_admitted && self.free > 0 {
            self.free -= 1;
            self.serve(attempt, 1);
        } else if is_admitted && system.queue.is_none_or(|queue| self.waiting < queue) {
            self.attempts[attempt as usize].waits = true;
            self.queue.push_back(attempt);
            self.waiting += 1;
            self.counts.queue_max = self.counts.queue_max.max(self.waiting);
            if let Some(give_up) = system.give_up {
                self.calendar.add_end_of_waiting(self.now, give_up, attempt);
            }
        } else {
            self.counts.refused += 1;
            self.answer(attempt, false);
        }
    }

    /// Serves the attempt from now on, by servers that it holds already.
    fn serve(&mut self, attempt: u32, servers: u32) {
        let (end, well) = self.service.end(self.now);
        self.calendar.add(end, SimulatedEvent::Served { attempt, well, servers });
    }

    /// Servers are free again, and take waiting attempts.
    fn release(&mut self, servers: u32) {
        self.free += servers;
        let costly = self.input.system.costly;
        let needed = costly.map_or(1, |costly| costly.servers);
        while self.free >= needed
            && let Some(attempt) = self.pop_waiting()
        {
            self.free -= needed;
            match costly {
                Some(costly) => self.calendar.add(self.now.plus(costly.hold), SimulatedEvent::HoldOver { attempt }),
                None => self.serve(attempt, needed),
            }
        }
    }

    fn pop_waiting(&mut self) -> Option<u32> {
        loop {
            let attempt = match self.input.system.order {
                QueueOrder::Fifo => self.queue.pop_front()?,
                QueueOrder::Lifo => self.queue.pop_back()?,
            };
            if std::mem::take(&mut self.attempts[attempt as usize].waits) {
                self.waiting -= 1;
                return Some(attempt);
            }
        }
    }
}

#[cfg(test)]
mod tests;
