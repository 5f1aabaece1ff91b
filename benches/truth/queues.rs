//! Queues whose response times are known: from formulas, from the due times and service times, and from the log of the
//! server.

use std::io;
use std::time::Duration;

use metawrk::stats::percentile;
use metawrk::units::{Instant, Time};

use crate::Bench;
use crate::closed_form::{Kind, Queue};
use crate::figures::{Check, Figures};
use crate::floor::Client;
use crate::generator::{Load, Row};
use crate::loopback;
use crate::report::Report;
use crate::server::{Behaviour, Logged};
use crate::simulation::{Sample, sampling_deviation};

const SERVICE: Duration = Duration::from_millis(5);
const SEED: u64 = 1;
/// How many simulated runs the sampling deviation is from.
const SAMPLES: u64 = 200;
/// Enough that no request waits for a connection.
const CONNECTIONS: usize = 200;
/// The figures that are compared.
const COMPARED: [&str; 4] = ["mean", "p50", "p90", "p99"];
/// The greatest median of the differences to the log of the server, without the loopback, in us.
const LOG_BOUND: f64 = 30.0;
/// How long the loopback is measured for each queue.
const LOOPBACK_TIME: Duration = Duration::from_secs(4);

const CASES: [(&str, f64, Kind); 5] = [
    ("M/M/1, load 0.3", 60.0, Kind::Exponential { servers: 1 }),
    ("M/M/1, load 0.6", 120.0, Kind::Exponential { servers: 1 }),
    ("M/M/1, load 0.8", 160.0, Kind::Exponential { servers: 1 }),
    ("M/D/1, load 0.6", 120.0, Kind::Fixed),
    ("M/M/3, load 0.8", 480.0, Kind::Exponential { servers: 3 }),
];

pub fn run(bench: &Bench, report: &mut Report) -> io::Result<()> {
    let seconds = if bench.quick { 10 } else { 30 };
    let end = Instant::START.plus(Time::from_secs(seconds));
    let title = format!(
        "Queues with a mean service time of {} ms, {seconds} s each. Response times in ms; \"added\" is the median over all \
         requests of the response time minus the server's own, \"loopback\" what of it both ways over the loopback take a \
         client that sleeps before each request, in us",
        SERVICE.as_millis()
    );
    report.begin_table(&title, &[&["queue", "from"], COMPARED.as_slice(), &["added", "loopback"]].concat());
    for (name, rate, kind) in CASES {
        let queue = Queue { rate, service: SERVICE, kind };
        let sample = Sample::draw(&queue, SEED, end);
        let exact = Figures::of(&sample.response_times(queue.servers()));
        let (formula, deviation) = (formula(&queue), sampling_deviation(&queue, end, SAMPLES));
        let with_deviation = |f| format!("{:.2} ± {:.2}", formula.get(f), deviation.get(f));
        report.row(&cells(name, "formula ± sd", COMPARED.map(with_deviation), ["", ""]));
        report.row(&cells(name, "known times", in_ms(&exact), ["", ""]));
        let loopback = loopback::measure(bench, Client::SleepsBeforeRequest, CONNECTIONS, rate as u32, LOOPBACK_TIME)?;
        for mode in bench.modes() {
            let (response, added) = measure(bench, &queue, &sample, mode, seconds)?;
            for figure in COMPARED {
                report.check(Check {
                    what: format!("{name}, {mode}, {figure}"),
                    unit: "ms",
                    reported: response.get(figure),
                    expected: formula.get(figure),
                    bound: 2.0 * deviation.get(figure),
                });
            }
            let what = format!("{name}, {mode}, added");
            report.check(Check { what, unit: "us", reported: added, expected: loopback, bound: LOG_BOUND });
            let added = [added, loopback].map(|us| format!("{us:.0}"));
            report.row(&cells(name, mode, in_ms(&response), added));
        }
    }
    Ok(())
}

fn cells(queue: &str, from: &str, figures: [String; COMPARED.len()], added: [impl Into<String>; 2]) -> Vec<String> {
    [&[queue.to_owned(), from.to_owned()], figures.as_slice(), &added.map(Into::into)].concat()
}

fn in_ms(figures: &Figures) -> [String; COMPARED.len()] {
    COMPARED.map(|figure| format!("{:.2}", figures.get(figure)))
}

/// The figures of the steady state, in ms. There is no greatest response time.
fn formula(queue: &Queue) -> Figures {
    let [p50, p75, p90, p99, p99_9] = [50.0, 75.0, 90.0, 99.0, 99.9].map(|percent| queue.percentile(percent) * 1e3);
    Figures::new([queue.mean() * 1e3, p50, p75, p90, p99, p99_9, f64::INFINITY])
}

/// Runs a load on the queue. Returns what it reports, and the median of the time that it added in us.
fn measure(bench: &Bench, queue: &Queue, sample: &Sample, mode: &str, seconds: u64) -> io::Result<(Figures, f64)> {
    let services = sample.services.clone();
    bench.server.begin(Behaviour { services, servers: Some(queue.servers()), stop: None });
    let args = ["-D", "exp", "--seed", &SEED.to_string(), "--when-busy", mode].map(str::to_owned).to_vec();
    let load = Load { rate: queue.rate, seconds, connections: CONNECTIONS, args };
    let (reported, rows) = load.run_recorded(&bench.server.url())?;
    if !rows.iter().map(|row| Instant(row.due_ns)).eq(sample.due.iter().copied()) {
        return Err(io::Error::other(format!("the due times of {load:?} are not those of seed {SEED}")));
    }
    Ok((reported.response, added_time(&rows, &bench.server.log())))
}

/// The median over all requests of the reported response time minus the one in the log of the server, in us.
fn added_time(rows: &[Row], log: &[Logged]) -> f64 {
    let mut own = vec![None; rows.len()];
    for logged in log {
        if let Some(slot) = logged.request.and_then(|n| own.get_mut(n)) {
            *slot = Some(logged.time());
        }
    }
    let differences = rows.iter().zip(own).filter_map(|(row, own)| Some(row.response_time().0 as i64 - own?.0 as i64));
    percentile(&mut differences.collect::<Vec<i64>>(), 50.0).map_or(f64::NAN, |ns| ns as f64 / 1e3)
}
