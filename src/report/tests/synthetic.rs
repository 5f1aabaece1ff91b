//! Synthetic runs for tests of the products.

use std::ops::{Deref, DerefMut};

use crate::record::digest::{Digest, Frame};
use crate::record::event::GeneratorStats;
use crate::record::{Outcome, RequestRecord, RunOrigin, Sample};
use crate::report::{FaultWindow, Incident, ReportData};
use crate::units::{Instant, Time};
use crate::verdict::goodput::Bin;
use crate::verdict::{InvalidReason, Recovery, Verdict, VerdictText};

pub const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

/// A reproducible stream of random numbers in 0..1.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number near `middle`, sometimes three times as large.
    fn around(&mut self, middle: u64) -> u64 {
        let spread = (self.roll() + self.roll() + self.roll() - 1.5) / 1.5;
        let tail = if self.roll() < 0.01 { 3.0 } else { 1.0 };
        (middle as f64 * (spread * 0.7).exp() * tail) as u64
    }
}

fn verdict_text(name: &str, exit_code: u8) -> VerdictText {
    VerdictText {
        kind: name.split(':').next().unwrap_or_default().into(),
        name: name.into(),
        exit_code,
        because: vec!["Goodput was 4 % of the baseline in the last 30 s, 60 s after the removal of the fault.".into()],
        next: vec!["Lower the load below 120 requests/s, or restart post-storage.".into()],
        tau_ns: None,
        loss_seconds: Some(78.4),
        loss_requests: Some(23_520.0),
        baseline_goodput: Some(0.9997),
    }
}

/// A run whose digest is made of its records.
pub struct Synthetic {
    data: ReportData,
    pub requests: Vec<RequestRecord>,
}

impl Deref for Synthetic {
    type Target = ReportData;

    fn deref(&self) -> &ReportData {
        &self.data
    }
}

impl DerefMut for Synthetic {
    fn deref_mut(&mut self) -> &mut ReportData {
        &mut self.data
    }
}

impl Synthetic {
    /// What the report shows of it.
    pub fn report(&self) -> ReportData {
        let data = &self.data;
        let of_requests = self.requests.iter().filter_map(|r| r.end.known());
        let of_samples = data.samples.iter().map(|s| s.at);
        let of_faults = data.faults.iter().filter_map(|f| f.to);
        let last = of_requests.chain(of_samples).chain(of_faults).max().unwrap_or(Instant::START);
        let frame = Frame {
            warmup_end: data.warmup_end,
            arrivals_end: data.arrivals_end,
            axis_end: last.max(data.arrivals_end).max(Instant(SECOND)).min(Instant(48 * 3600 * SECOND)),
            threads: data.threads,
            slo: Some(data.slo),
            judged: None,
        };
        ReportData { digest: Digest::of(frame, &self.requests), ..data.clone() }
    }
}

/// A digest without records.
fn no_digest() -> Digest {
    let [warmup_end, arrivals_end, axis_end] = [Instant::START, Instant::START, Instant(SECOND)];
    Digest::new(Frame { warmup_end, arrivals_end, axis_end, threads: 1, slo: None, judged: None })
}

/// A run without requests, samples and events.
pub fn empty() -> Synthetic {
    Synthetic { data: empty_data(), requests: vec![] }
}

fn empty_data() -> ReportData {
    ReportData {
        name: "empty".into(),
        started: "2026-01-01T00:00:00Z".into(),
        origin: RunOrigin::default(),
        seed: 1,
        threads: 1,
        rate: 0.0,
        planned_rate: 0.0,
        slack: Time::ZERO,
        warmup_end: Instant::START,
        arrivals_end: Instant::START,
        slo: Time(SECOND),
        baseline: None,
        faults: vec![],
        recovered_at: None,
        goodput: vec![],
        verdict: Verdict::Invalid(vec![InvalidReason::Interrupted]),
        explanation: VerdictText {
            because: vec![],
            next: vec![],
            loss_seconds: None,
            loss_requests: None,
            baseline_goodput: None,
            ..verdict_text("INVALID: interrupted", 20)
        },
        digest: no_digest(),
        samples: vec![],
        budget: None,
        incidents: vec![],
        warnings: vec![],
        problems: vec![],
        thresholds: Vec::new(),
        generator: GeneratorStats::default(),
        requires_timestamps: false,
        facts: vec![],
    }
}

