pub(super) mod made_up;

use super::*;
use crate::units::Instant;
use digest::Digest;
use figures::{Figure, View};
use summary::Summary;

fn unverified() -> ReportData {
    let mut story = made_up::metastable();
    story.faults[0].to = None;
    story.threads = 1;
    story
}

fn all_failed() -> ReportData {
    let mut story = made_up::metastable();
    for r in &mut story.requests {
        r.set_outcome(crate::record::Outcome::ConnectError);
        (r.sent, r.first_byte) = (Instant::NEVER, Instant::NEVER);
    }
    story
}

fn one_request() -> ReportData {
    let metastable = made_up::metastable();
    ReportData {
        threads: 1,
        requests: metastable.requests[..1].to_vec(),
        samples: metastable.samples[..1].to_vec(),
        ..metastable
    }
}

/// What a damaged file may hold: threads and instants that no plan has.
fn absurd() -> ReportData {
    let mut story = made_up::recovered();
    let mut r = story.requests[0];
    (r.thread, r.due, r.sent, r.end) = (9999, Instant(u64::MAX - 1), Instant(u64::MAX - 1), Instant(u64::MAX - 1));
    story.requests.push(r);
    (r.due, r.end, r.sent) = (Instant(5), Instant(3), Instant(4));
    r.bytes = u64::MAX;
    story.requests.extend([r, r]);
    story.rate = f64::NAN;
    story.threads = 1;
    story.slo = 0;
    story.warmup = u64::MAX;
    story.incidents.push((u64::MAX, "\u{1b}[31m<script>alert(1)</script>".into()));
    story.explanation.loss_seconds = Some(f64::INFINITY);
    story
}

fn stories() -> [(&'static str, ReportData); 7] {
    [
        ("metastable", made_up::metastable()),
        ("recovered", made_up::recovered()),
        ("unverified", unverified()),
        ("all-failed", all_failed()),
        ("one-request", one_request()),
        ("absurd", absurd()),
        ("empty", made_up::empty()),
    ]
}

#[test]
fn every_run_can_be_drawn_whatever_became_of_it() {
    for (name, story) in stories() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(&story, dir.path()).unwrap();
        assert_eq!(files.len(), 3 + 2 * (2 + 2 * usize::from(story.threads)), "{name}");
        for file in files {
            // latencies.txt of a run without answers holds nothing but line ends.
            let least = if file.ends_with("latencies.txt") { u64::from(story.threads) } else { 500 };
            assert!(std::fs::metadata(&file).unwrap().len() >= least, "{name}: {}", file.display());
        }
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().map(|f| f.file_name()).collect();
        assert!(left.iter().all(|f| !f.to_string_lossy().ends_with(".partial")), "{name}: {left:?}");
    }
}

#[test]
fn the_same_story_gives_the_same_bytes() {
    let story = made_up::recovered();
    let [a, b] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (first, second) = (write(&story, a.path()).unwrap(), write(&story, b.path()).unwrap());
    for (one, other) in first.iter().zip(&second) {
        assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap(), "{}", one.display());
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let error = write(&made_up::empty(), &blocked).unwrap_err().to_string();
    assert!(error.contains(&blocked.display().to_string()) && error.contains("draw the report again"), "{error}");
}

#[test]
fn the_summary_has_what_the_seed_printed_and_no_holes() {
    let story = made_up::metastable();
    let summary = Summary::of(&story, &Digest::of(&story));
    let json: serde_json::Value = serde_json::from_str(&summary.json().unwrap()).unwrap();
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
        "what is written can be read"
    );
}

#[test]
fn the_summary_of_nothing_is_zeros() {
    let story = made_up::empty();
    insta::assert_snapshot!(Summary::of(&story, &Digest::of(&story)).json().unwrap());
}

#[test]
fn a_summary_never_says_nan() {
    for (name, story) in stories() {
        let json = Summary::of(&story, &Digest::of(&story)).json().unwrap();
        for line in json.lines().filter(|l| l.contains("null")) {
            let may_be_absent = ["tau_ns", "loss_", "baseline", "recovered_at_ns", "\"to\""];
            assert!(may_be_absent.iter().any(|k| line.contains(k)), "{name}: {line}");
        }
    }
}

fn page(story: &ReportData) -> String {
    let digest = Digest::of(story);
    let view = View::new(story, &digest);
    let figures: Vec<_> = Figure::all(story).into_iter().map(|f| f.drawn(&view).unwrap()).collect();
    html::page(story, &digest, &figures)
}

#[test]
fn a_page_is_whole_in_itself_and_trusts_no_text() {
    let mut story = absurd();
    story.name = "<img src=x onerror=alert(1)> & \"co\"".into();
    story.explanation.name = "INVALID: <b>".into();
    story.explanation.because = vec!["</section><script>alert(2)</script>".into()];
    story.faults[0].label = "<script>alert(3)</script>".into();
    story.facts.push(("<i>".into(), "</table>".into()));
    story.samples[0].source = "<script>".into();
    let page = page(&story);
    for bad in ["<script", "<img src=x", "<b>", "<i>", "\u{1b}", "src=\"http", "href="] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert!(page.contains("&lt;script&gt;alert(2)"));
    assert!(page.find("class=\"verdict").unwrap() < page.find("<svg").unwrap(), "the verdict comes first");
    assert_eq!(page.matches("<table>").count(), page.matches("</table>").count());
}

#[test]
fn a_page_says_what_became_of_all_requests_and_warns() {
    let story = made_up::metastable();
    let page = page(&story);
    for text in ["<h2>METASTABLE</h2>", "28500", "+ unanswered", "lower bounds", "p99.9", "What next:", "124 MiB &lt;"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.len() < 1_000_000, "{}", page.len());
}

#[test]
fn the_kind_of_the_verdict_chooses_its_colour_whatever_its_name() {
    let mut story = made_up::recovered();
    story.explanation.name = "METASTABLE".into();
    assert!(page(&story).contains("class=\"verdict good\""));
    assert!(page(&made_up::metastable()).contains("class=\"verdict bad\""));
    assert!(page(&made_up::empty()).contains("class=\"verdict invalid\""));
}

#[test]
fn what_a_fault_left_is_said_at_the_top_and_when() {
    let mut story = made_up::metastable();
    story.warnings = vec![(36 * made_up::SECOND, "kill db: its address was <a>".into())];
    let page = page(&story);
    let warned = page.find("<strong>Warning:</strong> kill db: its address was &lt;a&gt;").unwrap();
    assert!(warned < page.find("<svg").unwrap());
    assert!(page.contains("36.000 s</th><td>warning: kill db"), "among the events, too");
    let summary = Summary::of(&story, &Digest::of(&story));
    assert_eq!(summary.fault_warnings, ["kill db: its address was <a>"]);
}
