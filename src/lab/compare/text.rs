//! A comparison as a table.

use super::answer::{Change, Comparison, Finding, PhaseComparison, Row, RunDetails, Value};
use super::metric::{ChangeKind, Metric};
use crate::units::{format_three_digits, format_wrk_time};

/// More settings that differ are only counted.
const MOST_SETTINGS: usize = 8;

impl Comparison {
    /// The comparison as a text.
    pub fn to_text(&self) -> String {
        let mut text = format!("A: {}\nB: {}\n", describe_run(&self.a), describe_run(&self.b));
        text.push_str(&self.describe_settings());
        self.phases.iter().for_each(|phase| text.push_str(&describe_phase(phase)));
        text.push_str(&format!("\n{}\n", self.conclusion()));
        text
    }

    fn describe_settings(&self) -> String {
        let unset = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        let shown = self.settings.iter().take(MOST_SETTINGS);
        let lines = shown.map(|found| format!("  {}: {} in A, {} in B\n", found.key, unset(&found.a), unset(&found.b)));
        let more = match self.settings.len().saturating_sub(MOST_SETTINGS) {
            0 => String::new(),
            more => format!("  and {more} more\n"),
        };
        match self.settings.is_empty() {
            true => String::new(),
            false => format!("\nSettings that differ:\n{}{more}", lines.collect::<String>()),
        }
    }

    /// What differs, in a few sentences.
    fn conclusion(&self) -> String {
        let [worse, better] = [Finding::Worse, Finding::Better].map(|finding| {
            let verdict = (self.verdict == Some(finding)).then(|| "the verdict".to_owned());
            let rows = self.name_rows(|row| row.finding == finding);
            verdict.into_iter().chain(rows).collect::<Vec<_>>().join(", ")
        });
        let mut sentences = Vec::new();
        if !worse.is_empty() {
            sentences.push(format!("B is worse: {worse}."));
        }
        if !better.is_empty() {
            sentences.push(format!("B is better: {better}."));
        }
        if worse.is_empty() && better.is_empty() && self.can_tell() {
            sentences.push("Every difference may be chance.".to_owned());
        }
        let percent = 100.0 * self.confidence;
        match self.can_tell() {
            true => sentences.push(format!(
                "({percent:.0} % intervals; that of B against A allows for the number of rows.)"
            )),
            false => sentences.push(
                "There is no interval to tell a difference from chance: that takes the records of both runs, at least 10 s \
                 of each."
                    .to_owned(),
            ),
        }
        sentences.join(" ")
    }
}

/// `results/x: RECOVERED after 12.3 s`
fn describe_run(run: &RunDetails) -> String {
    let verdict = run.verdict.as_ref().map(|verdict| {
        let recovery = verdict.recovery_s.map(|seconds| format!(" after {} s", format_three_digits(seconds)));
        format!(": {}{}", verdict.name, recovery.unwrap_or_default())
    });
    format!("{}{}", run.name, verdict.unwrap_or_default())
}

fn describe_phase(phase: &PhaseComparison) -> String {
    let [a, b] = phase.requests;
    let header = [
        phase.name.text().to_owned(),
        format!("A ({a} requests)"),
        format!("B ({b} requests)"),
        "B against A".to_owned(),
        String::new(),
    ];
    let table: Vec<[String; 5]> = [header].into_iter().chain(phase.rows.iter().map(describe_row)).collect();
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    format!("\n{}", table.iter().map(line).collect::<String>())
}

fn describe_row(row: &Row) -> [String; 5] {
    let finding = match row.finding {
        Finding::Better => "better",
        Finding::Worse => "worse",
        Finding::NoDifference => "may be chance",
        Finding::Unknown => "",
    };
    let [a, b] = [row.a, row.b].map(|value| describe_value(row.metric, value));
    [row.metric.text().to_owned(), a, b, describe_change(row.change), finding.to_owned()]
}

/// `1.21ms (1.19ms..1.23ms)`, `>=200.00ms`, `0.12 % (0.10..0.15)`
fn describe_value(metric: Metric, value: Value) -> String {
    let Value { value, low, high, is_lower_bound } = value;
    let bound = if is_lower_bound { ">=" } else { "" };
    let interval = low.zip(high);
    match metric.change_kind() {
        ChangeKind::Ratio => {
            let interval =
                interval.map(|(low, high)| format!(" ({}..{})", format_wrk_time(low), format_wrk_time(high)));
            format!("{bound}{}{}", format_wrk_time(value), interval.unwrap_or_default())
        }
        ChangeKind::Difference => {
            let interval = interval.map(|(low, high)| format!(" ({:.2}..{:.2})", 100.0 * low, 100.0 * high));
            format!("{:.2} %{}", 100.0 * value, interval.unwrap_or_default())
        }
    }
}

/// `x 1.08 (1.05..1.11)`, `+0.30 points (+0.10..+0.51)`
fn describe_change(change: Change) -> String {
    let Change { kind, value, low, high } = change;
    let interval = low.zip(high);
    match kind {
        ChangeKind::Ratio => {
            let interval = interval.map(|(low, high)| format!(" ({low:.2}..{high:.2})"));
            format!("x {value:.2}{}", interval.unwrap_or_default())
        }
        ChangeKind::Difference => {
            let interval = interval.map(|(low, high)| format!(" ({:+.2}..{:+.2})", 100.0 * low, 100.0 * high));
            format!("{:+.2} points{}", 100.0 * value, interval.unwrap_or_default())
        }
    }
}
