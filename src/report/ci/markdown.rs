use std::fmt::Write as _;

use super::CiReport;
use crate::report::summary::LatencySummary;
use crate::units::format_wrk_time;

/// Markdown: verdict, thresholds, latencies, counts and warnings.
pub fn format_markdown(report: &CiReport<'_>) -> String {
    let mut text = format!("### {}\n\n", escape(&report.name));
    if let Some(verdict) = report.verdict {
        let _ = writeln!(text, "**{}** {}\n", escape(&verdict.name), escape(&verdict.because.join(" ")));
    }
    if !report.thresholds.is_empty() {
        text.push_str("| | threshold | result |\n|---|---|---|\n");
        for result in report.thresholds {
            let passed = if result.passed { "PASS" } else { "**FAIL**" };
            let (action, condition) = (result.action.name(), escape(&result.condition));
            let _ = writeln!(text, "| {passed} | {action} {condition} | {} |", escape(&result.text));
        }
        text.push('\n');
    }
    text.push_str("| | count | p50 | p90 | p95 | p99 | p99.9 | max |\n|---|---:|---:|---:|---:|---:|---:|---:|\n");
    write_latencies(&mut text, "response time", &report.response, &report.at_least);
    write_latencies(&mut text, "service time", &report.service, &[]);
    let a = &report.account;
    let _ = writeln!(
        text,
        "\n{:.2} answers/s for {:.1} s. {} requests scheduled = {} answered + {} failed + {} unanswered + {} unsent; {} with an \
         error.",
        report.rate,
        report.lasted.as_secs_f64(),
        a.scheduled,
        a.answered,
        a.failed,
        a.unanswered,
        a.unsent,
        a.with_error
    );
    for warning in &report.warnings {
        let _ = writeln!(text, "\n> **Warning:** {}", escape(warning));
    }
    text
}

fn write_latencies(text: &mut String, name: &str, l: &LatencySummary, at_least: &[String]) {
    let _ = write!(text, "| {name} | {} |", l.count);
    for (key, us) in
        [("p50", l.p50), ("p90", l.p90), ("p95", l.p95), ("p99", l.p99), ("p99_9", l.p99_9), ("max", l.max)]
    {
        let bound = if at_least.iter().any(|bound| bound == key) { "≥ " } else { "" };
        let time = if l.count > 0 { format!("{bound}{}", format_wrk_time(us as f64)) } else { "-".to_owned() };
        let _ = write!(text, " {time} |");
    }
    text.push('\n');
}

/// Escapes what Markdown, and HTML in it, would read as markup. A line break would end a table.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' => escaped.extend(['\\', c]),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
