pub(super) mod synthetic;

use super::*;
use crate::units::{Instant, Time};
use figures::{Figure, FigureData, Threads};
use statistics::RunStatistics;
use summary::Summary;

fn unverified() -> ReportData {
    let mut data = synthetic::metastable();
    data.faults[0].to = None;
    data.threads = 1;
    data.report()
}

fn all_failed() -> ReportData {
    let mut data = synthetic::metastable();
    for r in &mut data.requests {
        r.set_outcome(crate::record::Outcome::ConnectError);
        (r.sent, r.first_byte) = (Instant::NEVER, Instant::NEVER);
    }
    data.report()
}

fn one_request() -> ReportData {
    let mut metastable = synthetic::metastable();
    metastable.threads = 1;
    metastable.requests.truncate(1);
    metastable.samples.truncate(1);
    metastable.report()
}

/// A damaged file: threads and instants that no plan has.
fn damaged() -> ReportData {
    let mut data = synthetic::recovered();
    let mut r = data.requests[0];
    (r.thread, r.due, r.sent, r.end) = (9999, Instant(u64::MAX - 1), Instant(u64::MAX - 1), Instant(u64::MAX - 1));
    data.requests.push(r);
    (r.due, r.end, r.sent) = (Instant(5), Instant(3), Instant(4));
    r.bytes = u64::MAX;
    data.requests.extend([r, r]);
    data.rate = f64::NAN;
    data.threads = 1;
    data.slo = Time::ZERO;
    data.warmup_end = Instant::NEVER;
    data.incidents.push(synthetic::incident(u64::MAX, "\u{1b}[31m<script>alert(1)</script>"));
    data.explanation.loss_seconds = Some(f64::INFINITY);
    data.report()
}

fn all_runs() -> [(&'static str, ReportData); 7] {
    [
        ("metastable", synthetic::metastable().report()),
        ("recovered", synthetic::recovered().report()),
        ("unverified", unverified()),
        ("all-failed", all_failed()),
        ("one-request", one_request()),
        ("damaged", damaged()),
        ("empty", synthetic::empty().report()),
    ]
}

#[test]
fn every_run_has_all_products() {
    for (name, data) in all_runs() {
        let dir = tempfile::tempdir().unwrap();
        let files = write_report(&data, dir.path()).unwrap();
        // Each thread has two figures, and several of them have two together.
        let shown = usize::from(data.threads) + usize::from(data.threads > 1);
        assert_eq!(files.len(), 2 + 2 * (2 + 2 * shown), "{name}");
        for file in files {
            assert!(std::fs::metadata(&file).unwrap().len() >= 500, "{name}: {}", file.display());
        }
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().map(|f| f.file_name()).collect();
        assert!(left.iter().all(|f| !f.to_string_lossy().ends_with(".partial")), "{name}: {left:?}");
    }
}

#[test]
fn the_same_data_gives_the_same_bytes() {
    let data = synthetic::recovered().report();
    let [a, b] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (first, second) = (write_report(&data, a.path()).unwrap(), write_report(&data, b.path()).unwrap());
    for (one, other) in first.iter().zip(&second) {
        assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap(), "{}", one.display());
    }
}

#[test]
fn an_error_names_the_folder_and_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let error = write_report(&synthetic::empty().report(), &blocked).unwrap_err().to_string();
    assert!(error.contains(&blocked.display().to_string()) && error.contains("draw the report again"), "{error}");
}

#[test]
fn the_summary_has_all_numbers_of_wrk2() {
    let data = synthetic::metastable().report();
    let summary = Summary::of(&data, &RunStatistics::of(&data));
    let json: serde_json::Value = serde_json::from_str(&summary.to_json().unwrap()).unwrap();
    for key in [
        "lat_avg lat_stdev lat_max req_avg req_stdev req_max tot_requests tot_duration",
        "read err_connect err_read err_write err_timeout req_sec_tot read_tot schema",
    ]
    .iter()
    .flat_map(|keys| keys.split(' '))
    {
        assert!(json[key].is_number(), "{key}: {}", json[key]);
    }
    let account = &json["account"];
    assert_eq!(account["balances"], true);
    assert_eq!(account["scheduled"], 28_500);
    assert_eq!(json["verdict"]["name"], "METASTABLE");
    let read: Summary = serde_json::from_value(json).unwrap();
    assert_eq!(
        (read.account, read.response.p99),
        (summary.account, summary.response.p99),
        "a written summary can be read"
    );
}

#[test]
fn the_summary_of_an_empty_run_is_zeros() {
    let data = synthetic::empty().report();
    insta::assert_snapshot!(Summary::of(&data, &RunStatistics::of(&data)).to_json().unwrap());
}

