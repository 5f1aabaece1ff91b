//! The metrics that Prometheus gets.

use std::collections::BTreeMap;
use std::fmt::{Error, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::buckets::Buckets;
use crate::progress::format::error_kinds;
use crate::progress::{MemoryUse, Phase, Progress};
use crate::record::{Account, Outcome};

/// The sums since the start of load, and the last progress.
#[derive(Debug)]
pub struct Totals {
    account: Account,
    outcomes: [u64; Outcome::ALL.len()],
    statuses: BTreeMap<u16, u64>,
    good: u64,
    response: Buckets,
    send_lag: Buckets,
    last: Option<Progress>,
}

impl Default for Totals {
    fn default() -> Totals {
        Totals {
            account: Account::default(),
            outcomes: [0; Outcome::ALL.len()],
            statuses: BTreeMap::new(),
            good: 0,
            response: Buckets::new(-4, 2),
            send_lag: Buckets::new(-6, 1),
            last: None,
        }
    }
}

impl Totals {
    pub fn add(&mut self, progress: &Progress) {
        if let Some(requests) = &progress.requests {
            let interval = &requests.interval;
            self.account.merge(&interval.account);
            self.outcomes.iter_mut().zip(interval.outcomes).for_each(|(total, count)| *total += count);
            for (status, count) in &interval.statuses {
                *self.statuses.entry(*status).or_default() += count;
            }
            self.good += interval.good;
            self.response.add(&interval.response, 1e-6);
            self.send_lag.add(&interval.send_lag, 1e-9);
        }
        self.last = Some(progress.clone());
    }

    fn encode(&self, metrics: &mut Metrics<'_>) -> Result<(), Error> {
        let statuses = self.statuses.iter().map(|(status, count)| {
            let labels = [("outcome", Outcome::Answered.name().to_owned()), ("status", status.to_string())];
            (labels, *count)
        });
        let outcomes = Outcome::ALL.into_iter().zip(self.outcomes).filter(|(outcome, _)| *outcome != Outcome::Answered);
        let others = outcomes
            .map(|(outcome, count)| ([("outcome", outcome.name().to_owned()), ("status", String::new())], count));
        metrics.counters(
            "requests",
            "Requests that ended, by the outcome of their last attempt",
            statuses.chain(others),
        )?;
        metrics.counter(
            "good_requests",
            "Requests answered with a status below 400 within timeout and SLO",
            self.good,
        )?;
        metrics.counter("attempts", "Attempts that ended", self.account.attempts)?;
        let errors = error_kinds(self.account.errors).into_iter();
        let errors = errors.map(|(kind, count)| ([("kind", kind.to_owned())], count));
        metrics.counters("attempt_errors", "Failed attempts, by kind of error", errors)?;
        metrics.counter_of("received", "Bytes of responses", &Unit::Bytes, self.account.bytes)?;
        metrics.histogram("response_time", "Response time of requests, from the due time", &self.response)?;
        metrics.histogram("send_lag", "Delay by the generator itself, of each attempt", &self.send_lag)?;
        if let Some(last) = &self.last {
            encode_progress(last, metrics)?;
        }
        Ok(())
    }
}

fn encode_progress(progress: &Progress, metrics: &mut Metrics<'_>) -> Result<(), Error> {
    let Progress { at, duration, left, offered, sent, .. } = progress;
    metrics.gauge("offered_requests_per_second", "Requests due per second", None, *offered)?;
    metrics.gauge("sent_attempts_per_second", "Attempts sent per second", None, *sent)?;
    metrics.gauge("in_flight", "Attempts in flight", None, progress.in_flight as f64)?;
    if let Some(connections) = progress.connections {
        metrics.gauge("connections", "Connections that are up", None, connections as f64)?;
    }
    if let Some(goodput) = progress.goodput {
        metrics.gauge("goodput", "Goodput of the last final bin", Some(&Unit::Ratios), goodput)?;
    }
    let phases =
        Phase::ALL.map(|phase| ([("phase", phase.name().to_owned())], if phase == progress.phase { 1.0 } else { 0.0 }));
    metrics.gauges("phase", "1 for the phase of the run, else 0", None, phases)?;
    let seconds = Some(&Unit::Seconds);
    metrics.gauge("elapsed", "Time since the start of load", seconds, at.as_secs_f64())?;
    metrics.gauge("duration", "How long requests are due, at most", seconds, duration.as_secs_f64())?;
    metrics.gauge("phase_left", "Time until the end of the phase, at most", seconds, left.as_secs_f64())?;
    if let Some(MemoryUse { source, used_bytes, limit_bytes }) = &progress.memory {
        let bytes = Some(&Unit::Bytes);
        let labels = || [("component", source.clone())];
        metrics.gauges("memory", "Memory of the first monitored component", bytes, [(labels(), *used_bytes as f64)])?;
        if let Some(limit) = limit_bytes {
            metrics.gauges("memory_limit", "Limit on this memory", bytes, [(labels(), *limit as f64)])?;
        }
    }
    if let Some(parts) = &progress.parts {
        metrics.gauge("generators", "Generators that are not lost", None, f64::from(parts.active))?;
    }
    Ok(())
}

/// Writes metrics, each with its description.
struct Metrics<'a>(DescriptorEncoder<'a>);

