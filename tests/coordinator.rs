//! What a coordinator of many parts costs: 1,000 parts in this process that join, beat, and return results as large as those
//! of a real load, and send no load. It is run by hand:
//!
//!     cargo test --test coordinator -- --ignored --nocapture

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metawrk::cluster::launch::{LaunchError, LaunchOrder, Launcher, MakeLauncher};
use metawrk::cluster::meeting::{Answer, BeatCounts, Join, Message, OnLost};
use metawrk::cluster::protocol::{COORDINATOR, Frame, FromPart, ToPart, read_frame, version, write_frame};
use metawrk::cluster::{ClockMeasurement, Cluster, PartInstant};
use metawrk::load::{Generator, LoadPlan, LoadSettings, WorkerResult};
use metawrk::record::{Account, Latencies};
use metawrk::stats::{latency_histogram, record_time};
use metawrk::units::{self, Time};
use tokio::net::TcpStream;

const PARTS: u16 = 1000;
const LOAD: Time = Time::from_secs(5);

static BYTES: AtomicU64 = AtomicU64::new(0);

/// The result of a worker that sent 100,000 requests, with response times from 0.1 ms to 1 s.
fn result() -> Vec<u8> {
    let mut latencies = Latencies::default();
    for i in 0..100_000u64 {
        let time = Time(100_000 + i * i % 1_000_000_007);
        record_time(&mut latencies.response, time);
        record_time(&mut latencies.service, time);
        latencies.send_lag.saturating_record(1_000 + i);
        latencies.wakeup.saturating_record(30_000 + i);
    }
    let count = 100_000;
    let account =
        Account { scheduled: count, answered: count, attempts: count, bytes: 100 * count, ..Account::default() };
    let mut result: serde_json::Value = serde_json::to_value(WorkerResult::empty(0)).unwrap();
    result["account"] = serde_json::to_value(account).unwrap();
    result["latencies"] = serde_json::to_value(latencies).unwrap();
    result["calibration"] = serde_json::json!([]);
    assert!(latency_histogram().is_empty());
    serde_json::to_vec(&result).unwrap()
}

async fn part(order: LaunchOrder, result: Arc<Vec<u8>>) -> std::io::Result<()> {
    let stream = loop {
        match TcpStream::connect(order.address).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let (mut read, mut write) = stream.into_split();
    let (sender, mut messages) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok(Some(frame)) = read_frame(&mut read, COORDINATOR).await {
            if sender.send(frame.message::<ToPart>().unwrap()).await.is_err() {
                return;
            }
        }
    });
    let clock = ClockMeasurement { at: PartInstant(1), offset_ns: 0, uncertainty: Time(1), worst_round_trip: Time(2) };
    let join = Join {
        token: order.token.reveal().to_owned(),
        version: version(),
        plan_hash: order.plan_hash.clone(),
        wanted: None,
        node: "here".to_owned(),
    };
    write_frame(&mut write, &Frame::new(&FromPart::Meeting(Message::Join(join)))).await?;
    let mut beat = tokio::time::interval(Duration::from_millis(250));
    let mut end: Option<tokio::time::Instant> = None;
    loop {
        let ended = async {
            match end {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = messages.recv() => {
                let reply = match message {
                    None | Some(ToPart::Leave) => return Ok(()),
                    Some(ToPart::Plan { .. }) => {
                        FromPart::Loaded { addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 1))] }
                    }
                    Some(ToPart::Proceed) => FromPart::Prepared,
                    Some(ToPart::Begin) => FromPart::Meeting(Message::Ready { clock }),
                    Some(ToPart::Answer(Answer::Start { .. })) if end.is_none() => {
                        end = Some(tokio::time::Instant::now() + Duration::from_secs(2) + LOAD.std());
                        continue;
                    }
                    Some(_) => continue,
                };
                write_frame(&mut write, &Frame::new(&reply)).await?;
            }
            _ = beat.tick() => {
                let beat = Message::Beat { counts: BeatCounts::default() };
                write_frame(&mut write, &Frame::new(&FromPart::Meeting(beat))).await?;
            }
            () = ended => {
                BYTES.fetch_add(result.len() as u64, Ordering::Relaxed);
                write_frame(&mut write, &Frame::with_body(&FromPart::Result { load: 0 }, Arc::clone(&result))).await?;
                write_frame(&mut write, &Frame::new(&FromPart::Delivered { clock: Some(clock) })).await?;
                end = Some(tokio::time::Instant::now() + Duration::from_secs(3600));
            }
        }
    }
}

struct InThisProcess;

impl Launcher for InThisProcess {
    fn address(&mut self) -> Result<IpAddr, LaunchError> {
        Ok(Ipv4Addr::LOCALHOST.into())
    }

    fn launch(&mut self, order: &LaunchOrder) -> Result<(), LaunchError> {
        let (order, result) = (order.clone(), Arc::new(result()));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let parts = (0..order.parts).map(|_| tokio::spawn(part(order.clone(), Arc::clone(&result))));
                for part in parts.collect::<Vec<_>>() {
                    let _ = part.await;
                }
            });
        });
        Ok(())
    }

    fn check(&mut self) -> Result<(), LaunchError> {
        Ok(())
    }

    fn remove(&mut self) -> Result<(), LaunchError> {
        Ok(())
    }
}

/// The peak memory of this process in MiB: the coordinator and its parts.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
#[ignore = "a measurement"]
fn a_coordinator_of_a_thousand_parts() {
    let before = peak_memory();
    let cluster = Cluster {
        parts: PARTS,
        launcher: MakeLauncher::new(|| Box::new(InThisProcess)),
        listen: (None, 0),
        token: None,
        join_timeout: Time::from_secs(60),
        on_lost: OnLost::Stop,
        files: Vec::new(),
    };
    let settings =
        LoadSettings { threads: 1, connections: 1000, duration: LOAD, ..LoadSettings::new("http://h/", 1e5) };
    let began = Instant::now();
    let ready = cluster.prepare(vec![LoadPlan::new(settings).unwrap()], None, &|| false).unwrap();
    let joined = began.elapsed();
    let active = ready.start(Time::ZERO).unwrap();
    let started = began.elapsed();
    let clock = active.clock();
    let result = active.finish().unwrap();
    let ended = clock.now().since(units::Instant::START.plus(LOAD));
    assert_eq!((result.parts.len(), result.lost), (usize::from(PARTS), None));
    assert_eq!(result.loads[0].account().answered, u64::from(PARTS) * 100_000);
    let bytes = BYTES.load(Ordering::Relaxed);
    println!(
        "{PARTS} parts joined and prepared in {joined:.2?}: {:.0} joins/s",
        f64::from(PARTS) / joined.as_secs_f64()
    );
    println!("all ready {:.2?} later", started - joined);
    println!(
        "results of {} kB each, {:.1} MB/s, merged {:.1} s after the end",
        bytes / u64::from(PARTS) / 1000,
        bytes as f64 / 1e6 / ended.as_secs_f64(),
        ended.as_secs_f64()
    );
    println!("peak memory {} MiB, {before} MiB before", peak_memory());
}