pub fn incident(at_ns: u64, what: &str) -> Incident {
    Incident { at: Instant(at_ns), what: what.into(), detail: String::new() }
}

/// A synthetic system: from the due time of a request to its service time, outcome and status.
type Respond = fn(u64, &mut Dice) -> (u64, Outcome, u16);

const FAULT: (u64, u64) = (15 * SECOND, 35 * SECOND);

fn run(name: &str, rate: f64, end: u64, respond: Respond) -> Synthetic {
    let mut dice = Dice(7);
    let over = end + 3 * SECOND;
    let mut requests = Vec::new();
    let n = (end as f64 / 1e9 * rate) as u64;
    for i in 0..n {
        let due = (i as f64 / rate * 1e9) as u64;
        let mut r = RequestRecord::planned(i, Instant(due), (i % 2) as u16);
        let (time, outcome, status) = respond(due, &mut dice);
        r.ready = Instant(due);
        r.sent = Instant(due + (dice.roll() * 80_000.0) as u64);
        r.end = r.sent.plus(Time(time));
        r.set_outcome(outcome);
        r.set_last(true);
        if r.end.0 > over {
            r.end = Instant(over);
            r.set_outcome(Outcome::Unanswered);
        } else if outcome == Outcome::Answered {
            r.status = status;
            r.first_byte = r.end.minus(Time(1000));
            r.bytes = 310;
        }
        requests.push(r);
    }
    let goodput = (0..end / SECOND)
        .map(|s| {
            let cohort = requests.iter().filter(|r| r.due.0 / SECOND == s);
            let good = cohort.clone().filter(|r| r.is_success() && r.response_time() <= Some(Time(SECOND)));
            let (scheduled, good) = (cohort.clone().count() as u64, good.count() as u64);
            Bin { from: Instant(s * SECOND), to: Instant((s + 1) * SECOND), scheduled, good }
        })
        .collect();
    let data = ReportData {
        name: name.into(),
        threads: 2,
        rate,
        planned_rate: rate,
        slack: Time::ZERO,
        warmup_end: Instant(5 * SECOND),
        arrivals_end: Instant(end),
        baseline: Some((Instant(5 * SECOND), Instant(15 * SECOND))),
        faults: vec![FaultWindow { label: "link-cut".into(), from: Instant(FAULT.0), to: Some(Instant(FAULT.1)) }],
        goodput,
        generator: GeneratorStats {
            cpu_ns: 6_400 * MS,
            connections_opened: 3_120,
            in_flight_max: 2_914,
            ..GeneratorStats::default()
        },
        requires_timestamps: false,
        facts: [
            ("load", "300 requests/s, Poisson, open, 2 threads"),
            ("fault", "link-cut at 15s for 20s"),
            ("SLO", "1 s"),
            ("budget", "124 MiB <each>"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into(),
        ..empty_data()
    };
    Synthetic { data, requests }
}

fn memory(data: &mut Synthetic, of_storage: fn(f64) -> Option<f64>) {
    for tick in 0..(data.arrivals_end.0 / (SECOND / 10) + 30) {
        let t = tick as f64 / 10.0;
        let wiggle = 1.0 + 0.03 * (t * 7.3).sin();
        let sample = |source: &str, mib: Option<f64>, limit: Option<u64>| Sample {
            at: Instant(tick * SECOND / 10),
            source: source.into(),
            memory_bytes: mib.map(|m| (m * wiggle * 1_048_576.0) as u64),
            limit_bytes: limit.map(|l| l << 20),
            ..Sample::default()
        };
        data.samples.push(sample("compose-post", Some(11.0), None));
        data.samples.push(sample("post-storage", of_storage(t), Some(124)));
    }
}

fn healthy(dice: &mut Dice) -> (u64, Outcome, u16) {
    (dice.around(7 * MS), Outcome::Answered, 200)
}

/// Healthy for 15 s, a fault of 20 s, no recovery.
pub fn metastable() -> Synthetic {
    let mut data = run("compose-post", 300.0, 95 * SECOND, |at, dice| match at {
        _ if at < FAULT.0 => healthy(dice),
        _ if dice.roll() < 0.04 => (dice.around(300 * MS), Outcome::Answered, 200),
        _ if dice.roll() < 0.02 => (dice.around(40 * MS), Outcome::ReadError, 0),
        _ if at < FAULT.1 => (dice.around(4_300 * MS), Outcome::Answered, 500),
        _ if dice.roll() < 0.2 => (20 * SECOND, Outcome::Abandoned, 0),
        _ => (dice.around(10_000 * MS), Outcome::Answered, 503),
    });
    data.verdict = Verdict::Metastable;
    data.explanation = verdict_text("METASTABLE", 10);
    memory(&mut data, |t| Some(if t < 15.0 { 19.0 } else { 117.0f64.min(19.0 + (t - 15.0) * 40.0) }));
    data
}

/// A run in which nearly everything happens: a component dies again and again, another one runs out of memory, limits
/// change, and there are more sources and faults than fit into one row.
pub fn eventful() -> Synthetic {
    let mut data = metastable();
    data.recovered_at = Some(Instant(70 * SECOND));
    let fault = |label: &str, from: u64, to: u64| FaultWindow {
        label: label.into(),
        from: Instant(from * SECOND),
        to: Some(Instant(to * SECOND)),
    };
    data.faults = vec![
        fault("memory-limit social-network-post-storage-1 (100 MiB)", 15, 35),
        fault("stop db", 16, 17),
        fault("throttle cache (0.2 CPUs)", 18, 20),
    ];
    data.incidents = (0..9).map(|i| incident((9 * SECOND) + i * 3_500 * MS, "post-storage-mongodb died")).collect();
    data.incidents.extend((0..8).map(|i| incident((11 * SECOND) + i * 3_500 * MS, "post-storage-mongodb restarted")));
    data.incidents.push(incident(37 * SECOND, "cache ran out of memory"));
    data.incidents.push(Incident { detail: "exit code 137".into(), ..incident(38 * SECOND, "cache died") });
    data.incidents.push(incident(60 * SECOND, "compose-post restarted"));
    for sample in &mut data.samples {
        if sample.source == "post-storage" && (15 * SECOND..35 * SECOND).contains(&sample.at.0) {
            sample.limit_bytes = Some(100 << 20);
        }
    }
    let further = |name: &str, share: f64, limit: Option<u64>| -> Vec<Sample> {
        let of_storage = data.samples.iter().filter(|sample| sample.source == "post-storage");
        let scaled = of_storage.map(|sample| Sample {
            source: name.into(),
            memory_bytes: sample.memory_bytes.map(|bytes| (bytes as f64 * share) as u64),
            limit_bytes: limit.map(|mib| mib << 20),
            ..sample.clone()
        });
        scaled.collect()
    };
    let mut all = further("social-network-post-storage-mongodb-1", 0.7, Some(128));
    all.extend(further("social-network-user-timeline-service-1", 0.5, Some(128)));
    all.extend(further("media-memcached", 0.3, None));
    data.samples.extend(all);
    data
}

/// The same with a recovery 12.4 s after the fault, and a restart of post-storage.
pub fn recovered() -> Synthetic {
    let mut data = run("compose-post at half the load", 100.0, 80 * SECOND, |at, dice| match at {
        _ if at < FAULT.0 => healthy(dice),
        _ if at < FAULT.1 => (dice.around(4_300 * MS), Outcome::Answered, 500),
        _ if at < FAULT.1 + 9 * SECOND => (FAULT.1 + 12 * SECOND - at, Outcome::Answered, 200),
        _ => healthy(dice),
    });
    data.verdict = Verdict::Recovered(Recovery {
        at: Instant(FAULT.1 + 12_400 * MS),
        tau: Time(12_400 * MS),
        loss_seconds: 78.4,
        loss_requests: 23_520.0,
        watched: Time(30 * SECOND),
    });
    data.explanation = VerdictText {
        because: vec!["Goodput was back at 90 % of the baseline 12.4 s after the removal of the fault.".into()],
        next: vec!["Raise the rate to find the load at which the system does not recover.".into()],
        tau_ns: Some(12_400 * MS),
        ..verdict_text("RECOVERED", 0)
    };
    data.recovered_at = Some(Instant(FAULT.1 + 12_400 * MS));
    data.incidents = vec![incident(38 * SECOND, "post-storage restarted")];
    memory(&mut data, |t| match t {
        t if t < 15.0 => Some(19.0),
        t if t < 37.0 => Some(90.0f64.min(19.0 + (t - 15.0) * 30.0)),
        t if t < 40.0 => None,
        _ => Some(20.0),
    });
    data
}
