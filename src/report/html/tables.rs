use crate::record::{Account, ErrorCounts, Host, Latencies, PartStats, RunOrigin};
use crate::report::ReportData;
use crate::report::figures::format_time;
use crate::report::generator::GeneratorReport;
use crate::report::parts::{COLUMNS, part_rows};
use crate::report::phases::{PHASE_HEAD, phase_cells, summarize_phases};
use crate::report::statistics::RunStatistics;
use crate::report::summary::LatencySummary;
use crate::threshold::ThresholdResult;
use crate::units::{Instant, format_wrk_bytes};

/// A table of the report. The first column holds the names of the rows.
pub(super) struct Table {
    pub title: &'static str,
    pub head: &'static [&'static str],
    pub rows: Vec<Vec<String>>,
    pub note: Option<String>,
}

/// All tables that have rows.
pub(super) fn all_tables(data: &ReportData, statistics: &RunStatistics, generator: &GeneratorReport) -> Vec<Table> {
    let tables = [
        threshold_table(&data.thresholds),
        account_table(&statistics.account),
        phase_table(data),
        latency_table(&statistics.latencies, generator),
        generator_table(generator),
        parts_table(&generator.own.parts),
        error_table(&ErrorCounts {
            connect: statistics.account.errors.connect.max(data.generator.connect_errors),
            ..statistics.account.errors
        }),
        event_table(data),
        plan_table(data),
        origin_table(&data.origin, data.seed, Some("metawrk experiment experiment.toml")),
    ];
    tables.into_iter().filter(|t| !t.rows.is_empty()).collect()
}

fn row<const N: usize>(cells: [&dyn ToString; N]) -> Vec<String> {
    cells.iter().map(|c| c.to_string()).collect()
}

fn phase_table(data: &ReportData) -> Table {
    let rows = summarize_phases(data).iter().map(|phase| phase_cells(phase).to_vec()).collect();
    let note = "By the second in which the requests were due, to 1 %. Lower bounds are included.".to_owned();
    Table { title: "Response times by phase", head: &PHASE_HEAD, rows, note: Some(note) }
}

pub(super) fn threshold_table(thresholds: &[ThresholdResult]) -> Table {
    let name = |passed: bool| if passed { "passed" } else { "FAILED" };
    let rows =
        thresholds.iter().map(|t| row([&name(t.passed), &format!("{} {}", t.action.name(), t.condition), &t.text]));
    Table { title: "Thresholds", head: &["", "condition", "result"], rows: rows.collect(), note: None }
}

pub(super) fn account_table(a: &Account) -> Table {
    let share = |n: u64| match a.scheduled {
        0 => String::new(),
        all => format!("{:.2} %", 100.0 * n as f64 / all as f64),
    };
    let line = |name: &str, n: u64| row([&name, &n, &share(n)]);
    let rows = vec![
        line("scheduled", a.scheduled),
        line("= answered", a.answered),
        line("+ failed", a.failed),
        line("+ unanswered", a.unanswered),
        line("+ unsent", a.unsent),
        row([&"attempts", &a.attempts, &""]),
        row([&"read", &format_wrk_bytes(a.bytes as f64), &""]),
    ];
    let note = "A request counts once, by its last attempt. \"attempts\" includes retries.".to_owned();
    Table { title: "Requests", head: &["", "requests", "of scheduled"], rows, note: Some(note) }
}

pub(super) fn latency_table(latencies: &Latencies, generator: &GeneratorReport) -> Table {
    let Latencies { response, lower_bounds, service, .. } = latencies;
    let line = |name: &str, l: LatencySummary, is_bound: [bool; 6]| {
        let times = [l.p50, l.p90, l.p95, l.p99, l.p99_9, l.max].map(|us| format_time(us as f64 * 1e3));
        let times: [String; 6] =
            std::array::from_fn(|i| if is_bound[i] { format!("≥ {}", times[i]) } else { times[i].clone() });
        let cells = [name.to_owned(), l.count.to_string()];
        cells.into_iter().chain(if l.count > 0 { times } else { Default::default() }).collect()
    };
    let rows = vec![
        line(
            "response time",
            LatencySummary::of(response),
            lower_bounds.are_bounds(response, [50.0, 90.0, 95.0, 99.0, 99.9, 100.0]),
        ),
        line("service time", LatencySummary::of(service), [false; 6]),
    ];
    let mut note =
        "Response time: from the due time to the end of the response. Service time: from the send time to the \
                    end of the response. The warm-up is excluded."
            .to_owned();
    let bounds = &generator.bounds;
    if bounds.summary.count > 0 {
        note += &format!(
            " {} of the response times are lower bounds, because no response had arrived when the wait ended. Therefore {} \
             are lower bounds too, and are marked with ≥.",
            bounds.summary.count,
            bounds.which_percentiles()
        );
    }
    let head = &["", "count", "p50", "p90", "p95", "p99", "p99.9", "max"];
    Table { title: "Latency", head, rows, note: Some(note) }
}

