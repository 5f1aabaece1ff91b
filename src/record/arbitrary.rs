//! Arbitrary records, for property tests.

use proptest::prelude::*;

use super::{Outcome, RequestRecord};
use crate::units::Instant;

pub(crate) fn records() -> impl Strategy<Value = Vec<RequestRecord>> {
    prop::collection::vec(record(), 0..20)
}

fn instant() -> impl Strategy<Value = Instant> {
    prop_oneof![Just(Instant::NEVER.0), any::<u64>(), 0..200_000_000_000u64].prop_map(Instant)
}

fn record() -> impl Strategy<Value = RequestRecord> {
    let instants = (any::<u64>().prop_map(Instant), instant(), instant(), instant(), instant(), instant());
    let rest = (any::<u64>(), any::<u32>(), any::<u16>(), any::<u16>(), any::<u16>(), 0..Outcome::ALL.len());
    (1..u64::MAX, instants, rest, any::<[bool; 3]>()).prop_map(|(request, instants, rest, flags)| {
        let (due, ready, sent, first_byte, end, seen) = instants;
        let (bytes, connection, status, thread, attempt, outcome) = rest;
        let mut record = RequestRecord {
            ready,
            sent,
            first_byte,
            end,
            seen,
            bytes,
            connection,
            status,
            attempt,
            ..RequestRecord::planned(request, due, thread)
        };
        record.set_outcome(Outcome::ALL[outcome]);
        record.set_last(flags[0]);
        record.set_timed_out(flags[1]);
        record.set_warmup(flags[2]);
        record
    })
}
