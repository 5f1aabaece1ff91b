//! The progress line of a load.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;

use crate::cli::progress_line::ProgressLine;
use crate::load::{ActiveLoad, LoadPlan, PartsProgress};
use crate::record::sink::RecordSink;
use crate::record::{Account, RequestRecord};
use crate::stats::{latency_histogram, ratio, record_time, value_at_percentile};
use crate::units::{Instant, Time, format_wrk_count, format_wrk_time};

/// Interval at which the line changes.
const INTERVAL: Time = Time(1_000_000_000);

/// Shows the progress of loads on a terminal, once per second.
pub struct ProgressDisplay {
    /// `None` until the first interval is over.
    line: Option<ProgressLine>,
    interval: Arc<Mutex<IntervalRecords>>,
    plans: Vec<LoadPlan>,
    duration: Time,
    /// When the current interval began, and the number of attempts sent by then.
    interval_start: (Instant, u64),
}

/// The records of the current interval, summed up.
struct IntervalRecords {
    /// Response times of requests that ended in the interval, in us.
    response: Histogram<u64>,
    /// Counts since the start of load.
    account: Account,
}

/// Adds every record to the current interval.
pub struct ProgressSink(Arc<Mutex<IntervalRecords>>);

impl RecordSink for ProgressSink {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        let mut interval = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for record in batch {
            interval.account.add(record);
            if let Some(response) = record.response_sample() {
                record_time(&mut interval.response, response);
            }
        }
        Ok(())
    }

    fn needs_unsent(&self) -> bool {
        false
    }
}

impl ProgressDisplay {
    /// The display for loads of these plans, and the sink that needs all their records.
    pub fn new(plans: &[LoadPlan]) -> (ProgressDisplay, ProgressSink) {
        let interval =
            Arc::new(Mutex::new(IntervalRecords { response: latency_histogram(), account: Account::default() }));
        let display = ProgressDisplay {
            line: None,
            interval: Arc::clone(&interval),
            plans: plans.to_vec(),
            duration: plans.iter().map(|plan| plan.duration).max().unwrap_or(Time::ZERO),
            interval_start: (Instant::START, 0),
        };
        (display, ProgressSink(interval))
    }

    /// Changes the line if the current interval is over.
    pub fn update(&mut self, loads: &dyn ActiveLoad) {
        let (now, (start, sent_before)) = (loads.clock().now(), self.interval_start);
        if now < start.plus(INTERVAL) {
            return;
        }
        let live = loads.live();
        let sent = live.iter().map(|live| live.sent()).sum();
        let in_flight = live.iter().map(|live| live.in_flight()).sum();
        self.interval_start = (now, sent);
        let seconds = now.since(start).as_secs_f64();
        let rate = ratio((sent - sent_before) as f64, seconds);
        let planned = ratio(self.due_before(now) - self.due_before(start), seconds);
        let progress = self.end_interval(now, rate, planned, in_flight);
        let text = match loads.parts_progress() {
            None => progress_text(&progress),
            Some(parts) => parts_text(&progress, &parts),
        };
        self.line.get_or_insert_with(ProgressLine::new).show(text);
    }

    /// Mean number of requests due before an instant, over all loads.
    fn due_before(&self, at: Instant) -> f64 {
        let at = at.since(Instant::START);
        self.plans
            .iter()
            .map(|plan| plan.planned_rate_over(at.min(plan.duration)) * at.min(plan.duration).as_secs_f64())
            .sum()
    }

    /// The progress at the end of the current interval. The next interval starts with an empty histogram.
    fn end_interval(&self, now: Instant, rate: f64, planned: f64, in_flight: u64) -> LoadProgress {
        let mut interval = self.interval.lock().unwrap_or_else(PoisonError::into_inner);
        let response = &interval.response;
        let percentile = |percent| (!response.is_empty()).then(|| Time(value_at_percentile(response, percent) * 1000));
        let errors = interval.account.errors;
        let progress = LoadProgress {
            at: now.since(Instant::START),
            duration: self.duration,
            rate,
            planned,
            p50: percentile(50.0),
            p99: percentile(99.0),
            in_flight,
            errors: errors.connect + errors.read + errors.write + errors.timeout + errors.status,
        };
        interval.response.reset();
        progress
    }
}

