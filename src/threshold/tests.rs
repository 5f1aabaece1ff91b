use super::*;
use crate::arrivals::{ArrivalProcess, Arrivals, Rate, ThreadShare};
use crate::record::{Abort, LowerBounds, Outcome, RequestRecord};
use crate::stats::{lag_histogram, latency_histogram};
use crate::units::{Instant, Time};

fn condition(text: &str) -> Condition {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn abort_if(text: &str) -> AbortCondition {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn conditions_are_read_and_written() {
    for (text, written) in [
        ("p99>50ms", "p99>50ms"),
        (" p99.9 >= 1.5 s ", "p99.9>=1500ms"),
        ("mean<250us", "mean<250us"),
        ("max<=2m", "max<=120s"),
        ("service.p50>1ms", "service.p50>1ms"),
        ("send-lag.max>10ms", "send-lag.max>10ms"),
        ("errors>1%", "errors>1%"),
        ("errors > 0.5 %", "errors>0.5%"),
        ("unsent>2k", "unsent>2000"),
        ("unanswered>0", "unanswered>0"),
        ("goodput<99.9%", "goodput<99.9%"),
        ("rate<1.5k", "rate<1500"),
        ("rate<95%", "rate<95%"),
    ] {
        let read = condition(text);
        assert_eq!(read.to_string(), written);
        assert_eq!(condition(written), read);
    }
    assert_eq!(abort_if("errors>50%@5s").to_string(), "errors>50%@5s");
    assert_eq!(abort_if("errors>50%").to_string(), "errors>50%@10s");
}

#[test]
fn other_texts_are_refused_with_what_to_write() {
    let why = |text: &str| text.parse::<Condition>().unwrap_err().to_string();
    for text in ["", "p99", "p99=50ms", ">50ms", "p99>", "errors"] {
        assert!(why(text).contains("is not a condition. Write METRIC>LIMIT"), "{text}: {}", why(text));
    }
    for text in
        ["p>50ms", "p0>50ms", "p101>1ms", "p-1>1ms", "p1e1>1ms", "pinf>1ms", "latency>1ms", "service>1ms", "P99>1ms"]
    {
        assert!(why(text).contains("is not a metric. Choose one of: p50"), "{text}: {}", why(text));
    }
    insta::assert_snapshot!(why("p99>50"), @"`50` is not a limit for p99. Write a time with its unit, such as 500us, 50ms or 2s");
    insta::assert_snapshot!(why("p99>5%"), @"`5%` is not a limit for p99. Write a time with its unit, such as 500us, 50ms or 2s");
    insta::assert_snapshot!(why("errors>1ms"), @"`1ms` is not a limit for errors. Write a share of the requests, such as 1%, or a number of requests");
    insta::assert_snapshot!(why("goodput<0.99"), @"`0.99` is not a limit for goodput. Write a share of the requests from 0% to 100%, such as 99%");
    insta::assert_snapshot!(why("goodput<990%"), @"`990%` is not a limit for goodput. Write a share of the requests from 0% to 100%, such as 99%");
    insta::assert_snapshot!(why("rate<-5"), @"`-5` is not a limit for rate. Write a number of answers per second, such as 2k, or a share of the planned rate, such as 95%");
    insta::assert_snapshot!(why("errors>1%@5s"), @"`errors>1%@5s` has a window, but fail-if is about the whole run. Remove the @ and what follows it, or use abort-if");
    let why = |text: &str| text.parse::<AbortCondition>().unwrap_err().to_string();
    for text in ["errors>1%@", "errors>1%@x", "errors>1%@100ms", "errors>1%@11m"] {
        assert!(why(text).contains("is not a window. Write a time from 1s to 10m"), "{text}: {}", why(text));
    }
    insta::assert_snapshot!(why("unsent>1@5s"), @"unsent is known only at the end of a run. Use it with fail-if, or choose errors");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,20}", metric in "(p[0-9.]{1,5}|mean|errors|rate|goodput|[a-z.]{1,9})", sign in "[<>]=?", limit in "[0-9.]{1,6}(ms|s|%|k|)(@[0-9]{1,3}s)?") {
        let _ = text.parse::<AbortCondition>();
        for text in [text, format!("{metric}{sign}{limit}")] {
            if let Ok(condition) = text.parse::<Condition>() {
                assert_eq!(condition.to_string().parse::<Condition>(), Ok(condition));
            }
            if let Ok(condition) = text.parse::<AbortCondition>() {
                assert_eq!(condition.to_string().parse::<AbortCondition>(), Ok(condition));
            }
        }
    }
}

