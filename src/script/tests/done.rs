use super::*;
use crate::record::ErrorCounts;
use crate::stats::latency_histogram;
use crate::units::Time;

/// Runs `done` with these latencies and rates.
fn done(text: &str, latencies: impl IntoIterator<Item = u64>, rates: &[f64]) {
    let mut histogram = latency_histogram();
    latencies.into_iter().for_each(|us| histogram.saturating_record(us));
    let summary = DoneSummary {
        duration: Time::from_secs(2),
        requests: 7,
        bytes: 8,
        errors: ErrorCounts { connect: 1, read: 2, write: 3, status: 4, timeout: 5 },
    };
    let main = main(&format!("function done(summary, latency, requests)\n{text}\nend")).unwrap();
    assert!(main.has_done());
    main.done(&summary, &histogram, rates).unwrap();
}

#[test]
fn done_gets_the_summary_and_both_sets_of_samples() {
    done(
        r#"
        assert(summary.duration == 2e6 and summary.requests == 7 and summary.bytes == 8)
        local e = summary.errors
        assert(e.connect == 1 and e.read == 2 and e.write == 3 and e.status == 4 and e.timeout == 5)
        assert(latency.min == 1 and latency.max == 100 and latency.mean == 50.5 and math.floor(latency.stdev) == 28)
        assert(latency:percentile(50) == 50 and latency:percentile(99.9) == 100 and latency:percentile(0) == 1)
        assert(requests.min == 10 and requests.max == 30 and requests.mean == 20 and requests.stdev == 10)
        assert(requests:percentile(50) == 20 and requests:percentile(100) == 30 and #requests == 3)
        assert(latency.other == nil)"#,
        1..=100,
        &[30.0, 10.0, 20.0],
    );
}

#[test]
fn sums_of_samples_are_right_in_scripts_for_wrk_and_for_wrk2() {
    done(
        r#"
        local of_wrk, of_wrk2, count = 0, 0, 0
        for i = 1, #latency do
            local value, n = latency(i)
            of_wrk, count = of_wrk + value * n, count + n
            of_wrk2 = of_wrk2 + latency[i]
        end
        assert(#latency == 1200 and count == 1200 and of_wrk == of_wrk2 and of_wrk == 2 * 180300, of_wrk)
        assert(latency[1] == 1 and latency[#latency] == 600)
        local value, n = latency(1201)
        assert(value == 600 and n == 0 and latency[0] == 1)"#,
        (1..=600).chain(1..=600),
        &[],
    );
}

#[test]
fn without_samples_all_statistics_are_zero() {
    done(
        r#"
        for _, none in ipairs { latency, requests } do
            assert(#none == 0 and none.min == 0 and none.max == 0 and none.mean == 0 and none.stdev == 0)
            assert(none:percentile(99) == 0 and none[1] == 0 and none(1) == 0 and select(2, none(1)) == 0)
        end"#,
        [],
        &[f64::NAN],
    );
}

#[test]
fn a_script_can_iterate_over_a_million_samples() {
    let mut histogram = latency_histogram();
    (0..1000).for_each(|us| histogram.saturating_record_n(us * us, 1000));
    let main =
        main("function done(_, l) local s = 0; for i = 1, #l do s = s + l[i] end; assert(s > 3e11) end").unwrap();
    main.done(&DoneSummary::default(), &histogram, &[]).unwrap();
}

#[test]
fn a_script_without_done_is_not_called() {
    let main = main("done = 5").unwrap();
    assert!(!main.has_done());
    main.done(&DoneSummary::default(), &latency_histogram(), &[]).unwrap();
}