pub(super) fn generator_table(generator: &GeneratorReport) -> Table {
    let mut rows: Vec<_> = generator.table_rows().iter().map(|(name, value)| row([name, value])).collect();
    rows.push(row([&"records dropped", &generator.own.records_dropped]));
    let note = if generator.warnings().is_empty() {
        "The generator kept to the schedule: the numbers in this report describe the system, not the generator."
    } else {
        "Read the warnings above before you trust the numbers."
    };
    Table { title: "Load generator", head: &[], rows, note: Some(note.to_owned()) }
}

/// Empty with one generator.
pub(super) fn parts_table(parts: &[PartStats]) -> Table {
    let rows = part_rows(parts);
    let note =
        "The offset is that of the coordinator's clock before the load. Only the common time axis depends on it.";
    Table { title: "Several generators", head: &COLUMNS, rows, note: Some(note.to_owned()) }
}

pub(super) fn error_table(e: &ErrorCounts) -> Table {
    let all = [
        ("connection refused or failed", e.connect),
        ("connection broke while reading", e.read),
        ("connection broke while writing", e.write),
        ("exceeded the client timeout", e.timeout),
        ("status above 399", e.status),
    ];
    let rows = all.iter().filter(|(_, n)| *n > 0).map(|(name, n)| row([name, n])).collect();
    Table { title: "Errors (attempts)", head: &[], rows, note: None }
}

fn event_table(data: &ReportData) -> Table {
    let mut events: Vec<(Instant, String)> = data.incidents.iter().map(|i| (i.at, i.to_string())).collect();
    events.extend(data.warnings.iter().map(|(at, text)| (*at, format!("warning: {text}"))));
    for fault in &data.faults {
        events.push((fault.from, format!("fault took effect: {}", fault.label)));
        if let Some(to) = fault.to {
            events.push((to, format!("fault removed and verified: {}", fault.label)));
        }
    }
    events.extend(data.recovered_at.map(|at| (at, "recovered".to_owned())));
    events.sort();
    let rows = events.iter().map(|(at, what)| row([&format!("{:.3} s", at.as_secs_f64()), what])).collect();
    let unverified = data.faults.iter().find(|f| f.to.is_none());
    let note = unverified.map(|f| format!("The removal of this fault was not verified: {}", f.label));
    Table { title: "Events", head: &["since the start of load", "event"], rows, note }
}

/// What repeats the run. `again` is the command that repeats it exactly, in the folder of the page.
pub(super) fn origin_table(origin: &RunOrigin, seed: u64, again: Option<&str>) -> Table {
    let known = |text: String| if text.is_empty() { "not recorded".to_owned() } else { text };
    let mut rows = vec![
        row([&"command", &known(origin.command_text())]),
        row([&"version", &known(origin.version.clone())]),
        row([&"host", &origin.host.as_ref().map_or_else(|| known(String::new()), Host::describe)]),
        row([&"seed", &seed]),
    ];
    rows.extend(again.map(|again| row([&"the same run, in this folder", &again])));
    Table { title: "Reproduce", head: &[], rows, note: None }
}

fn plan_table(data: &ReportData) -> Table {
    let e = &data.explanation;
    let mut rows: Vec<_> = data.facts.iter().map(|(name, value)| row([name, value])).collect();
    let mut add = |name: &str, value: Option<String>| rows.extend(value.map(|value| row([&name, &value])));
    add("SLO", Some(format!("response time up to {}", format_time(data.slo.0 as f64))));
    add("baseline goodput", e.baseline_goodput.map(|g| format!("{:.2} %", 100.0 * g)));
    add("time to recovery", e.tau_ns.map(|ns| format_time(ns as f64)));
    add("goodput lost", e.loss_seconds.map(|s| format!("{s:.1} s of load")));
    add("requests lost", e.loss_requests.map(|n| format!("{n:.0}")));
    Table { title: "Plan and result", head: &[], rows, note: None }
}
