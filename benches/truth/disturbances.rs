//! Disturbances of the server whose response times follow from arithmetic: stops, slow answers, a slow-down by steps.

use std::io;
use std::time::Duration;

use metawrk::units::Time;

use crate::Bench;
use crate::figures::{Check, Figures, NAMES};
use crate::floor::Client;
use crate::generator::Load;
use crate::loopback;
use crate::report::Report;
use crate::server::Behaviour;

/// The greatest accepted difference to the arithmetic.
const BOUND: f64 = 0.005;
/// How long the loopback is measured for each disturbance.
const LOOPBACK_TIME: Duration = Duration::from_secs(4);
/// Fewer than the requests that are due during a stop of 2 s. So with `wait` requests wait in the generator.
const CONNECTIONS: usize = 50;

struct Disturbance {
    name: &'static str,
    rate: u64,
    seconds: u64,
    /// The service time of each request.
    services: Vec<Time>,
    stop: Option<(usize, Time)>,
    /// The figures that are compared. Others are near a jump of the distribution, or shorter than a loopback takes.
    compared: &'static [&'static str],
}

impl Disturbance {
    /// The server stops when request 50 arrives. The requests are otherwise served at once. So few requests are due during
    /// the stop that answering them all at its end takes much less than the bound.
    fn stop(name: &'static str, lasts: u64) -> Disturbance {
        let compared = &["mean", "p90", "p99", "p99.9", "max"];
        let stop = Some((50, Time::from_secs(lasts)));
        Disturbance { name, rate: 50, seconds: 5, services: vec![Time::ZERO; 250], stop, compared }
    }

    /// One answer in a hundred takes 500 ms, the others 20 ms.
    fn slow_answers() -> Disturbance {
        let service = |n| Time::from_millis(if n % 100 == 50 { 500 } else { 20 });
        let compared = &["mean", "p50", "p75", "p90", "p99.9", "max"];
        let services = (0..2000).map(service).collect();
        Disturbance { name: "1 % at 500 ms", rate: 200, seconds: 10, services, stop: None, compared }
    }

    /// Service times of 50, 100, 200 and 400 ms, for 60, 20, 14 and 6 % of the requests.
    fn slow_down() -> Disturbance {
        let step = |ms, requests| std::iter::repeat_n(Time::from_millis(ms), requests);
        let services = step(50, 600).chain(step(100, 200)).chain(step(200, 140)).chain(step(400, 60)).collect();
        Disturbance { name: "slow-down by steps", rate: 100, seconds: 10, services, stop: None, compared: &NAMES }
    }

    /// The response times by arithmetic. A request that is due during the stop is answered at its end.
    fn response_times(&self) -> Vec<Time> {
        let due = |n: usize| Time(n as u64 * 1_000_000_000 / self.rate);
        let stopped = |n| match self.stop {
            Some((first, lasts)) if n >= first => due(first).plus(lasts).minus(due(n)),
            _ => Time::ZERO,
        };
        self.services.iter().enumerate().map(|(n, service)| stopped(n).plus(*service)).collect()
    }
}

pub fn run(bench: &Bench, report: &mut Report) -> io::Result<()> {
    let columns = [&["server", "from"], NAMES.as_slice(), &["loopback"]].concat();
    let title = "Disturbances of the server. Response times in ms; what has a bound is marked *. \"loopback\" is what both ways \
                 over the loopback take a client that sleeps before each request, in us";
    report.begin_table(title, &columns);
    let all = [
        Disturbance::stop("stop of 1 s", 1),
        Disturbance::stop("stop of 2 s", 2),
        Disturbance::slow_answers(),
        Disturbance::slow_down(),
    ];
    for disturbance in all {
        let Disturbance { name, rate, seconds, .. } = disturbance;
        let expected = Figures::of(&disturbance.response_times());
        let loopback = loopback::measure(bench, Client::SleepsBeforeRequest, CONNECTIONS, rate as u32, LOOPBACK_TIME)?;
        let row = |from: &str, cell: &dyn Fn(&'static str) -> String| {
            let figures = NAMES.iter().map(|figure| cell(figure)).collect();
            [vec![name.to_owned(), from.to_owned()], figures, vec![format!("{loopback:.0}")]].concat()
        };
        let is_compared = |figure| disturbance.compared.contains(&figure);
        report.row(&row("arithmetic", &|figure| {
            format!("{:.2}{}", expected.get(figure), if is_compared(figure) { "*" } else { "" })
        }));
        for mode in bench.modes() {
            let (services, stop) = (disturbance.services.clone(), disturbance.stop);
            bench.server.begin(Behaviour { services, servers: None, stop });
            let args = vec!["--when-busy".to_owned(), mode.to_owned()];
            let load = Load { rate: rate as f64, seconds, connections: CONNECTIONS, args };
            let (reported, _) = load.run_recorded(&bench.server.url())?;
            let response = reported.response;
            for figure in disturbance.compared {
                let (reported, expected) = (response.get(figure), expected.get(figure));
                let what = format!("{name}, {mode}, {figure}");
                let with_loopback = expected + loopback / 1e3;
                report.check(Check { what, unit: "ms", reported, expected: with_loopback, bound: BOUND * expected });
            }
            report.row(&row(mode, &|figure| format!("{:.2}", response.get(figure))));
        }
    }
    Ok(())
}
