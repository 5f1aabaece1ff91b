use hdrhistogram::Histogram;
use regex::Regex;

use super::*;
use crate::report::generator_text::tests::troubled;
use crate::stats::latency_histogram;

/// The output of Gil Tene's wrk2 against a slow server, without its `-nan`s. Mean and deviation are those of the values
/// in the spectrum, which are rounded.
const SLOW: &str = include_str!("golden/slow.txt");
/// The spectrum that the same program printed after 3 s against a fast server.
const SHORT: &str = include_str!("golden/short-spectrum.txt");
/// The output of DeathStarBench's wrk2 for several URLs, with latencies of 0.
const MULTI: &str = include_str!("golden/multi.txt");

/// A histogram with the counts of a printed spectrum.
fn histogram_of(spectrum: &str) -> Histogram<u64> {
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

fn numbers(h: &Histogram<u64>) -> Wrk2Statistics<'_> {
    Wrk2Statistics {
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

fn report(numbers: Wrk2Statistics<'_>) -> Wrk2Report<'_> {
    Wrk2Report {
        calibration: &[],
        latencies_file: None,
        total: numbers,
        targets: &[],
        options: Wrk2Options::default(),
        generator: "",
    }
}

#[test]
fn a_long_report_equals_wrk2s() {
    let h = histogram_of(SLOW);
    let c = |mean_latency_ms| ThreadCalibration { mean_latency_ms, interval: Time::from_millis(16_924) };
    let calibration = [c(4801.105), c(4801.334)];
    let options = Wrk2Options { latency: true, ..Wrk2Options::default() };
    let urls = ["http://127.0.0.1:8001/slow".to_owned()];
    let head = format_header(&Wrk2Header { urls: &urls, threads: 2, connections: 4, duration: Time::from_secs(14) });
    let body = format_report(&Wrk2Report { calibration: &calibration, options, ..report(numbers(&h)) });
    assert_eq!(head + &body, SLOW);
}

#[test]
fn a_spectrum_equals_wrk2s() {
    let h = histogram_of(SHORT);
    assert_eq!(h.len(), 600);
    let options = Wrk2Options { latency: true, ..Wrk2Options::default() };
    let text = format_report(&Wrk2Report { options, ..report(numbers(&h)) });
    assert_eq!(spectrum_of(&text), SHORT.lines().collect::<Vec<_>>());
    assert!(text.contains("\n 99.900%    1.80ms\n 99.990%    2.86ms\n"), "{text}");
}

#[test]
fn a_report_of_several_urls_equals_that_of_deathstarbench() {
    let h = latency_histogram();
    let one = |requests, bytes, us: u64| Wrk2Statistics {
        sent: requests,
        requests,
        bytes,
        runtime: Time(us * 1000),
        ..numbers(&h)
    };
    let urls = ["http://127.0.0.1:8000/".to_owned(), "http://127.0.0.1:8001/".to_owned()];
    let targets =
        [(urls[0].clone(), one(2398, 513_167, 12_003_200)), (urls[1].clone(), one(2397, 297_226, 12_002_500))];
    let c = |mean_latency_ms| ThreadCalibration { mean_latency_ms, interval: Time::from_millis(10) };
    let options = Wrk2Options { dsb: true, separate: true, sent: true, ..Wrk2Options::default() };
    let head = format_header(&Wrk2Header { urls: &urls, threads: 1, connections: 4, duration: Time::from_secs(12) });
    let (calibration, total) = ([c(0.179), c(0.027)], one(4795, 810_404, 12_003_100));
    let body = format_report(&Wrk2Report { calibration: &calibration, targets: &targets, options, ..report(total) });
    assert_eq!(head + &body, MULTI);
}

#[test]
fn several_urls_have_a_spectrum_each_and_one_of_the_sums() {
    let h = histogram_of(SHORT);
    let targets = ["http://a/", "http://b/"].map(|url| (url.to_owned(), numbers(&h)));
    let options = Wrk2Options { latency: true, dsb: true, separate: true, ..Wrk2Options::default() };
    let report = Wrk2Report { targets: &targets, options, generator: "ours\n", ..report(numbers(&h)) };
    let blocks = format_blocks(&report);
    let rule = "-".repeat(71);
    let around = |title: &str, then: &str| {
        let head = format!("%\n  Latency Distribution (HdrHistogram - {title})\n 50.000%  ");
        (head, format!("SubBuckets     =         2048]\n{rule}\n{then}184 requests in"))
    };
    let each = around("Recorded Latency", "  ");
    let overall = around("Recorded Overall Latency", "ours\n  Overall ");
    for (block, (head, foot)) in blocks.iter().zip([&each, &each, &overall]) {
        assert!(block.contains(head) && block.contains(foot), "{block}");
    }
    assert!(blocks[1].starts_with(&format!("\n{rule}\nTest Results @ http://b/ \n  Thread Stats")), "{}", blocks[1]);
    assert!(blocks.iter().all(|block| block.ends_with("Transfer/sec:      1.62KB\n")), "{blocks:?}");
    assert!(!blocks[1].contains("ours") && blocks[2].contains("\nours\n  Overall 184 requests in"), "{blocks:?}");
    assert_eq!((blocks.len(), blocks.concat()), (3, format_report(&report)));

    let options = Wrk2Options { separate: false, ..options };
    let overall = format_blocks(&Wrk2Report { options, ..report });
    assert_eq!(overall, [blocks[2].clone()]);
}

#[test]
fn errors_are_printed_for_each_url_or_else_for_all() {
    let h = latency_histogram();
    let errors = ErrorCounts { read: 3, status: 2, ..ErrorCounts::default() };
    let targets = ["http://a/", "http://b/"].map(|url| (url.to_owned(), Wrk2Statistics { errors, ..numbers(&h) }));
    let counts = |separate| {
        let options = Wrk2Options { separate, ..Wrk2Options::default() };
        let text = format_report(&Wrk2Report {
            targets: &targets,
            options,
            ..report(Wrk2Statistics { errors, ..numbers(&h) })
        });
        (text.matches("  Socket errors: connect 0, read 3").count(), text.matches("responses: 2\n").count())
    };
    assert_eq!((counts(true), counts(false)), ((2, 2), (1, 1)));
}

#[test]
fn the_uncorrected_distribution_follows_the_corrected_one() {
    let h = histogram_of(SHORT);
    let total = Wrk2Statistics { service: Some(&h), ..numbers(&h) };
    let options = Wrk2Options { latency: true, uncorrected: true, ..Wrk2Options::default() };
    let text = format_report(&Wrk2Report { options, ..report(total) });
    let between = "----\n\n  Latency Distribution (HdrHistogram - Uncorrected Latency \
        (measured without taking delayed starts into account))\n 50.000%  845.00us\n";
    assert!(text.contains(between), "{text}");
}

#[test]
fn a_report_without_samples_has_zeros() {
    let h = latency_histogram();
    let errors = ErrorCounts { timeout: 28, ..ErrorCounts::default() };
    let total = Wrk2Statistics { requests: 0, bytes: 0, runtime: Time::ZERO, errors, ..numbers(&h) };
    let options = Wrk2Options { latency: true, ..Wrk2Options::default() };
    let calibration = [ThreadCalibration { mean_latency_ms: f64::NAN, interval: Time::from_millis(10) }];
    insta::assert_snapshot!(format_report(&Wrk2Report { calibration: &calibration, options, ..report(total) }));
}

#[test]
fn the_regular_expressions_of_wrk2_parsers_match() {
    let h = histogram_of(SHORT);
    let errors = ErrorCounts { connect: 1, read: 2, write: 3, timeout: 4, status: 5 };
    let generator = &troubled().to_text();
    let text = format_report(&Wrk2Report { generator, ..report(Wrk2Statistics { errors, ..numbers(&h) }) });
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
        assert!(!generator.lines().any(|l| expression.is_match(l)), "{expression}\n{generator}");
    }
    assert!(text.contains("\n  Non-2xx or 3xx responses: 5\nRequests/sec:     13.13\n"), "{text}");
    assert!(text.contains(&format!("{generator}  184 requests in")), "{text}");
    let last: Vec<&str> = text.lines().rev().take(2).collect();
    assert!(last[1].starts_with("Requests/sec: ") && last[0].starts_with("Transfer/sec: "), "{text}");
}
