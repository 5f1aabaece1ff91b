//! The output files of a load. All files of one run must agree.

mod support;

use std::fs;
use std::path::Path;

use metawrk::load::{LoadError, LoadPlan, LoadResult, LoadSettings, PreparedLoad};
use metawrk::record::event::RunEnd;
use metawrk::record::sink::{RecordSink, Recorder};
use metawrk::record::{Account, Clock, LatencyFile, OutputFile, P99Files, RunOrigin, create_recording, parquet};
use metawrk::report::figures::FigureData;
use metawrk::report::hgrm;
use metawrk::report::load_figures::{LoadFigures, render_load_figures};
use metawrk::report::load_records::LoadRecords;
use metawrk::report::load_summary::LoadSummary;
use metawrk::report::load_totals::LoadTotals;
use metawrk::units::Time;
use support::{OK, Server};

fn settings(server: &Server) -> LoadSettings {
    LoadSettings { connections: 4, duration: Time::from_millis(500), ..LoadSettings::new(server.url(), 400.0) }
}

fn run(settings: LoadSettings, sinks: Vec<Box<dyn RecordSink>>) -> LoadResult {
    let recorder = Recorder::start(sinks).unwrap();
    let prepared = PreparedLoad::new(LoadPlan::new(settings).unwrap(), Some(recorder.senders())).unwrap();
    let loaded = prepared.start(Clock::starting_in(Time::from_millis(1))).finish().unwrap();
    recorder.finish().unwrap();
    loaded
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn all_output_files_of_a_load_agree() {
    let server = Server::answering(OK);
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let plan = settings(&server);

    let (table, columns) = (at("attempts.csv"), at("attempts.parquet"));
    let load_figures = LoadFigures::create(&at("figures")).unwrap();
    let records = LoadRecords::create_in(load_figures.folder(), load_figures.folder()).unwrap();
    let sinks: Vec<Box<dyn RecordSink>> = vec![
        create_recording(&table).unwrap(),
        create_recording(&columns).unwrap(),
        Box::new(LatencyFile::new(OutputFile::create(&at("latencies.txt")).unwrap(), 2).unwrap()),
        Box::new(P99Files::create(dir.path(), 1, 2).unwrap()),
        Box::new(records.sink().unwrap()),
    ];
    let (json, spectrum) = (OutputFile::create(&at("run.json")).unwrap(), OutputFile::create(&at("run.hgrm")).unwrap());
    let loads = [run(plan.clone(), sinks)];

    let numbers = LoadTotals::of(&loads);
    let started = ("2026-01-01T00:00:00Z".into(), RunOrigin::of_this_process());
    let summary = LoadSummary::of(&plan, started, RunEnd::Complete, (&loads, &[]), &[]).unwrap();
    json.write_and_finish(summary.to_json().unwrap().as_bytes()).unwrap();
    spectrum.write_and_finish(hgrm::format_spectrum(&numbers.latencies.response).as_bytes()).unwrap();
    let digest = records.digest(&numbers).unwrap();
    let data = FigureData::of_load(&plan.url, &numbers.generator, &digest);
    let figures = load_figures.write(&render_load_figures(&data, 2).unwrap()).unwrap();

    let account = loads[0].account();
    assert_eq!(Account::of(&parquet::read(&columns).unwrap()), account);
    assert_eq!(read(&table).lines().count() as u64, 1 + account.attempts + account.unsent);
    let latencies = read(&at("latencies.txt"));
    assert_eq!(latencies.lines().count(), 2);
    assert_eq!(latencies.split_whitespace().count() as u64, account.answered);
    let lines = [0, 1].map(|thread| read(&at(&format!("url0thread{thread}.txt"))).lines().count());
    assert!(lines[0] == lines[1] && lines[0] >= 3, "{lines:?}");
    let summary: LoadSummary = serde_json::from_str(&read(&at("run.json"))).unwrap();
    assert_eq!((summary.total.account.account, summary.urls.len()), (account, 1));
    assert!(read(&at("run.hgrm")).contains(&format!("Total count    = {:>12}]", summary.total.response.count)));
    assert_eq!(figures.len(), 14);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 8, "five files of records, two documents and a folder");
}

#[test]
fn a_load_that_cannot_begin_changes_no_file() {
    // A port that was free a moment ago refuses connections.
    let closed_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let names = ["latencies.txt", "a.csv", "a.parquet", "url0thread0.txt", "run.json"];
    names.iter().for_each(|name| fs::write(dir.path().join(name), "mine").unwrap());
    {
        let at = |name: &str| dir.path().join(name);
        let _json = OutputFile::create(&at("run.json")).unwrap();
        let load_figures = LoadFigures::create(&at("figures")).unwrap();
        let records = LoadRecords::create_in(load_figures.folder(), load_figures.folder()).unwrap();
        let sinks: Vec<Box<dyn RecordSink>> = vec![
            create_recording(&at("a.csv")).unwrap(),
            create_recording(&at("a.parquet")).unwrap(),
            Box::new(LatencyFile::new(OutputFile::create(&at("latencies.txt")).unwrap(), 1).unwrap()),
            Box::new(P99Files::create(dir.path(), 1, 1).unwrap()),
            Box::new(records.sink().unwrap()),
        ];
        let recorder = Recorder::start(sinks).unwrap();
        let settings = LoadSettings { threads: 1, ..LoadSettings::new(format!("http://{closed_port}/"), 10.0) };
        let prepared = PreparedLoad::new(LoadPlan::new(settings).unwrap(), Some(recorder.senders()));
        assert!(matches!(prepared, Err(LoadError::Connect { .. })));
    }
    for name in names {
        assert_eq!(read(&dir.path().join(name)), "mine", "{name}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), names.len());
}