/// The progress of loads, as the progress line shows it.
struct LoadProgress {
    at: Time,
    duration: Time,
    /// Attempts sent per second in the last interval.
    rate: f64,
    /// Requests due per second in the last interval.
    planned: f64,
    /// Of the response times of requests that ended in the last interval.
    p50: Option<Time>,
    p99: Option<Time>,
    in_flight: u64,
    /// Errors of all kinds since the start of load.
    errors: u64,
}

/// `17s of 120s  498.60/s of 500.00/s`
fn sending_text(p: &LoadProgress) -> String {
    let (at, duration) = (p.at.as_secs_f64().floor(), p.duration);
    let sending = if p.at < p.duration {
        format!("{}/s of {}/s", format_wrk_count(p.rate), format_wrk_count(p.planned))
    } else {
        "waiting for the last responses".to_owned()
    };
    format!("{at:>3}s of {duration}  {sending}")
}

/// The line for several generators.
fn parts_text(p: &LoadProgress, parts: &PartsProgress) -> String {
    let lag = parts.send_lag.as_ref().map_or_else(String::new, |(lag, node)| {
        format!("  worst send lag {} on {node}", format_wrk_time(lag.0 as f64 / 1e3))
    });
    let PartsProgress { active, parts, .. } = parts;
    format!("{active} of {parts}  {}  {} in flight{lag}", sending_text(p), p.in_flight)
}

fn progress_text(p: &LoadProgress) -> String {
    let time = |time: Option<Time>| time.map_or_else(|| "-".to_owned(), |t| format_wrk_time(t.0 as f64 / 1e3));
    format!(
        "{}  p50 {} p99 {}  {} in flight  {} errors",
        sending_text(p),
        time(p.p50),
        time(p.p99),
        p.in_flight,
        p.errors
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Outcome;

    #[test]
    fn the_progress_line_shows_the_last_interval() {
        let mut progress = LoadProgress {
            at: Time::from_millis(17_400),
            duration: Time::from_secs(120),
            rate: 498.6,
            planned: 500.0,
            p50: Some(Time(1_370_000)),
            p99: Some(Time(12_960_000_000)),
            in_flight: 3,
            errors: 12,
        };
        insta::assert_snapshot!(progress_text(&progress), @" 17s of 120s  498.60/s of 500.00/s  p50 1.37ms p99 12.96s  3 in flight  12 errors");
        (progress.at, progress.duration) = (Time::from_millis(30_700), Time::from_secs(30));
        (progress.p50, progress.p99) = (None, None);
        insta::assert_snapshot!(progress_text(&progress), @" 30s of 30s  waiting for the last responses  p50 - p99 -  3 in flight  12 errors");
    }

    #[test]
    fn the_line_of_several_generators_shows_the_worst_send_lag() {
        let progress = LoadProgress {
            at: Time::from_millis(17_400),
            duration: Time::from_secs(120),
            rate: 79_998.0,
            planned: 80_000.0,
            p50: None,
            p99: None,
            in_flight: 30,
            errors: 0,
        };
        let mut parts = PartsProgress { active: 8, parts: 8, send_lag: Some((Time(400_000), "node7".into())) };
        insta::assert_snapshot!(parts_text(&progress, &parts), @"8 of 8   17s of 120s  80.00k/s of 80.00k/s  30 in flight  worst send lag 400.00us on node7");
        (parts.active, parts.send_lag) = (7, None);
        insta::assert_snapshot!(parts_text(&progress, &parts), @"7 of 8   17s of 120s  80.00k/s of 80.00k/s  30 in flight");
    }

    #[test]
    fn latencies_are_those_of_one_interval_and_errors_those_of_the_whole_load() {
        let plan = LoadPlan::new(crate::load::LoadSettings::new("http://h/", 100.0)).unwrap();
        let (display, mut sink) = ProgressDisplay::new(&[plan]);
        let mut record = RequestRecord::planned(0, Instant::START, 0);
        (record.sent, record.end, record.status) = (Instant::START, Instant(7_000_000), 503);
        record.set_outcome(Outcome::Answered);
        record.set_last(true);
        sink.consume(&[record, record]).unwrap();
        let first = display.end_interval(Instant(1_000_000_000), 2.0, 2.0, 0);
        assert_eq!((first.p50.map(|t| t.0 / 1_000_000), first.errors), (Some(7), 2));
        sink.consume(&[]).unwrap();
        let second = display.end_interval(Instant(2_000_000_000), 0.0, 2.0, 0);
        assert_eq!((second.p50, second.p99, second.errors), (None, None, 2));
    }
}