/// The result of a made-up run of 1000 requests, whose response times are 1 to 100 us. Further ones are lower bounds.
fn evaluate(text: &str, bounds: &[u64]) -> ThresholdResult {
    let (mut response, mut lower_bounds) = (latency_histogram(), LowerBounds::default());
    (1..=100).for_each(|us| response.saturating_record_n(us, 10));
    for us in bounds {
        response.saturating_record(*us);
        lower_bounds.add(&response, *us, 1);
    }
    let mut send_lag = lag_histogram();
    send_lag.saturating_record(40_000);
    condition(text).evaluate(&Measurements {
        requests: 1000,
        errors: 23,
        unanswered: 3,
        unsent: 0,
        good: Some((990, 1000)),
        rate: 99.5,
        planned_rate: 100.0,
        response: &response,
        lower_bounds: &lower_bounds,
        service: &latency_histogram(),
        send_lag: &send_lag,
    })
}

#[test]
fn a_run_passes_or_fails_and_the_text_says_why() {
    for (text, passed, shown) in [
        ("p99>100us", true, "p99 99.00us <= 100us"),
        ("p50>=50us", false, "p50 50.00us >= 50us"),
        ("max<200us", false, "max 100.00us < 200us"),
        ("mean>50us", false, "mean 50.50us > 50us"),
        ("errors>2%", false, "errors 2.3 % > 2 %"),
        ("errors>23", true, "errors 23 <= 23"),
        ("errors>=23", false, "errors 23 >= 23"),
        ("unanswered>0.3%", true, "unanswered 0.3 % <= 0.3 %"),
        ("unsent>0", true, "unsent 0 <= 0"),
        ("goodput<99%", true, "goodput 99 % >= 99 %"),
        ("rate<100", false, "rate 99.50/s < 100/s"),
        ("rate<95%", true, "rate 99.5 % >= 95 %"),
        ("send-lag.p99>50us", true, "send-lag.p99 40.03us <= 50us"),
        ("service.p99>1s", false, "service.p99 unknown, for lack of a sample, <= 1s is required"),
    ] {
        let result = evaluate(text, &[]);
        assert_eq!((result.passed, result.text.as_str()), (passed, shown), "{text}");
    }
    let result = evaluate("p99>100us", &[]);
    assert_eq!((result.unit.as_str(), result.limit, result.value), ("us", 100.0, Some(99.0)));
}

#[test]
fn a_lower_bound_below_a_limit_proves_nothing() {
    let bounds = [5; 30];
    let result = evaluate("p99>200us", &bounds);
    assert!(!result.passed && result.is_lower_bound, "{result:?}");
    assert_eq!(result.text, "p99 at least 99.00us, so it may be > 200us");
    assert_eq!(evaluate("p99>50us", &bounds).text, "p99 at least 99.00us > 50us");
    assert!(evaluate("p99<50us", &bounds).passed, "it is at least 99 us");
    assert!(!evaluate("p99<200us", &bounds).passed);
}

const S: u64 = 1_000_000_000;

/// A load of 100 requests/s with a timeout of 2 s, for 60 s.
fn watch(text: &str) -> AbortWatch {
    let arrivals = Arrivals::new(ArrivalProcess::Fixed, &Rate::constant(100.0), 1, ThreadShare::new(0, 1));
    let load = WatchedLoad {
        arrivals: vec![arrivals],
        arrivals_end: Instant(60 * S),
        timeout: Time::from_secs(2),
        slo: Some(Time::from_millis(100)),
    };
    AbortWatch::new(vec![abort_if(text)], load)
}

