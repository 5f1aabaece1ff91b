use crate::report::ReportData;
use crate::report::digest::Digest;
use crate::report::figures::time_label;
use crate::report::generator::GeneratorBlock;
use crate::report::summary::Latency;
use crate::units::wrk_binary;

/// A table of the report; its first column heads the rows.
pub(super) struct Table {
    pub title: &'static str,
    pub head: &'static [&'static str],
    pub rows: Vec<Vec<String>>,
    pub note: Option<String>,
}

/// The tables that have something to say.
pub(super) fn all(story: &ReportData, digest: &Digest, block: &GeneratorBlock) -> Vec<Table> {
    let tables =
        [accounting(digest), latency(digest), generator(block), errors(story, digest), events(story), plan(story)];
    tables.into_iter().filter(|t| !t.rows.is_empty()).collect()
}

fn row<const N: usize>(cells: [&dyn ToString; N]) -> Vec<String> {
    cells.iter().map(|c| c.to_string()).collect()
}

fn accounting(digest: &Digest) -> Table {
    let a = &digest.account;
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
        row([&"read", &wrk_binary(a.bytes as f64), &""]),
    ];
    let note = "Requests count by their last attempt; attempts are counted apart.".to_owned();
    Table { title: "What became of the requests", head: &["", "requests", "of scheduled"], rows, note: Some(note) }
}

fn latency(digest: &Digest) -> Table {
    let line = |name: &str, l: Latency| {
        let times = [l.p50, l.p90, l.p99, l.p99_9, l.max].map(|us| time_label(us as f64 * 1e3));
        let cells = [name.to_owned(), l.count.to_string()];
        cells.into_iter().chain(if l.count > 0 { times } else { Default::default() }).collect()
    };
    let rows = vec![line("response", Latency::of(&digest.response)), line("service", Latency::of(&digest.service))];
    let mut note = "Response: since the request was due. Service: since it was sent.".to_owned();
    if digest.response_lower_bounds > 0 {
        note += &format!(
            " {} of the response times are lower bounds: no answer had come when the wait was cut short.",
            digest.response_lower_bounds
        );
    }
    let head = &["", "count", "p50", "p90", "p99", "p99.9", "max"];
    Table { title: "How long they took", head, rows, note: Some(note) }
}

fn generator(block: &GeneratorBlock) -> Table {
    let mut rows: Vec<_> = block.rows().iter().map(|(name, value)| row([name, value])).collect();
    rows.push(row([&"records dropped", &block.own.records_dropped]));
    let note = if block.warnings().is_empty() {
        "The load went out as planned: the numbers above are the system's, not the generator's."
    } else {
        "See the warnings above before trusting the numbers."
    };
    Table { title: "The generator itself", head: &[], rows, note: Some(note.to_owned()) }
}

fn errors(story: &ReportData, digest: &Digest) -> Table {
    let e = &digest.account.errors;
    let all = [
        ("could not connect", e.connect.max(story.generator.connect_errors)),
        ("connection broke while reading", e.read),
        ("connection broke while writing", e.write),
        ("outlived the client's timeout", e.timeout),
        ("answered with a status above 399", e.status),
    ];
    let rows = all.iter().filter(|(_, n)| *n > 0).map(|(name, n)| row([name, n])).collect();
    Table { title: "Errors, by attempts", head: &[], rows, note: None }
}

fn events(story: &ReportData) -> Table {
    let mut events: Vec<(u64, String)> = story.incidents.clone();
    events.extend(story.warnings.iter().map(|(at, text)| (*at, format!("warning: {text}"))));
    for fault in &story.faults {
        events.push((fault.from, format!("fault took effect: {}", fault.label)));
        if let Some(to) = fault.to {
            events.push((to, format!("fault removed, verified: {}", fault.label)));
        }
    }
    events.extend(story.recovered_at.map(|at| (at, "recovered".to_owned())));
    events.sort();
    let rows = events.iter().map(|(at, what)| row([&format!("{:.3} s", *at as f64 / 1e9), what])).collect();
    let unverified = story.faults.iter().find(|f| f.to.is_none());
    let note = unverified.map(|f| format!("The removal of this fault was never verified: {}", f.label));
    Table { title: "Events", head: &["since the start", "what"], rows, note }
}

fn plan(story: &ReportData) -> Table {
    let v = &story.explanation;
    let mut rows: Vec<_> = story.facts.iter().map(|(name, value)| row([name, value])).collect();
    let mut add = |name: &str, value: Option<String>| rows.extend(value.map(|value| row([&name, &value])));
    add("good is an answer within", Some(time_label(story.slo as f64)));
    add("goodput of the baseline", v.baseline_goodput.map(|g| format!("{:.2} %", 100.0 * g)));
    add("time to recovery", v.tau_ns.map(|ns| time_label(ns as f64)));
    add("goodput lost", v.loss_seconds.map(|s| format!("{s:.1} s of load")));
    add("requests lost", v.loss_requests.map(|n| format!("{n:.0}")));
    Table { title: "Plan and outcome", head: &[], rows, note: None }
}
