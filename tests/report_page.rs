//! The figures of `report.html` in a browser: what the reader does with a mouse, and that the page needs nothing else.

mod support;

use serde_json::{Value, json};
use support::browser::Browser;
use support::program::{METAWRK, WRK2, run};
use support::results::create_results;
use support::{OK, Server};

/// Left, top, width and height of an element in the window.
fn rectangle(browser: &mut Browser, element: &str) -> [f64; 4] {
    let expression = format!(
        "(() => {{ const e = {element}; e.scrollIntoView({{ block: 'center' }}); \
         const r = e.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; }})()"
    );
    serde_json::from_value(browser.evaluate(&expression)).unwrap()
}

/// What each figure shows in its legend as the time of the crosshair.
fn times(browser: &mut Browser) -> Vec<String> {
    let times = "[...document.querySelectorAll('.chart .u-series:first-child .u-value')].map(e => e.textContent)";
    serde_json::from_value(browser.evaluate(times)).unwrap()
}

/// The time at the crosshair near the left edge of the first figure.
fn time_at_left_edge(browser: &mut Browser) -> f64 {
    let [left, top, _, height] = rectangle(browser, "document.querySelector('.chart .u-over')");
    browser.mouse("mouseMoved", (left + 5.0, top + height / 2.0), 0);
    let times = times(browser);
    assert!(times.len() >= 3 && times.iter().all(|time| *time == times[0]), "{times:?}");
    times[0].strip_suffix(" s").unwrap_or_else(|| panic!("{times:?}")).parse().unwrap()
}

#[test]
fn figures_have_a_crosshair_zoom_and_lines_to_hide() {
    let Some(mut browser) = Browser::start() else { return };
    let results = tempfile::tempdir().unwrap();
    let dir = create_results(results.path());
    assert_eq!(run(METAWRK, &dir, &["report", "."]).code, Some(0));
    browser.resize(1280, 900);
    browser.open(&dir.join("report.html"));
    let shown = |browser: &mut Browser, of: &str| {
        browser.evaluate(&format!("[...document.querySelectorAll('{of}')].filter(e => e.offsetHeight > 0).length"))
    };
    assert_eq!(browser.evaluate("document.querySelectorAll('.chart canvas').length"), json!(4));
    assert_eq!(shown(&mut browser, ".charted"), json!(0), "the script draws these figures");

    // The crosshair is at the same instant in all figures.
    let first = time_at_left_edge(&mut browser);
    let values = browser.evaluate(
        "[...document.querySelectorAll('.chart .u-value')].map(e => e.textContent).filter(text => text === '–').length",
    );
    assert!(values.as_u64().unwrap() <= 2, "{values} values are missing at the crosshair");

    // Dragging zooms into all of them, and a double click zooms out again.
    let [left, top, width, height] = rectangle(&mut browser, "document.querySelector('.chart .u-over')");
    let at = |share: f64| (left + width * share, top + height / 2.0);
    browser.mouse("mouseMoved", at(0.6), 0);
    browser.mouse("mousePressed", at(0.6), 1);
    browser.mouse("mouseMoved", at(0.9), 1);
    browser.mouse("mouseReleased", at(0.9), 1);
    assert!(time_at_left_edge(&mut browser) > first);
    for clicks in [1, 2] {
        browser.mouse("mousePressed", at(0.5), clicks);
        browser.mouse("mouseReleased", at(0.5), clicks);
    }
    assert_eq!(time_at_left_edge(&mut browser), first);

    let name = "document.querySelectorAll('.chart .u-series')[1].querySelector('th')";
    let [left, top, width, height] = rectangle(&mut browser, name);
    browser.click((left + width / 2.0, top + height / 2.0));
    assert_eq!(shown(&mut browser, ".u-off.u-series"), json!(1), "a click on a name hides its line");
    browser.evaluate(&format!("{name}.focus()"));
    browser.call("Input.dispatchKeyEvent", json!({ "type": "keyDown", "key": "Enter" }));
    assert_eq!(shown(&mut browser, ".u-off.u-series"), json!(0), "the Enter key shows it again");

    // On a phone everything fits the width, and pictures scroll on their own.
    browser.resize(390, 844);
    let widths = "[document.documentElement.scrollWidth, document.querySelector('.chart .uplot').offsetWidth]";
    let widths: Vec<u64> = serde_json::from_value(browser.evaluate(widths)).unwrap();
    assert!(widths[0] <= 390 && (200..390).contains(&widths[1]), "{widths:?}");

    let background = "getComputedStyle(document.querySelector('.chart')).backgroundColor";
    let light = browser.evaluate(background);
    browser.set_dark(true);
    assert_ne!(browser.evaluate(background), light);

    assert_eq!(browser.problems, [""; 0], "errors of the page");
    let outside: Vec<_> = browser.requests.iter().filter(|url| !url.starts_with("data:")).collect();
    assert!(outside.len() == 1 && outside[0].ends_with("/report.html"), "{outside:?}");
}

#[test]
fn without_scripts_the_pictures_and_all_tables_are_there() {
    let Some(mut browser) = Browser::start() else { return };
    let results = tempfile::tempdir().unwrap();
    let dir = create_results(results.path());
    assert_eq!(run(METAWRK, &dir, &["report", "."]).code, Some(0));
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.open(&dir.join("report.html"));
    let shown = "['#charts', '.charted svg', 'details summary'].map(of => document.querySelector(of).offsetHeight > 0 \
                 || document.querySelector(of).getBoundingClientRect().height > 0)";
    assert_eq!(browser.evaluate(shown), json!([false, true, true]));
    let rows = browser.evaluate("document.querySelectorAll('details tr').length");
    assert!(rows.as_u64() >= Some(2), "{rows}");
    assert_eq!(browser.problems, Vec::<String>::new());
    assert!(browser.evaluate("document.querySelector('.chart')") == Value::Null);
}

#[test]
fn a_load_has_a_page_too() {
    let (server, dir) = (Server::answering(OK), tempfile::tempdir().unwrap());
    let args = ["-t2", "-c2", "-d2s", "-R50", "-H", "Authorization: Bearer abc", "--fail-if", "errors>1%"];
    let ended = run(WRK2, dir.path(), &[&args[..], &["--report", "load.html", &server.url()]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let page = std::fs::read_to_string(dir.path().join("load.html")).unwrap();
    for text in [
        "answers/s</h2>",
        "class=\"verdict ",
        "Of 100 requests, 100 were answered",
        "<h3>Thresholds</h3>",
        "wrk2 -t2 -c2 -d2s -R50 -H &#39;Authorization: ...&#39;",
        "<th scope=\"row\">seed</th><td>1</td>",
        "uPlot",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("Bearer abc"), "secrets stay out of the page");
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&dir.path().join("load.html"));
    assert_eq!(browser.evaluate("document.querySelectorAll('.chart canvas').length"), json!(3));
    assert_eq!(browser.problems, Vec::<String>::new());
}