#[test]
fn a_summary_has_no_nan() {
    for (name, data) in all_runs() {
        let json = Summary::of(&data, &RunStatistics::of(&data)).to_json().unwrap();
        for line in json.lines().filter(|l| l.contains("null")) {
            let may_be_absent = ["tau_ns", "loss_", "baseline", "recovered_at_ns", "\"to\""];
            assert!(may_be_absent.iter().any(|k| line.contains(k)), "{name}: {line}");
        }
    }
}

#[test]
fn no_label_of_the_timeline_is_cut_off() {
    let mut data = synthetic::metastable();
    // Requests that wait for a connection are in the backlog, but not in flight.
    data.requests.iter_mut().filter(|r| r.due >= Instant(20 * synthetic::SECOND)).for_each(|r| r.sent = r.end);
    let data = data.report();
    let statistics = RunStatistics::of(&data);
    let svg = Figure::Timeline.render_svg(&FigureData::of_experiment(&data, &statistics)).unwrap();
    for label in [
        "Timeline",
        "requests/s",
        "due",
        "successful",
        "goodput (by due time)",
        "errors",
        "response time",
        "p50",
        "p99",
        "SLO 1 s",
        "outstanding requests",
        "backlog (due, not ended)",
        "in flight (sent, not ended)",
        "memory (MiB)",
        "post-storage",
        "warm-up",
        "baseline",
        "fault: link-cut",
        "seconds since the start of load",
    ] {
        assert!(svg.contains(&format!("\n{label}\n")), "{label}");
    }
}

#[test]
fn no_label_of_the_latencies_is_cut_off() {
    let data = synthetic::metastable().report();
    let statistics = RunStatistics::of(&data);
    let svg = Figure::Latencies(Threads::One(0)).render_svg(&FigureData::of_experiment(&data, &statistics)).unwrap();
    for symbol in ["successful", "status ≥ 400", "failed", "lower bound"] {
        assert!(svg.contains(&format!("\n{symbol}: ")), "{symbol}");
    }
    assert!(!svg.contains('…'));
}

/// A text in an SVG: its left and right edge, its base line, its size, and the text.
type Text = (i32, i32, i32, i32, String);

/// All texts of an SVG, measured as they are drawn.
fn texts(svg: &str) -> Vec<Text> {
    let number = |tag: &str, name: &str| -> i32 {
        let (_, rest) = tag.split_once(&format!(" {name}=\"")).unwrap();
        rest.split('"').next().unwrap().parse::<f64>().unwrap() as i32
    };
    let text = |part: &str| {
        let (tag, rest) = part.split_once('>').unwrap();
        let text = rest.split("</text>").next().unwrap().trim().replace("&lt;", "<").replace("&amp;", "&");
        let (x, size) = (number(tag, "x"), (f64::from(number(tag, "font-size")) * 1.24).round() as i32);
        let width = figures::text_width(&text, size).unwrap();
        let left = match tag.split_once("text-anchor=\"").map_or("start", |(_, rest)| rest.split('"').next().unwrap()) {
            "middle" => x - width / 2,
            "end" => x - width,
            _ => x,
        };
        (left, left + width, number(tag, "y"), size, text)
    };
    svg.split("<text").skip(1).map(text).collect()
}

#[test]
fn no_text_of_a_figure_overlaps_another_or_leaves_the_figure() {
    for (name, data) in all_runs().into_iter().chain([("eventful", synthetic::eventful().report())]) {
        let statistics = RunStatistics::of(&data);
        let figure_data = FigureData::of_experiment(&data, &statistics);
        for figure in Figure::all(&data) {
            let svg = figure.render_svg(&figure_data).unwrap();
            let texts = texts(&svg);
            assert!(texts.len() > 3, "{name} {figure:?}");
            for (i, one) in texts.iter().enumerate() {
                assert!(one.0 >= 0 && one.1 <= 1280, "{name} {figure:?}: {one:?}");
                for other in &texts[..i] {
                    let beside = one.1 < other.0 || other.1 < one.0;
                    let above = (one.2 - other.2).abs() >= one.3.min(other.3) * 9 / 10;
                    assert!(beside || above, "{name} {figure:?}: {one:?} on {other:?}");
                }
            }
        }
    }
}

#[test]
fn every_incident_is_in_a_figure_and_loops_are_summed_up() {
    let mut data = synthetic::eventful().report();
    let statistics = RunStatistics::of(&data);
    for figure in [Figure::Timeline, Figure::Memory, Figure::Latencies(Threads::One(0))] {
        let svg = figure.render_svg(&FigureData::of_experiment(&data, &statistics)).unwrap();
        for label in [
            "post-storage-mongodb died 9 times",
            "post-storage-mongodb restarted 8 times",
            "cache ran out of memory",
            "cache died (exit code 137)",
            "compose-post restarted",
            "recovered",
            "fault: memory-limit social-network-post-storage-1 (100 MiB)",
            "fault: stop db",
            "fault: throttle cache (0.2 CPUs)",
            "warm-up",
            "baseline",
        ] {
            assert!(svg.contains(&format!("\n{label}\n")), "{figure:?}: {label}");
        }
    }
    data.incidents.extend((0..9).map(|i| synthetic::incident(i, &format!("container-{i} died"))));
    let svg = Figure::Memory.render_svg(&FigureData::of_experiment(&data, &statistics)).unwrap();
    assert!(svg.contains("\n29 incidents of 14 kinds: see the table of events\n"));
}

