use super::super::Outcome;
use super::super::columns::{COLUMNS, ColumnKind};

/// The schema that files are written with, in parquet's own notation.
pub fn schema() -> String {
    with_names(|name| name)
}

/// The schemas that are read: the present one, and the one before due times were called so.
pub fn readable() -> [String; 2] {
    [schema(), with_names(|name| if name == "due_ns" { "intended_ns" } else { name })]
}

fn with_names(of: impl Fn(&'static str) -> &'static str) -> String {
    let fields: String = COLUMNS
        .iter()
        .map(|(name, kind)| (of(name), kind))
        .map(|(name, kind)| match kind {
            ColumnKind::Long(..) => format!("required int64 {name};\n"),
            ColumnKind::MaybeLong(..) => format!("optional int64 {name};\n"),
            ColumnKind::Short(..) => format!("required int32 {name} (INTEGER(16,false));\n"),
            ColumnKind::MaybeInt(..) => format!("optional int32 {name} (INTEGER(32,false));\n"),
            ColumnKind::Flag(..) => format!("required boolean {name};\n"),
            ColumnKind::Outcome => format!("required binary {name} (STRING);\n"),
        })
        .collect();
    format!("message requests {{\n{fields}}}")
}

/// The outcome that a file names so.
pub fn outcome(name: &[u8]) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.name().as_bytes() == name)
}
