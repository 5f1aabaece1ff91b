use std::collections::BTreeMap;

use proptest::prelude::*;

use super::request_sample::SampleRows;
use super::*;
use crate::record::Outcome;
use crate::units::{Instant, Time};

const MS: u64 = 1_000_000;

/// The frame of a run of 60 s, with a baseline from 5 to 15 s.
fn frame() -> Frame {
    let at = |second: u64| Instant(second * 1000 * MS);
    let steps = |from, count| BacklogSteps { from, step: Time::from_secs(1), count };
    let baseline = Baseline { from: at(5), to: at(15), goodput: 0.1 + 0.2, slo: Time::from_secs(1) };
    Frame {
        warmup_end: at(5),
        arrivals_end: at(60),
        axis_end: at(62),
        threads: 3,
        slo: Some(Time::from_secs(1)),
        judged: Some(JudgedFrame {
            planned_end: at(60),
            planned_requests: 6000,
            bin: Time::from_secs(1),
            anchors: vec![at(15), Instant(35_400 * MS)],
            baseline: Some(baseline),
            failures: (baseline.from, baseline.to),
            baseline_backlog: steps(at(5), 10),
            last_backlog: steps(at(30), 30),
            max_send_lag: Time::from_millis(10),
        }),
    }
}

prop_compose! {
    fn record()(
        number in 0u64..1000,
        due in 0u64..61_000,
        lag in prop_oneof![Just(None), (0u64..30 * MS).prop_map(Some)],
        took in prop_oneof![0u64..3_000_000, 0u64..5_000 * MS],
        (outcome, status) in prop_oneof![
            4 => Just((Outcome::Answered, 200)),
            1 => Just((Outcome::Answered, 503)),
            1 => (0usize..7).prop_map(|i| (Outcome::ALL[i], 0)),
        ],
        thread in 0u16..4,
        attempt in 0u16..3,
        is_last in prop::bool::weighted(0.9),
        is_warmup in prop::bool::weighted(0.1),
        bytes in 0u64..1000,
    ) -> RequestRecord {
        let mut record = RequestRecord::planned(number, Instant(due * MS), thread);
        record.ready = record.due;
        record.sent = lag.map_or(Instant::NEVER, |lag| record.ready.plus(Time(lag)));
        record.end = record.due.plus(Time(took));
        record.seen = record.end.plus(Time(took % 50_000));
        (record.status, record.attempt, record.bytes) = (status, attempt, bytes);
        record.set_outcome(outcome);
        record.set_last(is_last);
        record.set_warmup(is_warmup);
        record
    }
}

fn records() -> impl Strategy<Value = Vec<RequestRecord>> {
    prop::collection::vec(record(), 0..80)
}

fn origin() -> DigestOrigin {
    DigestOrigin::new(BTreeMap::from([("requests.parquet".to_owned(), "12ab".to_owned())]), "34cd".to_owned())
}

fn format(digest: &Digest) -> Vec<u8> {
    let mut text = Vec::new();
    format_digest(&mut text, &origin(), digest).unwrap();
    text
}

fn parse(text: &[u8]) -> Result<Option<Digest>, String> {
    Ok(parse_digest(text, |found| *found == origin())?.map(|(_, digest)| digest))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However records are divided among digests, and in whatever order these are merged.
    #[test]
    fn the_digest_of_all_records_is_the_sum_of_the_digests_of_their_parts(
        records in records(),
        parts in prop::collection::vec(0usize..3, 80),
        order in Just([0, 1, 2]).prop_shuffle(),
    ) {
        let whole = Digest::of(frame(), &records);
        let of_part = |part| {
            let chosen = records.iter().zip(&parts).filter(move |(_, of)| **of == part).map(|(record, _)| record);
            Digest::of(frame(), chosen)
        };
        let digests = order.map(of_part);
        let mut left = digests[0].clone();
        left.merge(&digests[1]).unwrap();
        left.merge(&digests[2]).unwrap();
        prop_assert_eq!(&left, &whole);
        let mut right = digests[1].clone();
        right.merge(&digests[2]).unwrap();
        let mut first = digests[0].clone();
        first.merge(&right).unwrap();
        prop_assert_eq!(&first, &whole);
    }

    #[test]
    fn columns_that_it_does_not_use_do_not_change_it(records in records(), connection in any::<u32>()) {
        for column in ["connection", "first_byte_ns", "lower_bound", "response_ns"] {
            assert!(!Digest::uses(column));
        }
        let unused = |record: &RequestRecord| RequestRecord { connection, first_byte: Instant(7), ..*record };
        let others: Vec<_> = records.iter().map(unused).collect();
        prop_assert_eq!(Digest::of(frame(), &others), Digest::of(frame(), &records));
    }

    #[test]
    fn a_written_digest_is_read_as_it_was(records in records()) {
        let digest = Digest::of(frame(), &records);
        let text = format(&digest);
        prop_assert_eq!(parse(&text).unwrap(), Some(digest));
    }

    #[test]
    fn a_sample_has_the_requests_of_the_least_ranks(numbers in prop::collection::vec(0u64..200, 1..60), most in 1usize..40) {
        let mut kept = request_sample::BottomK::default();
        let one = |request: u64| request_sample::sampled(request);
        numbers.iter().for_each(|&number| kept.add(one(number), most));
        let mut all: Vec<_> = numbers.iter().map(|&number| one(number)).collect();
        all.sort_unstable();
        all.truncate(most);
        prop_assert_eq!(kept.sorted(), all);
    }

    /// Nothing of this can be the digest of another run, or stop the program.
    #[test]
    fn damaged_bytes_are_an_error_or_a_digest_that_can_be_used(
        records in records(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4),
    ) {
        let mut text = format(&Digest::of(frame(), &records));
        for (at, bit) in damage {
            let at = at.index(text.len());
            text[at] ^= 1 << bit;
        }
        if let Ok(Some(digest)) = parse(&text) {
            let mut sum = digest.clone();
            sum.merge(&digest).unwrap();
            prop_assert!(sum.cohorts.unwrap().last_backlog.points().len() == 31);
        }
    }
}

