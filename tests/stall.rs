//! Coordinated omission with a real server: it stalls once, and the response times must show it.

mod support;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use metawrk::load::LoadSettings;
use metawrk::load::plan::WhenBusy;
use metawrk::stats::value_at_percentile;
use metawrk::units::Time;
use support::load::run;
use support::{OK, Server};

const STALL: Duration = Duration::from_millis(400);

#[test]
fn a_stall_is_part_of_the_response_time_of_every_request_that_was_due_in_it() {
    for when_busy in [WhenBusy::Wait, WhenBusy::Open, WhenBusy::Pipeline] {
        // After the hundredth request all connections stall for 400 ms.
        let state = Mutex::new((0, None::<Instant>));
        let server = Server::start(move |mut peer| {
            while peer.request().is_some() {
                let until = {
                    let (answers, until) = &mut *state.lock().unwrap();
                    *answers += 1;
                    if *answers == 100 {
                        *until = Some(Instant::now() + STALL);
                    }
                    *until
                };
                if let Some(until) = until {
                    std::thread::sleep(until.saturating_duration_since(Instant::now()));
                }
                peer.send(OK);
            }
        });
        // 500/s for 2 s: 200 of 1,000 requests are due in the stall, evenly spread over it.
        let settings = LoadSettings {
            threads: 1,
            connections: 4,
            when_busy,
            duration: Time::from_secs(2),
            drain: Time::from_secs(5),
            ..LoadSettings::new(server.url(), 500.0)
        };
        let (result, _) = run(settings);
        let latencies = result.latencies();
        assert_eq!(latencies.response.len(), 1000, "{when_busy:?}");
        // The slowest request waited for the whole stall, and a tenth of all for half of it or longer. A busy machine
        // may add to that.
        let at = |percent| value_at_percentile(&latencies.response, percent);
        assert!(at(100.0) >= 400_000, "{when_busy:?}: {}", at(100.0));
        assert!(at(90.0) >= 200_000 - 4_000, "{when_busy:?}: {}", at(90.0));
        if when_busy == WhenBusy::Wait {
            // The service time shows no more than the four requests that were in flight.
            let long = latencies.service.iter_recorded().filter(|step| step.value_iterated_to() >= 380_000);
            let long: u64 = long.map(|step| step.count_at_value()).sum();
            assert!((1..=4).contains(&long), "{long}");
        }
    }
}