impl Metrics<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        ConstCounter::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn counter_of(&mut self, name: &str, help: &str, unit: &Unit, value: u64) -> Result<(), Error> {
        ConstCounter::new(value).encode(self.0.encode_descriptor(name, help, Some(unit), MetricType::Counter)?)
    }

    fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, String); N], u64)>,
    ) -> Result<(), Error> {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values
            .into_iter()
            .try_for_each(|(labels, value)| ConstCounter::new(value).encode(encoder.encode_family(&labels)?))
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> Result<(), Error> {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?)
    }

    fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: impl IntoIterator<Item = ([(&'static str, String); N], f64)>,
    ) -> Result<(), Error> {
        let mut encoder = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        values
            .into_iter()
            .try_for_each(|(labels, value)| ConstGauge::new(value).encode(encoder.encode_family(&labels)?))
    }

    fn histogram(&mut self, name: &str, help: &str, buckets: &Buckets) -> Result<(), Error> {
        let mut encoder = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(buckets.sum_seconds(), buckets.count(), buckets.counts(), None)
    }
}

#[derive(Debug)]
struct TotalsCollector(Arc<Mutex<Totals>>);

impl Collector for TotalsCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        lock(&self.0).encode(&mut Metrics(encoder))
    }
}

pub fn lock(totals: &Mutex<Totals>) -> MutexGuard<'_, Totals> {
    totals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The registry of the metrics.
pub fn create_registry(totals: Arc<Mutex<Totals>>) -> Registry {
    let mut registry = Registry::with_prefix("metawrk");
    registry.register_collector(Box::new(TotalsCollector(totals)));
    registry
}

/// All metrics in the text format of Prometheus.
pub fn format_metrics(registry: &Registry) -> String {
    let mut text = String::new();
    if prometheus_text::encode(&mut text, registry).is_err() {
        // A string can always be written.
        let _ = text.write_str("# incomplete\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{IntervalRecords, RequestProgress, example};
    use crate::record::RequestRecord;
    use crate::units::{Instant, Time};

    fn record(outcome: Outcome, status: u16, end_ms: u64) -> RequestRecord {
        let mut record = RequestRecord::planned(0, Instant::START, 0);
        (record.ready, record.sent) = (Instant::START, Instant(3_000));
        (record.end, record.status, record.bytes) = (Instant(end_ms * 1_000_000), status, 100);
        record.set_outcome(outcome);
        record.set_last(true);
        record
    }

    fn progress() -> Progress {
        let mut interval = IntervalRecords::default();
        let slo = Some(Time::from_millis(100));
        let records = [(Outcome::Answered, 200, 12), (Outcome::Answered, 503, 3), (Outcome::ReadError, 0, 4)];
        for (outcome, status, end) in records {
            interval.add(&record(outcome, status, end), slo);
        }
        let requests = RequestProgress { interval: Arc::new(interval), ..example().requests.unwrap() };
        Progress { requests: Some(requests), ..example() }
    }

    #[test]
    fn every_metric_has_its_help_and_type_and_counts_since_the_start() {
        let totals = Arc::<Mutex<Totals>>::default();
        let registry = create_registry(Arc::clone(&totals));
        lock(&totals).add(&progress());
        lock(&totals).add(&progress());
        let text = format_metrics(&registry);
        // Most buckets are empty.
        let kept = text.lines().filter(|line| !line.contains("_bucket{") || line.contains("\"+Inf\""));
        insta::assert_snapshot!(kept.collect::<Vec<_>>().join("\n"));
        assert!(text.contains("metawrk_response_time_seconds_bucket{le=\"0.015\"} 4\n"), "{text}");
    }

    #[test]
    fn before_the_first_second_all_counts_are_zero() {
        let text = format_metrics(&create_registry(Arc::default()));
        assert!(text.contains("\nmetawrk_good_requests_total 0\n") && !text.contains("metawrk_phase"), "{text}");
    }
}
