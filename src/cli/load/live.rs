//! What a terminal shows of a load while it goes.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;

use super::loads::UnderWay;
use crate::cli::line::Line;
use crate::load::LoadPlan;
use crate::record::sink::RecordSink;
use crate::record::{Account, RequestRecord};
use crate::stats::{latency_histogram, ratio, record_time, value_at_percentile};
use crate::units::{Instant, Time, format_wrk_count, format_wrk_time};

/// The line is drawn anew so often.
const EVERY: Time = Time(1_000_000_000);

/// The line, and what it needs to know.
pub struct Panel {
    /// From the first second on.
    line: Option<Line>,
    pulse: Arc<Mutex<Pulse>>,
    plans: Vec<LoadPlan>,
    duration: Time,
    /// When the line was last drawn, and how many were sent by then.
    drawn: (Instant, u64),
}

/// Gathers what a second showed.
struct Pulse {
    /// Response times of what ended since the line was last drawn, in us.
    response: Histogram<u64>,
    account: Account,
}

/// Hands every record to the panel's pulse.
pub struct Feel(Arc<Mutex<Pulse>>);

impl RecordSink for Feel {
    fn consume(&mut self, batch: &[RequestRecord]) -> io::Result<()> {
        let mut pulse = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for record in batch {
            pulse.account.add(record);
            if let Some(response) = record.response_sample() {
                record_time(&mut pulse.response, response);
            }
        }
        Ok(())
    }
}

impl Panel {
    /// A panel, and what keeps it informed.
    pub fn new(plans: &[LoadPlan]) -> (Panel, Feel) {
        let pulse = Arc::new(Mutex::new(Pulse { response: latency_histogram(), account: Account::default() }));
        let panel = Panel {
            line: None,
            pulse: Arc::clone(&pulse),
            plans: plans.to_vec(),
            duration: plans.iter().map(|plan| plan.duration).max().unwrap_or(Time::ZERO),
            drawn: (Instant::START, 0),
        };
        (panel, Feel(pulse))
    }

    /// Draws the line anew where it is time to.
    pub fn look(&mut self, loads: &UnderWay) {
        let (now, (before, sent_before)) = (loads.now(), self.drawn);
        if now < before.plus(EVERY) {
            return;
        }
        let (sent, in_flight) = loads.sent();
        self.drawn = (now, sent);
        let rate = ratio((sent - sent_before) as f64, now.since(before).as_secs_f64());
        let planned = ratio(self.planned_by(now) - self.planned_by(before), now.since(before).as_secs_f64());
        let text = describe(&self.snapshot(now, rate, planned, in_flight));
        self.line.get_or_insert_with(Line::new).show(text);
    }

    /// Requests planned up to an instant, over all loads.
    fn planned_by(&self, at: Instant) -> f64 {
        let at = at.since(Instant::START);
        self.plans
            .iter()
            .map(|plan| plan.planned_rate_over(at.min(plan.duration)) * at.min(plan.duration).as_secs_f64())
            .sum()
    }

    fn snapshot(&self, now: Instant, rate: f64, planned: f64, in_flight: u64) -> Snapshot {
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        let at =
            |percent| (!pulse.response.is_empty()).then(|| Time(value_at_percentile(&pulse.response, percent) * 1000));
        let errors = pulse.account.errors;
        let snapshot = Snapshot {
            at: now.since(Instant::START),
            of: self.duration,
            rate,
            planned,
            p50: at(50.0),
            p99: at(99.0),
            in_flight,
            errors: errors.connect + errors.read + errors.write + errors.timeout + errors.status,
        };
        pulse.response.reset();
        snapshot
    }
}

/// A load at an instant.
struct Snapshot {
    at: Time,
    of: Time,
    /// Attempts sent per second, over the last second.
    rate: f64,
    planned: f64,
    /// Of the response times of what ended in the last second.
    p50: Option<Time>,
    p99: Option<Time>,
    in_flight: u64,
    /// Of all kinds, so far.
    errors: u64,
}

fn describe(s: &Snapshot) -> String {
    let time = |time: Option<Time>| time.map_or_else(|| "-".to_owned(), |t| format_wrk_time(t.0 as f64 / 1e3));
    let (at, of) = (s.at.as_secs_f64().floor(), s.of);
    let sending = if s.at < s.of {
        format!("{}/s of {}/s", format_wrk_count(s.rate), format_wrk_count(s.planned))
    } else {
        "waiting for the last answers".to_owned()
    };
    format!(
        "{at:>3}s of {of}  {sending}  p50 {} p99 {}  {} in flight  {} errors",
        time(s.p50),
        time(s.p99),
        s.in_flight,
        s.errors
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Outcome;

    #[test]
    fn the_line_says_how_it_goes() {
        let mut s = Snapshot {
            at: Time::from_millis(17_400),
            of: Time::from_secs(120),
            rate: 498.6,
            planned: 500.0,
            p50: Some(Time(1_370_000)),
            p99: Some(Time(12_960_000_000)),
            in_flight: 3,
            errors: 12,
        };
        insta::assert_snapshot!(describe(&s), @" 17s of 120s  498.60/s of 500.00/s  p50 1.37ms p99 12.96s  3 in flight  12 errors");
        (s.at, s.of, s.p50, s.p99) = (Time::from_millis(30_700), Time::from_secs(30), None, None);
        insta::assert_snapshot!(describe(&s), @" 30s of 30s  waiting for the last answers  p50 - p99 -  3 in flight  12 errors");
    }

    #[test]
    fn a_second_is_summed_up_and_begun_anew_but_errors_add_up() {
        let plan = LoadPlan::new(crate::load::LoadSettings::new("http://h/", 100.0)).unwrap();
        let (panel, mut feel) = Panel::new(&[plan]);
        let mut record = RequestRecord::planned(0, Instant::START, 0);
        (record.sent, record.end, record.status) = (Instant::START, Instant(7_000_000), 503);
        record.set_outcome(Outcome::Answered);
        record.set_last(true);
        feel.consume(&[record, record]).unwrap();
        let first = panel.snapshot(Instant(1_000_000_000), 2.0, 2.0, 0);
        assert_eq!((first.p50.map(|t| t.0 / 1_000_000), first.errors), (Some(7), 2));
        feel.consume(&[]).unwrap();
        let second = panel.snapshot(Instant(2_000_000_000), 0.0, 2.0, 0);
        assert_eq!((second.p50, second.p99, second.errors), (None, None, 2));
    }
}
