use super::super::Outcome;
use super::super::columns::{COLUMNS, ColumnKind};

/// Columns of a file: their names in it, and their kinds.
pub type FileColumns = Vec<(&'static str, &'static ColumnKind)>;

/// The columns of written files.
pub fn columns() -> FileColumns {
    COLUMNS.iter().map(|(name, kind)| (*name, kind)).collect()
}

/// The columns of the files that can be read: the current ones; those of earlier files, without `seen_ns`; and the oldest
/// ones, with `intended_ns` for `due_ns`.
pub fn readable_columns() -> [FileColumns; 3] {
    let earlier: FileColumns = columns().into_iter().filter(|(name, _)| *name != "seen_ns").collect();
    let rename = |name| if name == "due_ns" { OLDEST_DUE } else { name };
    let oldest = earlier.iter().map(|(name, kind)| (rename(*name), *kind)).collect();
    [columns(), earlier, oldest]
}

/// The name of `due_ns` in the oldest files.
const OLDEST_DUE: &str = "intended_ns";

/// The present name of a column that has this name in a file.
pub fn present_name(in_file: &str) -> &str {
    if in_file == OLDEST_DUE { "due_ns" } else { in_file }
}

/// The schema of a file with `columns`, in the notation of parquet.
pub fn schema(columns: &FileColumns) -> String {
    let fields: String = columns
        .iter()
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