#[test]
fn digests_of_different_runs_are_not_merged() {
    let mut digest = Digest::new(frame());
    let other = Digest::new(Frame { slo: Some(Time::from_secs(2)), ..frame() });
    assert_eq!(digest.merge(&other), Err(OtherFrame));
    assert_eq!(digest, Digest::new(frame()));
}

#[test]
fn numbers_that_no_run_has_are_an_error() {
    let digest = Digest::of(frame(), &[]);
    let text = String::from_utf8(format(&digest)).unwrap();
    assert_eq!(parse(text.as_bytes()).unwrap(), Some(digest));
    for (from, to) in [
        ("\"axis_end\":62000000000", "\"axis_end\":18446744073709551615"),
        ("\"bin_ns\":1000000000", "\"bin_ns\":0"),
        ("\"bin_ns\":1000000000", "\"bin_ns\":1"),
        ("\"records\":0", "\"records\":18446744073709551615"),
        ("\"lags\":0", "\"lags\":18446744073709551615"),
        ("\"response_us\":[]", "\"response_us\":[[18446744073709551615,1]]"),
        ("\"step_ns\":62000000,", "\"step_ns\":0,"),
        ("\"last_backlog\":[0,", "\"last_backlog\":[9223372036854775807,"),
        ("{\"thread\":[2,", "{\"thread\":[3,"),
        ("\"scheduled\":0,\"good\":0}", "\"scheduled\":18446744073709551615,\"good\":0}"),
    ] {
        assert!(text.contains(from), "{from}: {text}");
        let error = parse(text.replace(from, to).as_bytes()).unwrap_err();
        assert!(error.starts_with("line "), "{to}: {error}");
    }
    let no_frame: String = text.lines().take(1).map(|line| format!("{line}\n")).collect();
    assert_eq!(parse(no_frame.as_bytes()), Err("it has no frame".to_owned()));
    assert_eq!(parse(&text.as_bytes()[..text.len() - 1]), Err("its end is missing".to_owned()));
}

#[test]
fn a_digest_of_other_data_or_another_version_is_not_used() {
    let text = format(&Digest::new(frame()));
    let of = |sum: &str| BTreeMap::from([("requests.parquet".to_owned(), sum.to_owned())]);
    let is_read = |sum: &str| parse_digest(&text, |origin| origin.is_of(&of(sum))).unwrap().is_some();
    assert!(is_read("12ab") && !is_read("12ac"));
    let other = String::from_utf8(text).unwrap().replacen("\"digest\":", "\"digest\":9", 1);
    assert_eq!(parse(other.as_bytes()), Ok(None));
    assert_eq!(parse(b"{\"digest\":93}\n"), Ok(None));
}

#[test]
fn a_sample_of_more_requests_than_there_were_is_an_error() {
    let rows = |text: &str| serde_json::from_str::<SampleRows>(text).unwrap().into_sample();
    let one = "[[7,0,5,9,\"successful\"]]";
    assert!(rows(&format!("{{\"successful\":1,\"others\":0,\"requests\":{one}}}")).unwrap().is_whole());
    assert!(!rows(&format!("{{\"successful\":3,\"others\":0,\"requests\":{one}}}")).unwrap().is_whole());
    assert_eq!(rows(&format!("{{\"successful\":0,\"others\":1,\"requests\":{one}}}")), None);
}
