use super::*;
use crate::twin::model::{Admission, CostlyPath};
use crate::twin::tests::system;

const MS: u64 = 1_000_000;

/// One server that takes 10 ms, requests due at these ms, and clients that wait for ever.
struct Case {
    system: SystemModel,
    mitigation: Mitigation,
    client: ClientModel,
    outage: Option<Outage>,
    due: Vec<Instant>,
}

impl Case {
    fn due(ms: impl IntoIterator<Item = u64>) -> Case {
        let retries = Retries { count: 0, backoff: Time::ZERO };
        Case {
            system: system("servers = 1\nservice-time = '10ms'"),
            mitigation: Mitigation::default(),
            client: ClientModel { timeout: None, retries, connections: usize::MAX },
            outage: None,
            due: ms.into_iter().map(|ms| Instant(ms * MS)).collect(),
        }
    }

    fn simulate(&self) -> Simulated {
        simulate(&SimulationInput {
            system: &self.system,
            mitigation: &self.mitigation,
            client: self.client,
            outage: self.outage,
            due: &self.due,
            end: Instant(10_000 * MS),
            seed: 1,
        })
    }

    /// When each request ended in ms, and whether well.
    fn ends(&self) -> Vec<(u64, bool)> {
        self.simulate().requests.iter().map(|request| (request.end.0 / MS, request.success)).collect()
    }
}

fn ms(ms: u64) -> Time {
    Time::from_millis(ms)
}

#[test]
fn a_server_serves_one_after_the_other() {
    assert_eq!(Case::due([0, 1, 2, 50]).ends(), [(10, true), (20, true), (30, true), (60, true)]);
}

#[test]
fn lifo_serves_the_last_one_first() {
    let mut case = Case::due([0, 1, 2]);
    case.system.order = QueueOrder::Lifo;
    assert_eq!(case.ends(), [(10, true), (30, true), (20, true)]);
}

#[test]
fn a_full_queue_refuses() {
    let mut case = Case::due([0, 1, 2, 3]);
    case.system.queue = Some(2);
    assert_eq!(case.ends(), [(10, true), (20, true), (30, true), (3, false)]);
    assert_eq!((case.simulate().counts.refused, case.simulate().counts.queue_max), (1, 2));
}

#[test]
fn abandoned_attempts_are_served_all_the_same() {
    // The second waits from 1 to 10 and is served until 20, but its client has left at 16. The retry is served after it.
    let mut case = Case::due([0, 1]);
    case.client.timeout = Some(ms(15));
    case.client.retries.count = 1;
    let simulated = case.simulate();
    assert_eq!(case.ends(), [(10, true), (30, true)]);
    assert_eq!((simulated.counts.sent, simulated.counts.abandoned), (3, 1));
    // Without a retry the request has failed at its timeout.
    case.client.retries.count = 0;
    assert_eq!(case.ends(), [(10, true), (16, false)]);
}

#[test]
fn the_wait_before_a_retry_doubles() {
    // Nothing is served for a long time: attempts at 0, 20 + 5 and 45 + 10 end at 20, 45 and 75.
    let mut case = Case::due([0]);
    case.outage = Some(Outage { from: Instant(0), to: Instant(5000 * MS) });
    case.client = ClientModel { timeout: Some(ms(20)), retries: Retries { count: 2, backoff: ms(5) }, ..case.client };
    assert_eq!(case.ends(), [(75, false)]);
}

#[test]
fn a_retry_budget_limits_retries_of_all_requests() {
    let mut case = Case::due((0..1000).map(|i| i * 9));
    case.outage = Some(Outage { from: Instant(0), to: Instant(60_000 * MS) });
    case.client = ClientModel { timeout: Some(ms(5)), retries: Retries { count: 3, backoff: ms(0) }, ..case.client };
    assert_eq!(case.simulate().counts.sent, 4000);
    case.mitigation.retry_budget = Some(0.25);
    assert_eq!(case.simulate().counts.sent, 1250);
}

#[test]
fn connections_limit_what_is_in_flight() {
    let mut case = Case::due([0, 1, 2]);
    case.system.servers = 3;
    case.client.connections = 2;
    assert_eq!(case.ends(), [(10, true), (11, true), (20, true)]);
    assert_eq!(case.simulate().counts.in_flight_max, 2);
}

#[test]
fn a_thousand_refusals_at_one_instant_are_no_recursion() {
    let mut case = Case::due(vec![0; 100_000]);
    case.system.queue = Some(0);
    case.client.connections = 1;
    case.client.retries.count = 5;
    case.system.service_time = ms(1);
    let refused = case.simulate().counts.refused;
    assert_eq!(refused, 0, "each waits for the connection, and finds the server free");
    case.mitigation.admission = Some(Admission { rate: 1.0, burst: 1.0 });
    // One attempt gets the only token. Every other request makes its six attempts.
    let counts = case.simulate().counts;
    assert_eq!((counts.sent, counts.refused), (1 + 99_999 * 6, 99_999 * 6));
}

#[test]
fn who_waits_too_long_gets_an_error() {
    let mut case = Case::due([0, 1, 2]);
    case.system.give_up = Some(ms(15));
    assert_eq!(case.ends(), [(10, true), (20, true), (17, false)]);
}

#[test]
fn the_costly_path_holds_more_and_longer() {
    // Two cheap requests hold both servers. The third waits for two, holds them for 30 ms, and is then served.
    let mut case = Case::due([0, 5, 6, 16]);
    case.system.servers = 2;
    case.system.costly = Some(CostlyPath { servers: 2, hold: ms(30) });
    // The first server is free at 10, but it needs two: so it waits until 15, holds until 45, and is served until 55. The
    // fourth waits until 45, holds until 75, and is served until 85.
    assert_eq!(case.ends(), [(10, true), (15, true), (55, true), (85, true)]);
    // A request that finds the one free server does not wait.
    case.due[3] = Instant(12 * MS);
    assert_eq!(case.ends(), [(10, true), (15, true), (62, true), (22, true)]);
}

#[test]
fn a_share_is_shed_after_the_outage() {
    let mut case = Case::due((0..500).map(|i| i * 20));
    case.outage = Some(Outage { from: Instant(1000 * MS), to: Instant(2000 * MS) });
    case.mitigation.shed = Some(Shed { share: 1.0, after: ms(500), lasts: ms(1000) });
    let failed: Vec<_> = case.simulate().requests.into_iter().filter(|request| !request.success).collect();
    assert_eq!(failed.len(), 50);
    assert!(failed.iter().all(|request| (2500 * MS..3500 * MS).contains(&request.due.0) && request.end == request.due));
    case.mitigation.shed = Some(Shed { share: 0.4, after: ms(500), lasts: ms(1000) });
    let shed = case.simulate().requests.iter().filter(|request| !request.success).count();
    assert!((10..30).contains(&shed), "{shed}");
}

#[test]
fn what_is_not_answered_at_the_end_has_no_outcome() {
    let mut case = Case::due([9_995, 9_996, 10_000]);
    case.system.service_time = ms(20);
    let simulated = case.simulate();
    assert!(simulated.requests.iter().all(|request| request.end == Instant::NEVER && !request.success));
    assert_eq!(simulated.counts.sent, 2);
}
