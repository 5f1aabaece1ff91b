use super::super::{NEVER, Outcome, RequestRecord};

type Row = RequestRecord;

/// How a column's values lie in a record. `Maybe*` columns are null at their greatest value.
/// The setters put what was read back; derived columns have none.
pub enum Kind {
    Long(fn(&Row) -> u64, fn(&mut Row, u64)),
    MaybeLong(fn(&Row) -> u64, fn(&mut Row, u64)),
    Short(fn(&Row) -> u16, fn(&mut Row, u16)),
    MaybeInt(fn(&Row) -> u32, fn(&mut Row, u32)),
    Flag(fn(&Row) -> bool, fn(&mut Row, bool)),
    Outcome,
}

/// The columns, in order of the file.
pub const COLUMNS: &[(&str, Kind)] = &[
    ("request", Kind::Long(|r| r.request, |r, v| r.request = v)),
    ("attempt", Kind::Short(|r| r.attempt, |r, v| r.attempt = v)),
    ("last", Kind::Flag(Row::is_last, Row::set_last)),
    ("thread", Kind::Short(|r| r.thread, |r, v| r.thread = v)),
    ("connection", Kind::MaybeInt(|r| r.connection, |r, v| r.connection = v)),
    ("intended_ns", Kind::Long(|r| r.intended, |r, v| r.intended = v)),
    ("ready_ns", Kind::MaybeLong(|r| r.ready, |r, v| r.ready = v)),
    ("sent_ns", Kind::MaybeLong(|r| r.sent, |r, v| r.sent = v)),
    ("first_byte_ns", Kind::MaybeLong(|r| r.first_byte, |r, v| r.first_byte = v)),
    ("end_ns", Kind::MaybeLong(|r| r.end, |r, v| r.end = v)),
    ("bytes", Kind::Long(|r| r.bytes, |r, v| r.bytes = v)),
    ("status", Kind::Short(|r| r.status, |r, v| r.status = v)),
    ("outcome", Kind::Outcome),
    ("timed_out", Kind::Flag(Row::timed_out, Row::set_timed_out)),
    ("warmup", Kind::Flag(Row::is_warmup, Row::set_warmup)),
    ("lower_bound", Kind::Flag(Row::is_lower_bound, |_, _| ())),
    ("response_ns", Kind::MaybeLong(|r| r.response_time().unwrap_or(NEVER), |_, _| ())),
];

/// The file's schema, in parquet's own notation.
pub fn schema() -> String {
    let fields: String = COLUMNS
        .iter()
        .map(|(name, kind)| match kind {
            Kind::Long(..) => format!("required int64 {name};\n"),
            Kind::MaybeLong(..) => format!("optional int64 {name};\n"),
            Kind::Short(..) => format!("required int32 {name} (INTEGER(16,false));\n"),
            Kind::MaybeInt(..) => format!("optional int32 {name} (INTEGER(32,false));\n"),
            Kind::Flag(..) => format!("required boolean {name};\n"),
            Kind::Outcome => format!("required binary {name} (STRING);\n"),
        })
        .collect();
    format!("message requests {{\n{fields}}}")
}

/// The outcome that a file names so.
pub fn outcome(name: &[u8]) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.name().as_bytes() == name)
}
