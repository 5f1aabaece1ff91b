//! The generators of a load as a table.

use std::fmt::Write as _;

use crate::record::PartStats;
use crate::units::{Time, format_wrk_time};

fn time(ns: u64) -> String {
    format_wrk_time(ns as f64 / 1e3)
}

/// The columns of the table.
pub const COLUMNS: [&str; 6] = ["part", "node", "clock offset", "sent", "send lag", "CPU"];

/// The values of each part.
pub fn part_rows(parts: &[PartStats]) -> Vec<Vec<String>> {
    let row = |part: &PartStats| {
        let sign = if part.clock_offset_ns < 0 { "-" } else { "+" };
        let offset = time(part.clock_offset_ns.unsigned_abs());
        vec![
            part.part.to_string(),
            part.node.clone(),
            format!("{sign}{offset} +/- {}", time(part.clock_uncertainty_ns)),
            format!("{} of {}", part.sent, part.scheduled),
            format!(
                "p50 {}, p99 {}, max {}",
                time(part.send_lag_p50_ns),
                time(part.send_lag_p99_ns),
                time(part.send_lag_max_ns)
            ),
            format!("{:.2} s", Time(part.cpu_ns).as_secs_f64()),
        ]
    };
    parts.iter().map(row).collect()
}

/// The table as lines of the text report, and a warning for each part that was lost. Empty without parts.
pub fn format_parts(parts: &[PartStats]) -> String {
    if parts.is_empty() {
        return String::new();
    }
    let (names, rows) = (COLUMNS.map(str::to_owned).to_vec(), part_rows(parts));
    let width = |column: usize| rows.iter().chain([&names]).map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let mut text = String::from("Parts:\n");
    for row in [&names].into_iter().chain(&rows) {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
    for lost in parts.iter().filter_map(|part| part.lost.as_ref()) {
        let _ = writeln!(text, "  warning: {lost}. What it had still to send counts as unsent. Its latencies are lost");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(part: u16, node: &str) -> PartStats {
        PartStats {
            part,
            node: node.into(),
            clock_offset_ns: -3_000_012_000,
            clock_uncertainty_ns: 41_000,
            clock_drift_ns_per_s: Some(12.5),
            scheduled: 80_000,
            sent: 80_000,
            send_lag_p50_ns: 2_000,
            send_lag_p99_ns: 44_000,
            send_lag_max_ns: 1_200_000,
            cpu_ns: 410_000_000,
            lost: None,
        }
    }

    #[test]
    fn each_part_has_a_row_and_a_lost_one_a_warning() {
        let lost = PartStats {
            sent: 41_000,
            lost: Some("part 1 of 2 on node12 was lost at 41.2 s: it was silent for 3s".into()),
            ..part(1, "node12")
        };
        insta::assert_snapshot!(format_parts(&[part(0, "node7"), lost]));
        assert_eq!(format_parts(&[]), "");
    }
}
