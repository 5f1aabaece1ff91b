//! The terminal: what others wrote never controls it, and a run outlives it.

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use metawrk::plan;
use metawrk::plan::config::Overrides;
use metawrk::record::event::{ComponentState, EventKind, RunEnd};
use metawrk::record::{Event, RequestRecord, ResultsFolder};
use metawrk::units::Instant;
use rustix::process::Signal;
use support::program::{ControllingTerminal, Ended, METAWRK, WRK2, eventually, run, started};
use support::{OK, Server};

/// Clears the screen and sets the title of a terminal.
const CONTROL: &str = "\x1b[2J\x1b]0;owned\x07";

fn assert_harmless(ended: &Ended) {
    for text in [&ended.out, &ended.err] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{ended:?}");
    }
}

#[test]
fn events_of_a_results_folder_do_not_control_the_terminal() {
    let results = tempfile::tempdir().unwrap();
    let plan = plan::config::read_plan(None, &Overrides::default()).unwrap().plan;
    let folder = ResultsFolder::create(results.path(), "x", jiff::civil::date(2026, 1, 2).at(3, 4, 5, 0)).unwrap();
    folder.write_plan(&plan.to_toml().unwrap()).unwrap();
    folder.create_rows(None).unwrap().append(&[RequestRecord::planned(0, Instant(0), 0)]).unwrap();
    folder.open_samples().unwrap();
    let mut log = folder.open_events().unwrap();
    let component = format!("db{CONTROL}");
    let died = EventKind::Component { component, state: ComponentState::Died, detail: CONTROL.to_owned() };
    log.append(&Event { at: Instant(1), what: died }).unwrap();
    log.append(&Event {
        at: Instant(2),
        what: EventKind::Ended { how: RunEnd::Failed, detail: CONTROL.to_owned(), abort: None },
    })
    .unwrap();
    let dir = folder.path().to_owned();
    drop(folder);
    let ended = run(METAWRK, &dir, &["report", "."]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_harmless(&ended);
    assert!(ended.out.contains(r"db\x1b[2J\x1b]0;owned\x07 died and did not restart"), "{ended:?}");
    // Its figures are well-formed XML, which has no control characters.
    let svg = fs::read_to_string(dir.join("timeline.svg")).unwrap();
    assert!(!svg.contains('\x1b'), "{svg}");
}

#[test]
fn the_text_of_a_server_is_short_and_does_not_control_the_terminal() {
    // GOAWAY with an error and 10,000 bytes of text, as soon as the client has introduced itself.
    let server = Server::start(|mut peer| {
        peer.send(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
        let text = CONTROL.repeat(10_000 / CONTROL.len());
        let length = u32::try_from(8 + text.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
        frame.extend(text.bytes());
        peer.send(&frame);
        peer.swallow();
    });
    let ended = run(WRK2, Path::new("."), &["-R10", "-d1s", "--http2", &server.url()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_harmless(&ended);
    assert!(ended.err.contains("enhance_your_calm") || ended.err.contains("detected excessive load"), "{ended:?}");
    assert!(ended.err.len() < 1000, "{ended:?}");
}

#[test]
fn an_error_of_a_script_is_shown_beyond_its_nul_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    for raise in ["error('one\\0two\\27[2J')", "assert(false, 'one\\0two\\27[2J')"] {
        fs::write(dir.path().join("x.lua"), raise).unwrap();
        let ended = run(WRK2, dir.path(), &["-R10", "-d1s", "-s", "x.lua", &server.url()]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_harmless(&ended);
        assert!(ended.err.contains(r"one\0two\x1b[2J"), "{ended:?}");
    }
}

#[test]
fn what_a_script_prints_is_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    fs::write(dir.path().join("x.lua"), "function done() print('\\27[1mbold\\27[0m') end").unwrap();
    let ended = run(WRK2, dir.path(), &["-R100", "-d100ms", "-s", "x.lua", &server.url()]);
    assert!(ended.out.ends_with("\x1b[1mbold\x1b[0m\n"), "{ended:?}");
}

#[test]
fn a_load_ends_with_a_full_report_when_its_terminal_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let wrk2 = started(WRK2, dir.path(), &["-R200", "-d1h", "--json", "x.json", &server.url()]);
    eventually("load", || server.requests.lock().unwrap().len() > 20);
    wrk2.send(Signal::HUP);
    let ended = wrk2.end();
    assert_eq!(ended.code, Some(129), "{ended:?}");
    assert!(ended.out.contains("Requests/sec:"), "{ended:?}");
    let json: serde_json::Value = serde_json::from_slice(&fs::read(dir.path().join("x.json")).unwrap()).unwrap();
    assert_eq!(json["ended"], "interrupted");
}

#[test]
fn an_experiment_ends_with_a_report_when_its_terminal_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let text = "name = 't'\n[target]\nurl = 'URL'\n[load]\nrate = 100\n[phases]\nwarmup = '0s'\nbaseline = '1h'\n";
    fs::write(dir.path().join("x.toml"), text.replace("URL", &server.url())).unwrap();
    let running = started(METAWRK, dir.path(), &["experiment", "x.toml"]);
    eventually("load", || server.requests.lock().unwrap().len() > 20);
    running.send(Signal::HUP);
    let ended = running.end();
    assert_eq!(ended.code, Some(129), "{ended:?}");
    let latest = dir.path().join("results/latest");
    assert!(ended.out.contains("INVALID: interrupted") && latest.join("report.html").exists(), "{ended:?}");
    let events = fs::read_to_string(latest.join("events.jsonl")).unwrap();
    assert!(events.contains(r#""how":"interrupted","detail":"SIGHUP""#), "{events}");
}

#[test]
fn nohup_keeps_a_load_going() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let (url, command) = (server.url(), "trap '' HUP; exec \"$0\" \"$@\"");
    let nohup = started("/bin/sh", dir.path(), &["-c", command, WRK2, "-R200", "-d1s", &url]);
    eventually("load", || server.connections.load(Ordering::SeqCst) > 1);
    nohup.send(Signal::HUP);
    let ended = nohup.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("200 requests in "), "{ended:?}");
}

#[test]
fn the_whole_screen_is_given_back_after_ctrl_c() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let (wrk2, terminal) = ControllingTerminal::start(WRK2, dir.path(), &["-R100", "-d1h", "--tui", &server.url()]);
    let before = terminal.settings();
    eventually("the screen", || terminal.shown().contains("happened"));
    let shown = terminal.shown();
    assert!(shown.contains("\x1b[?1049h") && !shown.contains("\x1b[?1049l"), "{shown}");
    assert_ne!(terminal.settings(), before, "typed characters are not shown");
    terminal.send_keys("x\x03");
    let ended = wrk2.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.out.contains("Requests/sec:"), "{ended:?}");
    assert_eq!(terminal.settings(), before);
    eventually("the end of the screen", || terminal.shown().contains("\x1b[?25h\x1b[?1049l"));
    assert!(!terminal.shown().contains("^C"), "{}", terminal.shown());
}

#[test]
fn an_experiment_uses_the_whole_screen_of_its_terminal_unless_told_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let text = "name = 't'\n[target]\nurl = 'URL'\n[load]\nrate = 100\n[phases]\nwarmup = '0s'\nbaseline = '1h'\n";
    fs::write(dir.path().join("x.toml"), text.replace("URL", &server.url())).unwrap();
    for (options, awaited, is_full_screen) in [
        (&["x.toml"][..], "happened", true),
        (&["x.toml", "--no-tui"], "/s of 100/s", false),
        (&["x.toml", "--progress", "json"], "\"phase\":", false),
    ] {
        let args = [&["experiment"], options].concat();
        let (experiment, terminal) = ControllingTerminal::start(METAWRK, dir.path(), &args);
        eventually("progress", || terminal.shown().contains(awaited));
        assert_eq!(terminal.shown().contains("\x1b[?1049h"), is_full_screen, "{}", terminal.shown());
        terminal.send_keys("\x03");
        let ended = experiment.end();
        assert_eq!(ended.code, Some(130), "{ended:?}");
        assert_eq!(terminal.shown().contains("\x1b[?1049l"), is_full_screen, "{}", terminal.shown());
    }
}
