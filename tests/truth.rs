//! The arithmetic of `cargo bench --bench truth`: formulas, simulation and bounds.

#[path = "../benches/truth/closed_form.rs"]
mod closed_form;
#[path = "../benches/truth/figures.rs"]
mod figures;
#[path = "../benches/truth/simulation.rs"]
mod simulation;

use std::time::Duration;

use closed_form::{Kind, Queue, erlang_c};
use figures::{Check, Figures, NAMES};
use metawrk::units::{Instant, Time};
use simulation::{FifoServers, Sample, sampling_deviation};

/// A queue with a mean service time of 5 ms.
fn queue(rate: f64, kind: Kind) -> Queue {
    Queue { rate, service: Duration::from_millis(5), kind }
}

fn mmk(rate: f64, servers: usize) -> Queue {
    queue(rate, Kind::Exponential { servers })
}

#[track_caller]
fn assert_near(a: f64, b: f64, relative: f64) {
    assert!((a - b).abs() <= relative * b.abs(), "{a} is not {b}");
}

fn ms(values: &[u64]) -> Vec<Time> {
    values.iter().map(|ms| Time::from_millis(*ms)).collect()
}

#[test]
fn erlang_c_has_its_published_values() {
    assert_near(erlang_c(3, 2.4), 0.64719, 1e-4);
    // One server: the share of the time in which it is busy.
    assert_near(erlang_c(1, 0.3), 0.3, 1e-12);
    // Two servers, by hand: 2 rho^2 / (1 + rho).
    assert_near(erlang_c(2, 1.0), 1.0 / 3.0, 1e-12);
}

#[test]
fn response_times_of_one_exponential_server_are_exponential() {
    let queue = mmk(160.0, 1);
    assert_near(queue.mean(), 1.0 / 40.0, 1e-12);
    assert_near(queue.percentile(50.0), 2f64.ln() / 40.0, 1e-9);
    assert_near(queue.percentile(99.0), 100f64.ln() / 40.0, 1e-9);
}

#[test]
fn three_servers_at_a_load_of_0_8() {
    let queue = mmk(480.0, 3);
    // Erlang C / (3 mu - lambda) + 1 / mu
    assert_near(queue.mean(), 0.64719 / 120.0 + 0.005, 1e-4);
    assert_near(queue.share_longer(0.0), 1.0, 1e-12);
    assert_mean_is_area(&queue);
    // The drain rate is that of one server: the limit of the formula.
    assert_mean_is_area(&mmk(400.0, 3));
}

#[test]
fn a_server_with_a_fixed_time() {
    let queue = queue(120.0, Kind::Fixed);
    // 1 + rho / (2 (1 - rho)) service times
    assert_near(queue.mean(), 0.005 * 1.75, 1e-12);
    assert_near(queue.share_longer(0.004_999), 1.0, 1e-12);
    // A request that finds the server free, with probability 1 - rho, takes the service time.
    assert_near(queue.share_longer(0.005), 0.6, 1e-9);
    assert_mean_is_area(&queue);
}

/// The mean is the integral of the probability to take longer.
#[track_caller]
fn assert_mean_is_area(queue: &Queue) {
    let step = 1e-5;
    let area: f64 = (0..15_000).map(|i| queue.share_longer((i as f64 + 0.5) * step) * step).sum();
    assert_near(area, queue.mean(), 1e-4);
}

#[test]
fn a_request_waits_for_the_server_that_is_free_first() {
    let mut servers = FifoServers::new(2);
    let at = |ms| Instant::START.plus(Time::from_millis(ms));
    let departures = ms(&[10, 3, 4, 1]).into_iter().map(|service| servers.serve(at(0), service));
    assert_eq!(departures.collect::<Vec<_>>(), [at(10), at(3), at(7), at(8)]);
    assert_eq!(servers.serve(at(20), Time::from_millis(1)), at(21), "an idle server serves at once");
    let mut unlimited = FifoServers::unlimited();
    assert_eq!([5, 5].map(|service| unlimited.serve(at(1), Time::from_millis(service))), [at(6), at(6)]);
}

#[test]
fn a_simulation_has_the_figures_of_the_formula() {
    for queue in [mmk(60.0, 1), mmk(120.0, 1), queue(120.0, Kind::Fixed), mmk(480.0, 3)] {
        let sample = Sample::draw(&queue, 1, Instant::START.plus(Time::from_secs(1000)));
        let figures = Figures::of(&sample.response_times(queue.servers()));
        assert_near(figures.get("mean"), queue.mean() * 1e3, 0.02);
        assert_near(figures.get("p50"), queue.percentile(50.0) * 1e3, 0.02);
        assert_near(figures.get("p99"), queue.percentile(99.0) * 1e3, 0.04);
    }
}

#[test]
fn a_sample_varies_less_in_a_longer_run() {
    let queue = mmk(120.0, 1);
    let deviation = |s| sampling_deviation(&queue, Instant::START.plus(Time::from_secs(s)), 200).get("mean");
    // Over four times the time, half as much.
    assert_near(deviation(40) / deviation(10), 0.5, 0.2);
}

#[test]
fn the_same_seed_gives_the_same_sample() {
    let draw = |seed| {
        let sample = Sample::draw(&mmk(60.0, 1), seed, Instant::START.plus(Time::from_secs(5)));
        (sample.due, sample.services)
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn figures_of_a_hundred_times() {
    let figures = Figures::of(&ms(&(1..=100).collect::<Vec<_>>()));
    let expected = [50.5, 50.0, 75.0, 90.0, 99.0, 100.0, 100.0];
    assert_eq!(NAMES.map(|name| figures.get(name)), expected);
    assert_eq!(Figures::deviation(&[Figures::new([1.0; 7]), Figures::new([3.0; 7])]).get("p50"), 2f64.sqrt());
}

#[test]
fn a_check_holds_up_to_its_bound() {
    let check = |reported| Check { what: "p50".into(), unit: "ms", reported, expected: 2.0, bound: 0.5 };
    assert!(check(2.5).holds() && check(1.5).holds());
    assert!(!check(2.51).holds() && !check(1.49).holds() && !check(f64::NAN).holds());
    insta::assert_snapshot!(check(2.51), @"p50: 2.510 ms, expected 2.000 ms within 0.500 ms");
}
