//! The tables, and the figures that are outside of their bounds.

use std::process::ExitCode;

use crate::figures::Check;

/// Prints tables as Markdown, and keeps the checks that do not hold.
#[derive(Default)]
pub struct Report {
    checks: usize,
    failed: Vec<Check>,
}

impl Report {
    pub fn begin_table(&self, title: &str, columns: &[&str]) {
        println!("\n{title}\n");
        self.row(columns);
        println!("|{}", "---|".repeat(columns.len()));
    }

    pub fn row<T: AsRef<str>>(&self, cells: &[T]) {
        let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
        println!("| {} |", cells.join(" | "));
    }

    pub fn check(&mut self, check: Check) {
        self.checks += 1;
        if !check.holds() {
            self.failed.push(check);
        }
    }

    /// Prints what is outside of its bounds. The exit code is a failure if anything is.
    pub fn finish(self) -> ExitCode {
        println!("\n{} of {} figures are within their bounds", self.checks - self.failed.len(), self.checks);
        for check in &self.failed {
            println!("  outside: {check}");
        }
        if self.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
