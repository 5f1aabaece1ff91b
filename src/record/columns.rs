//! The columns of a request record in files. All formats have the same columns with the same names.

use super::RequestRecord;
use crate::units::Instant;

type Row = RequestRecord;

/// The type of a column, with the getter and the setter of its value in a record. `Optional*` columns are null at the
/// greatest value of their type. Setters restore a record that is read from a file; those of derived columns do nothing.
pub enum ColumnKind {
    U64(fn(&Row) -> u64, fn(&mut Row, u64)),
    OptionalU64(fn(&Row) -> u64, fn(&mut Row, u64)),
    U16(fn(&Row) -> u16, fn(&mut Row, u16)),
    OptionalU32(fn(&Row) -> u32, fn(&mut Row, u32)),
    Bool(fn(&Row) -> bool, fn(&mut Row, bool)),
    Outcome,
}

/// The columns in the order of the files.
pub const COLUMNS: &[(&str, ColumnKind)] = &[
    ("request", ColumnKind::U64(|r| r.request, |r, v| r.request = v)),
    ("attempt", ColumnKind::U16(|r| r.attempt, |r, v| r.attempt = v)),
    ("last", ColumnKind::Bool(Row::is_last, Row::set_last)),
    ("thread", ColumnKind::U16(|r| r.thread, |r, v| r.thread = v)),
    ("connection", ColumnKind::OptionalU32(|r| r.connection, |r, v| r.connection = v)),
    ("due_ns", ColumnKind::U64(|r| r.due.0, |r, v| r.due = Instant(v))),
    ("ready_ns", ColumnKind::OptionalU64(|r| r.ready.0, |r, v| r.ready = Instant(v))),
    ("sent_ns", ColumnKind::OptionalU64(|r| r.sent.0, |r, v| r.sent = Instant(v))),
    ("first_byte_ns", ColumnKind::OptionalU64(|r| r.first_byte.0, |r, v| r.first_byte = Instant(v))),
    ("end_ns", ColumnKind::OptionalU64(|r| r.end.0, |r, v| r.end = Instant(v))),
    ("seen_ns", ColumnKind::OptionalU64(|r| r.seen.0, |r, v| r.seen = Instant(v))),
    ("bytes", ColumnKind::U64(|r| r.bytes, |r, v| r.bytes = v)),
    ("status", ColumnKind::U16(|r| r.status, |r, v| r.status = v)),
    ("outcome", ColumnKind::Outcome),
    ("timed_out", ColumnKind::Bool(Row::timed_out, Row::set_timed_out)),
    ("warmup", ColumnKind::Bool(Row::is_warmup, Row::set_warmup)),
    ("lower_bound", ColumnKind::Bool(Row::is_lower_bound, |_, _| ())),
    ("response_ns", ColumnKind::OptionalU64(|r| r.response_time().map_or(u64::MAX, |time| time.0), |_, _| ())),
];
