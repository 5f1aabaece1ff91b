//! Live metrics, scraped as Prometheus does.

mod support;

use std::path::Path;

use rustix::process::Signal;
use support::program::{METAWRK, WRK2, assert_refused, eventually, started};
use support::scrape::{Metrics, free_address, get};
use support::{OK, Server};

#[test]
fn a_load_serves_its_metrics_while_it_runs() {
    let server = Server::answering(OK);
    let (url, address) = (server.url(), free_address());
    let at = address.to_string();
    let wrk2 = started(WRK2, Path::new("."), &["-t1", "-c4", "-R200", "-d1h", "--prometheus", &at, &url]);
    let mut metrics = None;
    eventually("answers in the metrics", || {
        metrics = get(address, "/metrics").map(|(_, text)| Metrics::parse(&text));
        metrics.as_ref().is_some_and(|metrics| metrics.sum("metawrk_requests_total") > 0.0)
    });
    let metrics = metrics.unwrap();
    let (requests, good) = (metrics.sum("metawrk_requests_total"), metrics.sum("metawrk_good_requests_total"));
    assert_eq!(metrics.samples["metawrk_requests_total{outcome=\"answered\",status=\"200\"}"], requests);
    assert!(good <= requests && metrics.samples["metawrk_response_time_seconds_count"] == requests);
    assert_eq!(metrics.sum("metawrk_phase"), 1.0);
    assert_eq!(metrics.samples["metawrk_phase{phase=\"warm-up\"}"], 1.0);
    assert_eq!(metrics.samples["metawrk_connections"], 4.0);
    assert!(metrics.samples["metawrk_offered_requests_per_second"] > 199.0);
    let (head, _) = get(address, "/metrics").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(get(address, "/").unwrap().1.contains("/metrics"));
    wrk2.send(Signal::INT);
    let ended = wrk2.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_eq!(ended.err, format!("metrics for Prometheus: http://{address}/metrics\n"));
    assert!(get(address, "/metrics").is_none(), "nothing listens after the run");
}

#[test]
fn an_address_that_is_in_use_is_an_error_before_the_load() {
    let server = Server::answering(OK);
    let at = server.address.to_string();
    for args in [vec!["load", "-R10", "--prometheus", &at, &server.url()], vec!["experiment", "--prometheus", &at]] {
        let message = format!("cannot serve metrics at {at}");
        assert_refused(METAWRK, Path::new("."), &args, &message);
    }
    assert_refused(
        WRK2,
        Path::new("."),
        &["-R10", "--prometheus", "9464", &server.url()],
        "Write --prometheus HOST:PORT",
    );
    assert!(server.requests.lock().unwrap().is_empty());
}
