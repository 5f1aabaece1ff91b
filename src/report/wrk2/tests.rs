use hdrhistogram::Histogram;
use regex::Regex;

use super::*;
use crate::report::generator::tests::troubled;
use crate::stats::latency_histogram;

/// What Gil Tene's wrk2 printed against a slow server, less its `-nan`s; mean and deviation are those of the samples
/// as the spectrum rounds them.
const SLOW: &str = include_str!("golden/slow.txt");
/// The same program, 3 s against a fast one: the spectrum only.
const SHORT: &str = include_str!("golden/short-spectrum.txt");
/// DSB's, several URLs; latencies are 0.
const MULTI: &str = include_str!("golden/multi.txt");

/// A histogram with the counts of a printed spectrum.
fn rebuilt(spectrum: &str) -> Histogram<u64> {
    let mut h = latency_histogram();
    let mut before = 0;
    for line in spectrum.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [value, quantile, count, _] = fields[..]
            && let (Ok(ms), Ok(_), Ok(count)) = (value.parse::<f64>(), quantile.parse::<f64>(), count.parse::<u64>())
        {
            h.record_n((ms * 1e3).round() as u64, count - before).unwrap();
            before = count;
        }
    }
    h
}

fn spectrum_of(text: &str) -> Vec<&str> {
    text.lines().skip_while(|l| !l.contains("1/(1-Percentile)")).skip(2).take_while(|l| !l.starts_with('#')).collect()
}

fn tally(h: &Histogram<u64>) -> Tally<'_> {
    Tally {
        response: h,
        service: None,
        req_per_sec: Moments::default(),
        sent: 0,
        requests: 184,
        runtime: Time::from_millis(14_010),
        bytes: 23_184,
        errors: ErrorCounts::default(),
    }
}