#[test]
fn limits_that_change_are_in_the_legend() {
    let data = synthetic::eventful().report();
    let statistics = RunStatistics::of(&data);
    for figure in [Figure::Timeline, Figure::Memory] {
        let svg = figure.render_svg(&FigureData::of_experiment(&data, &statistics)).unwrap();
        for text in
            ["limit of post-storage: 124, then 100, then 124 MiB", "limit of 2 sources: 128 MiB", "media-memcached"]
        {
            assert!(svg.contains(&format!("\n{text}\n")), "{figure:?}: {text}");
        }
    }
}

#[test]
fn all_figures_name_the_same_requests_with_the_same_word() {
    let data = synthetic::metastable().report();
    let statistics = RunStatistics::of(&data);
    let svg = |figure: Figure| figure.render_svg(&FigureData::of_experiment(&data, &statistics)).unwrap();
    for figure in [Figure::Timeline, Figure::Latencies(Threads::One(0)), Figure::LatencyHistogram(Threads::One(0))] {
        assert!(svg(figure).contains("\nsuccessful") && !svg(figure).contains("answered"), "{figure:?}");
    }
    for figure in [Figure::Latencies(Threads::One(0)), Figure::LatencyHistogram(Threads::One(0))] {
        assert!(svg(figure).contains("\nstatus ≥ 400"), "{figure:?}");
    }
}

#[test]
fn a_long_url_is_wrapped() {
    let mut data = synthetic::metastable().report();
    data.facts.push(("system".into(), format!("http://host:8080/{}", "a".repeat(300))));
    assert!(render(&data).contains("td { overflow-wrap: anywhere; }"));
}

fn render(data: &ReportData) -> String {
    let statistics = RunStatistics::of(data);
    let figure_data = FigureData::of_experiment(data, &statistics);
    let figures: Vec<_> = Figure::all(data).into_iter().map(|f| f.render(&figure_data).unwrap()).collect();
    html::render_page(data, &statistics, &figure_data, &figures)
}

#[test]
fn a_page_has_no_external_resource_and_escapes_all_text() {
    let mut data = damaged();
    data.name = "<img src=x onerror=alert(1)> & \"co\"".into();
    data.explanation.name = "INVALID: <b>".into();
    data.explanation.because = vec!["</section><script>alert(2)</script>".into()];
    data.faults[0].label = "<script>alert(3)</script>".into();
    data.facts.push(("<i>".into(), "</table>".into()));
    data.samples[0].source = "<script>".into();
    let page = render(&data);
    for bad in ["<script>alert", "<img src=x", "<b>", "<i>", "\u{1b}", "src=\"http", "href="] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert_eq!(page.matches("<script").count(), 2, "the data of the figures, and the script that draws them");
    assert!(page.contains("&lt;script&gt;alert(2)"));
    assert!(page.find("class=\"verdict").unwrap() < page.find("<svg").unwrap(), "the verdict comes first");
    assert_eq!(page.matches("<table>").count(), page.matches("</table>").count());
}

#[test]
fn a_page_shows_the_account_of_all_requests() {
    let data = synthetic::metastable().report();
    let page = render(&data);
    for text in ["<h2>METASTABLE</h2>", "28500", "+ unanswered", "lower bounds", "p99.9", "Next steps:", "124 MiB &lt;"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.len() < 1_000_000, "{}", page.len());
}

#[test]
fn the_colour_depends_on_the_verdict_and_not_on_its_name() {
    let mut data = synthetic::recovered().report();
    data.explanation.name = "METASTABLE".into();
    assert!(render(&data).contains("class=\"verdict good\""));
    assert!(render(&synthetic::metastable().report()).contains("class=\"verdict bad\""));
    assert!(render(&synthetic::empty().report()).contains("class=\"verdict invalid\""));
}

#[test]
fn a_warning_of_a_fault_is_shown_at_the_top_and_among_the_events() {
    let mut data = synthetic::metastable().report();
    data.warnings = vec![(Instant(36 * synthetic::SECOND), "kill db: its address was <a>".into())];
    let page = render(&data);
    let warned = page.find("<strong>Warning:</strong> kill db: its address was &lt;a&gt;").unwrap();
    assert!(warned < page.find("<svg").unwrap());
    assert!(page.contains("36.000 s</th><td>warning: kill db"), "among the events, too");
    let summary = Summary::of(&data, &RunStatistics::of(&data));
    assert_eq!(summary.fault_warnings, ["kill db: its address was <a>"]);
}
