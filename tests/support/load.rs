//! Loads in the process of the test, and what is true for all of them.

use std::time::Duration;

use metawrk::load::{LoadPlan, LoadResult, LoadSettings, PreparedLoad};
use metawrk::record::sink::{RecordForwarder, Recorder};
use metawrk::record::{Account, Clock, RequestRecord};
use metawrk::script::Script;
use metawrk::units::Time;

use super::Server;

/// 200 requests/s for 300 ms: 60 requests, on two threads with four connections.
pub fn settings(server: &Server) -> LoadSettings {
    LoadSettings { connections: 4, duration: Time::from_millis(300), ..LoadSettings::new(server.url(), 200.0) }
}

/// [`settings`] with a script of this text.
pub fn scripted(server: &Server, text: &str) -> LoadSettings {
    LoadSettings { script: Some(Script { name: "test.lua".into(), text: text.into() }), ..settings(server) }
}

/// Runs a load to its end.
pub fn run(settings: LoadSettings) -> (LoadResult, Vec<RequestRecord>) {
    run_until(settings, None)
}

/// Runs a load. If `stop` is given, it is stopped that long after its start.
pub fn run_until(settings: LoadSettings, stop: Option<Duration>) -> (LoadResult, Vec<RequestRecord>) {
    let (forward, received) = RecordForwarder::new();
    let recorder = Recorder::start(vec![Box::new(forward)]).unwrap();
    let prepared = PreparedLoad::new(LoadPlan::new(settings).unwrap(), Some(recorder.senders())).unwrap();
    let running = prepared.start(Clock::starting_in(Time::from_millis(1)));
    if let Some(after) = stop {
        std::thread::sleep(after);
        running.control().stop();
    }
    let result = running.finish().unwrap();
    recorder.finish().unwrap();
    let records: Vec<RequestRecord> = received.iter().flatten().collect();
    check(&result, &records);
    (result, records)
}

/// Checks what is true for every run, however it ends.
fn check(result: &LoadResult, records: &[RequestRecord]) {
    let account = result.account();
    assert!(account.balances(), "{account:?}");
    assert_eq!(Account::of(records), account, "the records and the counts agree");
    for record in records {
        let sent = record.sent != metawrk::units::Instant::NEVER;
        assert!(record.due <= record.end, "{record:?}");
        assert!(!sent || (record.due <= record.ready && record.ready <= record.sent), "{record:?}");
        assert!(!sent || record.sent <= record.end, "{record:?}");
    }
    let mut last: Vec<u64> = records.iter().filter(|r| r.is_last()).map(|r| r.request).collect();
    last.sort_unstable();
    last.dedup();
    assert_eq!(last.len() as u64, account.scheduled, "one last attempt per request");
}
