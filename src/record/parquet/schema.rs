use super::super::Outcome;
use super::super::columns::{COLUMNS, ColumnKind};

/// The schema of written files, in the notation of parquet.
pub fn schema() -> String {
    schema_with(|name| name)
}

/// The schemas that can be read: the current one, and the older one with `intended_ns` for `due_ns`.
pub fn readable_schemas() -> [String; 2] {
    [schema(), schema_with(|name| if name == "due_ns" { "intended_ns" } else { name })]
}

fn schema_with(rename: impl Fn(&'static str) -> &'static str) -> String {
    let fields: String = COLUMNS
        .iter()
        .map(|(name, kind)| (rename(name), kind))
        .map(|(name, kind)| match kind {
            ColumnKind::U64(..) => format!("required int64 {name};\n"),
            ColumnKind::OptionalU64(..) => format!("optional int64 {name};\n"),
            ColumnKind::U16(..) => format!("required int32 {name} (INTEGER(16,false));\n"),
            ColumnKind::OptionalU32(..) => format!("optional int32 {name} (INTEGER(32,false));\n"),
            ColumnKind::Bool(..) => format!("required boolean {name};\n"),
            ColumnKind::Outcome => format!("required binary {name} (STRING);\n"),
        })
        .collect();
    format!("message requests {{\n{fields}}}")
}

/// The outcome of a name in a file.
pub fn parse_outcome(name: &[u8]) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.name().as_bytes() == name)
}