fn report(tally: Tally<'_>) -> Report<'_> {
    Report { calibration: &[], latencies_file: None, total: tally, targets: &[], show: Show::default(), own: "" }
}

#[test]
fn a_long_report_is_wrk2s_to_the_character() {
    let h = rebuilt(SLOW);
    let c = |mean_latency_ms| Calibration { mean_latency_ms, interval_ms: 16924 };
    let calibration = [c(4801.105), c(4801.334)];
    let show = Show { latency: true, ..Show::default() };
    let urls = ["http://127.0.0.1:8001/slow".to_owned()];
    let head = header(&Header { urls: &urls, threads: 2, connections: 4, duration: Time::from_secs(14) });
    let body = text(&Report { calibration: &calibration, show, ..report(tally(&h)) });
    assert_eq!(head + &body, SLOW);
}

#[test]
fn a_spectrum_comes_out_line_for_line() {
    let h = rebuilt(SHORT);
    assert_eq!(h.len(), 600);
    let show = Show { latency: true, ..Show::default() };
    let text = text(&Report { show, ..report(tally(&h)) });
    assert_eq!(spectrum_of(&text), SHORT.lines().collect::<Vec<_>>());
    assert!(text.contains("\n 99.900%    1.80ms\n 99.990%    2.86ms\n"), "{text}");
}

#[test]
fn several_urls_have_dsbs_layout() {
    let h = latency_histogram();
    let one =
        |requests, bytes, us: u64| Tally { sent: requests, requests, bytes, runtime: Time(us * 1000), ..tally(&h) };
    let urls = ["http://127.0.0.1:8000/".to_owned(), "http://127.0.0.1:8001/".to_owned()];
    let targets =
        [(urls[0].clone(), one(2398, 513_167, 12_003_200)), (urls[1].clone(), one(2397, 297_226, 12_002_500))];
    let c = |mean_latency_ms| Calibration { mean_latency_ms, interval_ms: 10 };
    let show = Show { dsb: true, separate: true, sent: true, ..Show::default() };
    let head = header(&Header { urls: &urls, threads: 1, connections: 4, duration: Time::from_secs(12) });
    let (calibration, total) = ([c(0.179), c(0.027)], one(4795, 810_404, 12_003_100));
    let body = text(&Report { calibration: &calibration, targets: &targets, show, ..report(total) });
    assert_eq!(head + &body, MULTI);
}

#[test]
fn several_urls_have_a_spectrum_each_and_one_over_all() {
    let h = rebuilt(SHORT);
    let targets = ["http://a/", "http://b/"].map(|url| (url.to_owned(), tally(&h)));
    let show = Show { latency: true, dsb: true, separate: true, ..Show::default() };
    let report = Report { targets: &targets, show, own: "ours\n", ..report(tally(&h)) };
    let blocks = blocks(&report);
    let rule = "-".repeat(71);
    let around = |title: &str, then: &str| {
        let head = format!("%\n  Latency Distribution (HdrHistogram - {title})\n 50.000%  ");
        (head, format!("SubBuckets     =         2048]\n{rule}\n  {then}184 requests in"))
    };
    let each = around("Recorded Latency", "");
    for (block, (head, foot)) in blocks.iter().zip([&each, &each, &around("Recorded Overall Latency", "Overall ")]) {
        assert!(block.contains(head) && block.contains(foot), "{block}");
    }
    assert!(blocks[1].starts_with(&format!("\n{rule}\nTest Results @ http://b/ \n  Thread Stats")), "{}", blocks[1]);
    assert!(blocks[1].ends_with("Transfer/sec:      1.62KB\n") && blocks[2].ends_with("KB\nours\n"));
    assert_eq!((blocks.len(), blocks.concat()), (3, text(&report)));

    let show = Show { separate: false, ..show };
    let overall = super::blocks(&Report { show, ..report });
    assert_eq!(overall, [blocks[2].clone()]);
}

#[test]
fn errors_are_told_with_each_url_or_else_over_all() {
    let h = latency_histogram();
    let errors = ErrorCounts { read: 3, status: 2, ..ErrorCounts::default() };
    let targets = ["http://a/", "http://b/"].map(|url| (url.to_owned(), Tally { errors, ..tally(&h) }));
    let told = |separate| {
        let show = Show { separate, ..Show::default() };
        let text = text(&Report { targets: &targets, show, ..report(Tally { errors, ..tally(&h) }) });
        (text.matches("  Socket errors: connect 0, read 3").count(), text.matches("responses: 2\n").count())
    };
    assert_eq!((told(true), told(false)), ((2, 2), (1, 1)));
}

#[test]
fn uncorrected_latency_follows_the_recorded() {
    let h = rebuilt(SHORT);
    let total = Tally { service: Some(&h), ..tally(&h) };
    let show = Show { latency: true, uncorrected: true, ..Show::default() };
    let text = text(&Report { show, ..report(total) });
    let between = "----\n\n  Latency Distribution (HdrHistogram - Uncorrected Latency \
        (measured without taking delayed starts into account))\n 50.000%  845.00us\n";
    assert!(text.contains(between), "{text}");
}

#[test]
fn nothing_measured_is_zero_and_never_nan() {
    let h = latency_histogram();
    let errors = ErrorCounts { timeout: 28, ..ErrorCounts::default() };
    let total = Tally { requests: 0, bytes: 0, runtime: Time::ZERO, errors, ..tally(&h) };
    let show = Show { latency: true, ..Show::default() };
    let calibration = [Calibration { mean_latency_ms: f64::NAN, interval_ms: 10 }];
    insta::assert_snapshot!(text(&Report { calibration: &calibration, show, ..report(total) }));
}

#[test]
fn those_who_parse_wrk2_parse_ours() {
    let h = rebuilt(SHORT);
    let errors = ErrorCounts { connect: 1, read: 2, write: 3, timeout: 4, status: 5 };
    let own = &troubled().text();
    let text = text(&Report { own, ..report(Tally { errors, ..tally(&h) }) });
    for (expression, lines) in [
        (r"^\s+Latency\s+(\d+\.\d+\w*)\s+(\d+\.\d+\w*)\s+(\d+\.\d+\w*).*$", 1),
        (r"^\s+Req/Sec\s+(\d+\.\d+\w*)\s+(\d+\.\d+\w*)\s+(\d+\.\d+\w*).*$", 1),
        (r"^\s+(\d+)\ requests in (\d+\.\d+\w*)\,\ (\d+\.\d+\w*)\ read.*$", 1),
        (r"^Requests\/sec\:\s+(\d+\.*\d*).*$", 1),
        (r"^Transfer\/sec\:\s+(\d+\.*\d*\w+).*$", 1),
        (r"^\s+Socket errors:\ connect (\d+\w*)\,\ read (\d+\w*)\,\ write\ (\d+\w*)\,\ timeout\ (\d+\w*).*$", 1),
        (r"\b(nan|nanus|NaN|inf)\b|9223372036854776", 0),
    ] {
        let expression = Regex::new(expression).unwrap();
        assert_eq!(text.lines().filter(|l| expression.is_match(l)).count(), lines, "{expression}\n{text}");
    }
    assert!(text.contains("\n  Non-2xx or 3xx responses: 5\nRequests/sec:     13.13\n"), "{text}");
    assert!(text.ends_with(own));
}
