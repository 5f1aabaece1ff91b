//! What files say of an attempt: the same columns under the same names, whatever the format.

use super::RequestRecord;
use crate::units::Instant;

type Row = RequestRecord;

/// How a column's values lie in a record. `Maybe*` columns are null at their greatest value.
/// The setters put what was read back; derived columns have none.
pub enum ColumnKind {
    Long(fn(&Row) -> u64, fn(&mut Row, u64)),
    MaybeLong(fn(&Row) -> u64, fn(&mut Row, u64)),
    Short(fn(&Row) -> u16, fn(&mut Row, u16)),
    MaybeInt(fn(&Row) -> u32, fn(&mut Row, u32)),
    Flag(fn(&Row) -> bool, fn(&mut Row, bool)),
    Outcome,
}

/// The columns, in order of the file.
pub const COLUMNS: &[(&str, ColumnKind)] = &[
    ("request", ColumnKind::Long(|r| r.request, |r, v| r.request = v)),
    ("attempt", ColumnKind::Short(|r| r.attempt, |r, v| r.attempt = v)),
    ("last", ColumnKind::Flag(Row::is_last, Row::set_last)),
    ("thread", ColumnKind::Short(|r| r.thread, |r, v| r.thread = v)),
    ("connection", ColumnKind::MaybeInt(|r| r.connection, |r, v| r.connection = v)),
    ("due_ns", ColumnKind::Long(|r| r.due.0, |r, v| r.due = Instant(v))),
    ("ready_ns", ColumnKind::MaybeLong(|r| r.ready.0, |r, v| r.ready = Instant(v))),
    ("sent_ns", ColumnKind::MaybeLong(|r| r.sent.0, |r, v| r.sent = Instant(v))),
    ("first_byte_ns", ColumnKind::MaybeLong(|r| r.first_byte.0, |r, v| r.first_byte = Instant(v))),
    ("end_ns", ColumnKind::MaybeLong(|r| r.end.0, |r, v| r.end = Instant(v))),
    ("bytes", ColumnKind::Long(|r| r.bytes, |r, v| r.bytes = v)),
    ("status", ColumnKind::Short(|r| r.status, |r, v| r.status = v)),
    ("outcome", ColumnKind::Outcome),
    ("timed_out", ColumnKind::Flag(Row::timed_out, Row::set_timed_out)),
    ("warmup", ColumnKind::Flag(Row::is_warmup, Row::set_warmup)),
    ("lower_bound", ColumnKind::Flag(Row::is_lower_bound, |_, _| ())),
    ("response_ns", ColumnKind::MaybeLong(|r| r.response_time().map_or(u64::MAX, |time| time.0), |_, _| ())),
];