/// Runs the load second by second. `answer` gives the status and the response time in ms of the request due at so many ms;
/// `None` if it is never answered.
fn run(text: &str, answer: impl Fn(u64) -> Option<(u16, u64)>) -> Option<Abort> {
    let mut watch = watch(text);
    let mut records: Vec<RequestRecord> = (0..6000u64)
        .filter_map(|i| {
            let due = Instant(i * 10_000_000);
            let (status, took) = answer(i * 10)?;
            let mut record = RequestRecord::planned(i, due, 0);
            (record.ready, record.sent, record.end) = (due, due, due.plus(Time::from_millis(took)));
            record.status = status;
            record.set_outcome(Outcome::Answered);
            record.set_last(true);
            Some(record)
        })
        .collect();
    records.sort_by_key(|record| record.end);
    let mut records = records.iter().peekable();
    (1..70).find_map(|second| {
        let now = Instant(second * S);
        while let Some(record) = records.next_if(|record| record.end < now) {
            watch.add(record);
        }
        watch.check(now)
    })
}

#[test]
fn a_healthy_load_is_not_aborted() {
    for text in ["errors>0%@1s", "p99>100ms@5s", "rate<95%@2s", "goodput<100%", "send-lag.max>1ms@1s"] {
        assert_eq!(run(text, |_| Some((200, 10))), None, "{text}");
    }
}

#[test]
fn errors_of_the_last_seconds_abort_a_load() {
    let abort = run("errors>50%@5s", |due| Some((if due < 20_000 { 200 } else { 503 }, 10))).unwrap();
    assert!((22.0..25.0).contains(&abort.at.as_secs_f64()) && abort.value > 50.0, "{abort:?}");
    // Half a second of them is not half of 5 s.
    let short = |due| Some((if (20_000..20_500).contains(&due) { 503 } else { 200 }, 10));
    assert_eq!(run("errors>50%@5s", short), None);
    assert!(run("errors>40%@1s", short).is_some());
}

#[test]
fn a_server_that_hangs_aborts_a_load() {
    let hangs = |due| (due < 20_000).then_some((200, 10));
    let abort = run("errors>50%@5s", hangs).unwrap();
    // The first ones time out at second 22.
    assert!((22.0..28.0).contains(&abort.at.as_secs_f64()), "{abort:?}");
    let abort = run("p50>1s@5s", hangs).unwrap();
    assert!((22.0..28.0).contains(&abort.at.as_secs_f64()), "{abort:?}");
    let abort = run("rate<50%@2s", hangs).unwrap();
    assert!((21.0..23.0).contains(&abort.at.as_secs_f64()), "{abort:?}");
    // A server that is slower than the timeout, and answers.
    assert_eq!(run("errors>90%@5s", |_| Some((200, 1500))), None);
}

#[test]
fn no_condition_holds_before_its_window_is_over() {
    let abort = run("errors>10%@10s", |_| Some((500, 1))).unwrap();
    assert!((10.0..11.5).contains(&abort.at.as_secs_f64()), "{abort:?}");
}

#[test]
fn only_the_condition_that_held_has_failed() {
    let thresholds = Thresholds { fail_if: vec![], abort_if: vec![abort_if("errors>50%@5s"), abort_if("p99>1s@5s")] };
    let abort = Abort { condition: "errors>50%@5s".to_owned(), at: Instant(12 * S), value: 63.25 };
    let results: Vec<_> = thresholds.abort_if.iter().map(|condition| condition.result(Some(&abort))).collect();
    assert_eq!(results.iter().map(|result| result.passed).collect::<Vec<_>>(), [false, true]);
    assert_eq!(results[0].text, "errors 63.25 % > 50 % over 5s, at 12.0 s");
    assert_eq!(results[1].text, "p99 never > 1s over 5s");
    assert_eq!(thresholds.describe(&abort), results[0].text);
}
