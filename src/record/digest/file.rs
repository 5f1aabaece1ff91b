//! `digest.jsonl`: a digest as lines of JSON. The first line says what it is the digest of. The others hold its parts: the
//! frame, the totals, the cohorts of the verdict, what is in flight and in the backlog, each interval, each thread, and
//! the sample of requests.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::backlog::Backlog;
use super::bins::Bin;
use super::concurrency::MeanConcurrency;
use super::failures::Failures;
use super::frame::Frame;
use super::interval::Interval;
use super::request_sample::SampleRows;
use super::thread_counts::ThreadCounts;
use super::{CohortCounts, Digest, MAX_COUNT, Totals};
use crate::record::histogram::{Buckets, buckets, fill};
use crate::record::{Account, Latencies, LowerBounds};
use crate::stats::{lag_histogram, latency_histogram};

/// The version of the format, and of what is counted. A change of either needs a new one.
const VERSION: u32 = 3;

/// What a digest was made from, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestOrigin {
    digest: u32,
    program: String,
    /// The SHA-256 of each file that the digest follows from.
    pub sources: BTreeMap<String, String>,
    /// The SHA-256 of `latencies.txt`, which was written in the same pass over the records.
    pub latencies: String,
}

impl DigestOrigin {
    /// The origin of a digest of this version.
    pub fn new(sources: BTreeMap<String, String>, latencies: String) -> DigestOrigin {
        let program = format!("metawrk {}", env!("CARGO_PKG_VERSION"));
        DigestOrigin { digest: VERSION, program, sources, latencies }
    }

