//! Time and memory of `metawrk report` on a run with very many requests, which is made up here:
//! `cargo bench --bench report -- 10000000`. The folder is removed afterwards. While it is made, it takes 80 bytes of disk
//! a request.
//!
//! The first report reads all records and makes their digest. Later ones only check the files and read the digest.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant as Clock};

use metawrk::procfs;
use metawrk::record::event::RunEnd;
use metawrk::record::folder::{DIGEST, LATENCIES, REQUESTS};
use metawrk::record::{Event, EventKind, Outcome, RequestRecord, ResultsFolder, RunOrigin};
use metawrk::units::{Instant, Time};

/// Requests per second and generator threads of the made-up run.
const RATE: u64 = 50_000;
const THREADS: u64 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let requests = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let dir = tempfile::tempdir_in(".")?;
    let (folder, made) = time(|| make_run(dir.path(), requests))?;
    println!("{requests} requests: made in {:.1} s", made.as_secs_f64());
    print_size(&folder, REQUESTS, requests)?;
    for report in ["first report", "later report", "later report"] {
        let (most, took) = time(|| report_on(&folder))?;
        println!("{report}: {:.2} s, at most {} MB resident", took.as_secs_f64(), most / 1_000_000);
    }
    for file in [DIGEST, LATENCIES] {
        print_size(&folder, file, requests)?;
    }
    Ok(())
}

fn time<T>(work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<(T, Duration), Box<dyn Error>> {
    let start = Clock::now();
    Ok((work()?, start.elapsed()))
}

fn print_size(folder: &Path, file: &str, requests: u64) -> Result<(), Box<dyn Error>> {
    let bytes = fs::metadata(folder.join(file))?.len();
    println!("{file}: {bytes} bytes, {:.1} a request", bytes as f64 / requests as f64);
    Ok(())
}

/// A results folder of a run without a fault: most requests take some 100 us, one of a hundred fails or takes long.
fn make_run(results: &Path, requests: u64) -> Result<std::path::PathBuf, Box<dyn Error>> {
    let folder = ResultsFolder::create(results, "made-up", jiff::civil::date(2026, 1, 2).at(3, 4, 5, 0))?;
    let seconds = requests.div_ceil(RATE).max(20);
    folder.write_plan(&format!(
        "name = \"made-up\"\n[testbed]\n[load]\nrate = {RATE}\nthreads = {THREADS}\n[phases]\nduration = \"{seconds}s\"\n"
    ))?;
    let mut log = folder.open_events()?;
    let started = EventKind::Started { wall: "2026-01-02T03:04:05Z".into(), origin: RunOrigin::default() };
    log.append(&Event { at: Instant::START, what: started })?;
    let mut rows = folder.create_rows(None)?;
    let mut random = 1u64;
    let mut roll = |most: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % most
    };
    let mut batch = Vec::with_capacity(1024);
    for request in 0..requests {
        let due = Instant(request * (1_000_000_000 / RATE));
        let mut record = RequestRecord::planned(request, due, (request % THREADS) as u16);
        let long = if roll(1000) < 5 { roll(2_000_000_000) } else { 0 };
        record.ready = due;
        record.sent = due.plus(Time(1_000 + roll(50_000)));
        record.end = record.sent.plus(Time(60_000 + roll(80_000) + long));
        record.seen = record.end.plus(Time(20_000 + roll(40_000)));
        record.first_byte = record.end;
        (record.status, record.bytes, record.connection) = (200, 310, (request % 100) as u32);
        record.set_outcome(Outcome::Answered);
        match roll(1000) {
            0..3 => record.status = 503,
            3 | 4 => record.set_outcome(Outcome::ReadError),
            _ => {}
        }
        record.set_last(true);
        record.set_warmup(due < Instant(5_000_000_000));
        batch.push(record);
        if batch.len() == batch.capacity() {
            rows.append(&batch)?;
            batch.clear();
        }
    }
    rows.append(&batch)?;
    let at = Instant(seconds * 1_000_000_000);
    log.append(&Event { at, what: EventKind::Recorded { rows: requests } })?;
    log.append(&Event { at, what: EventKind::Ended { how: RunEnd::Complete, detail: String::new(), abort: None } })?;
    folder.write_parquet()?;
    Ok(folder.path().to_owned())
}

/// Runs `metawrk report`. Returns the most bytes that were resident.
fn report_on(folder: &Path) -> Result<u64, Box<dyn Error>> {
    let program = env!("CARGO_BIN_EXE_metawrk");
    let mut report = Command::new(program).arg("report").arg(folder).stdout(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", report.id());
    let mut most = 0;
    loop {
        if let Some(ended) = report.try_wait()? {
            return if ended.success() { Ok(most) } else { Err(format!("metawrk report: {ended}").into()) };
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        most = most.max(procfs::status_bytes(&text, "VmHWM").unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
}