    /// Whether this version of the program made the digest from files with these checksums.
    pub fn is_of(&self, sources: &BTreeMap<String, String>) -> bool {
        *self == DigestOrigin::new(sources.clone(), self.latencies.clone())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Frame(Frame),
    Totals(TotalsLine),
    Cohorts(CohortsLine),
    InFlight(MeanConcurrency),
    Backlog(MeanConcurrency),
    /// Empty intervals are left out.
    Interval(u32, Interval),
    Thread(u16, ThreadCounts),
    Sample(SampleRows),
}

#[derive(Serialize, Deserialize)]
struct TotalsLine {
    records: u64,
    account: Account,
    statuses: BTreeMap<u16, u64>,
    sent: u64,
    answered_in_time: u64,
    bytes_in_time: u64,
    response_us: Buckets,
    lower_bounds: LowerBounds,
    service_us: Buckets,
    send_lag_ns: Buckets,
    wakeup_ns: Buckets,
}

#[derive(Serialize, Deserialize)]
struct CohortsLine {
    bins: Vec<Bin>,
    failures: Failures,
    baseline_backlog: Vec<i64>,
    last_backlog: Vec<i64>,
    recorded: u64,
    ready_unsent: u64,
    lags: u64,
    late: u64,
}

/// Writes the text of the file to `output`, in small pieces.
///
/// # Errors
/// Those of `output`. Data causes none: every key is a string.
pub fn format_digest(output: &mut impl Write, origin: &DigestOrigin, digest: &Digest) -> io::Result<()> {
    serde_json::to_writer(&mut *output, origin)?;
    let mut put = |line: Line| {
        output.write_all(b"\n")?;
        serde_json::to_writer(&mut *output, &line).map_err(io::Error::from)
    };
    put(Line::Frame(digest.frame.clone()))?;
    put(Line::Totals(TotalsLine::from(&digest.totals)))?;
    if let Some(cohorts) = &digest.cohorts {
        put(Line::Cohorts(CohortsLine::from(cohorts)))?;
    }
    put(Line::InFlight(digest.in_flight.clone()))?;
    put(Line::Backlog(digest.backlog.clone()))?;
    let numbered = digest.intervals.list.iter().zip(0..);
    for (interval, number) in numbered.filter(|(interval, _)| **interval != Interval::default()) {
        put(Line::Interval(number, interval.clone()))?;
    }
    for (thread, number) in digest.threads.iter().zip(0..) {
        put(Line::Thread(number, thread.clone()))?;
    }
    put(Line::Sample(SampleRows::from(&digest.sample)))?;
    output.write_all(b"\n")
}

/// Reads the text of a file. Returns the digest only if `is_wanted` accepts its origin, which costs little to know.
///
/// # Errors
/// Why it is no digest.
pub fn parse_digest(
    text: &[u8],
    is_wanted: impl FnOnce(&DigestOrigin) -> bool,
) -> Result<Option<(DigestOrigin, Digest)>, String> {
    let mut lines = text.strip_suffix(b"\n").ok_or("its end is missing")?.split(|&byte| byte == b'\n').zip(1..);
    let origin: serde_json::Result<DigestOrigin> = serde_json::from_slice(lines.next().map_or(b"", |(line, _)| line));
    // Another version of the program may have written other lines.
    let Ok(origin) = origin else { return Ok(None) };
    if !is_wanted(&origin) {
        return Ok(None);
    }
    let mut digest: Option<Digest> = None;
    for (line, number) in lines {
        let line: Line = serde_json::from_slice(line).map_err(|error| format!("line {number}: {error}"))?;
        let added = match (line, &mut digest) {
            (Line::Frame(frame), None) if frame.is_plausible() => {
                digest = Some(Digest::new(frame));
                Some(())
            }
            (line, Some(digest)) => line.add_to(digest),
            _ => None,
        };
        added.ok_or_else(|| format!("line {number}: its numbers cannot be those of a run"))?;
    }
    Ok(Some((origin, digest.ok_or("it has no frame")?)))
}

impl Line {
    /// Puts the part into `digest`. `None` if it cannot be a part of it.
    fn add_to(self, digest: &mut Digest) -> Option<()> {
        let axis_end = digest.frame.axis_end;
        match self {
            Line::Frame(_) => return None,
            Line::Totals(totals) => digest.totals = totals.into_totals()?,
            Line::Cohorts(line) => line.add_to(digest.frame.judged.as_ref()?, digest.cohorts.as_mut()?)?,
            Line::InFlight(line) => digest.in_flight = Some(line).filter(|line| line.is_plausible(axis_end))?,
            Line::Backlog(line) => digest.backlog = Some(line).filter(|line| line.is_plausible(axis_end))?,
            Line::Interval(number, line) => {
                *digest.intervals.list.get_mut(number as usize)? = Some(line).filter(Interval::is_plausible)?;
            }
            Line::Thread(number, line) => {
                *digest.threads.get_mut(usize::from(number))? = Some(line).filter(ThreadCounts::is_plausible)?;
            }
            Line::Sample(rows) => digest.sample = rows.into_sample()?,
        }
        Some(())
    }
}

impl From<&Totals> for TotalsLine {
    fn from(totals: &Totals) -> TotalsLine {
        TotalsLine {
            records: totals.records,
            account: totals.account,
            statuses: totals.statuses.clone(),
            sent: totals.sent,
            answered_in_time: totals.answered_in_time,
            bytes_in_time: totals.bytes_in_time,
            response_us: buckets(&totals.latencies.response),
            lower_bounds: totals.latencies.lower_bounds,
            service_us: buckets(&totals.latencies.service),
            send_lag_ns: buckets(&totals.latencies.send_lag),
            wakeup_ns: buckets(&totals.latencies.wakeup),
        }
    }
}

impl TotalsLine {
    fn into_totals(self) -> Option<Totals> {
        let totals = Totals {
            records: self.records,
            account: self.account,
            statuses: self.statuses,
            latencies: Latencies {
                response: fill(latency_histogram(), &self.response_us)?,
                lower_bounds: self.lower_bounds,
                service: fill(latency_histogram(), &self.service_us)?,
                send_lag: fill(lag_histogram(), &self.send_lag_ns)?,
                wakeup: fill(lag_histogram(), &self.wakeup_ns)?,
            },
            sent: self.sent,
            answered_in_time: self.answered_in_time,
            bytes_in_time: self.bytes_in_time,
        };
        Some(totals).filter(Totals::is_plausible)
    }
}

impl From<&CohortCounts> for CohortsLine {
    fn from(cohorts: &CohortCounts) -> CohortsLine {
        CohortsLine {
            bins: cohorts.bins.clone(),
            failures: cohorts.failures.clone(),
            baseline_backlog: cohorts.baseline_backlog.changes().to_vec(),
            last_backlog: cohorts.last_backlog.changes().to_vec(),
            recorded: cohorts.recorded,
            ready_unsent: cohorts.ready_unsent,
            lags: cohorts.lags,
            late: cohorts.late,
        }
    }
}

impl CohortsLine {
    fn add_to(self, judged: &super::JudgedFrame, cohorts: &mut CohortCounts) -> Option<()> {
        let places = |bins: &[Bin]| bins.iter().map(|bin| (bin.from, bin.to)).collect::<Vec<_>>();
        let counts = [self.recorded, self.ready_unsent, self.lags, self.late, self.failures.due];
        let of_bins = self.bins.iter().flat_map(|bin| [bin.scheduled, bin.good]);
        let of_failures = self.failures.sorted().into_iter().map(|(_, count)| count);
        let mut all = counts.into_iter().chain(of_bins).chain(of_failures);
        if places(&self.bins) != places(&cohorts.bins) || !all.all(|count| count <= MAX_COUNT) {
            return None;
        }
        cohorts.bins = self.bins;
        cohorts.failures = self.failures;
        cohorts.baseline_backlog = Backlog::with_changes(judged.baseline_backlog, self.baseline_backlog)?;
        cohorts.last_backlog = Backlog::with_changes(judged.last_backlog, self.last_backlog)?;
        (cohorts.recorded, cohorts.ready_unsent) = (self.recorded, self.ready_unsent);
        (cohorts.lags, cohorts.late) = (self.lags, self.late);
        Some(())
    }
}
