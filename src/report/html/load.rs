use super::describe_sample;
use super::page::{Headline, Page};
use super::tables;
use super::tone::Tone;
use crate::record::digest::RequestSample;
use crate::record::{PartStats, RunOrigin};
use crate::report::figures::{ChartSet, FigureData, FigureImages, format_count, format_time};
use crate::report::load_totals::LoadTotals;
use crate::stats::ratio;
use crate::threshold::ThresholdResult;

/// What the page of a plain load shows.
pub struct LoadPage<'a> {
    /// The URLs.
    pub name: &'a str,
    /// Wall time of the start of load, RFC 3339.
    pub started: &'a str,
    pub totals: &'a LoadTotals,
    pub thresholds: &'a [ThresholdResult],
    /// Each of several generators.
    pub parts: &'a [PartStats],
    pub origin: &'a RunOrigin,
    pub seed: u64,
}

impl LoadPage<'_> {
    /// The text of the file. The first of `figures` stands before the tables, the others after them.
    pub fn render(&self, figure_data: &FigureData, sample: &RequestSample, figures: &[FigureImages]) -> String {
        let LoadPage { totals, thresholds, .. } = self;
        let generator = &totals.generator;
        let warnings = generator.warnings();
        let tone = match () {
            () if thresholds.iter().any(|threshold| !threshold.passed) => Tone::Bad,
            () if !warnings.is_empty() => Tone::Doubtful,
            () if !thresholds.is_empty() => Tone::Good,
            () => Tone::Unknown,
        };
        let tables = [
            tables::threshold_table(thresholds),
            tables::account_table(&generator.account),
            tables::latency_table(&totals.latencies, generator),
            tables::generator_table(generator),
            tables::parts_table(self.parts),
            tables::error_table(&totals.errors),
            tables::origin_table(self.origin, self.seed, None),
        ];
        let page = Page {
            name: self.name,
            started: self.started,
            headline: Headline { tone, text: &self.headline(), because: &self.summary(), next: &[] },
            warnings,
            charts: ChartSet::of(figure_data),
            figures,
            tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
            note: describe_sample(sample),
        };
        page.render()
    }

    /// `p99 12 ms at 1,000 requests/s`
    fn headline(&self) -> String {
        let totals = self.totals;
        let rate = format_count(ratio(totals.answered_in_time as f64, totals.runtime.as_secs_f64()));
        match &totals.generator.response {
            Some(_) => {
                let p99 = crate::stats::value_at_percentile(&totals.latencies.response, 99.0) as f64 * 1e3;
                let [is_bound] = totals.latencies.lower_bounds.are_bounds(&totals.latencies.response, [99.0]);
                let bound = if is_bound { "at least " } else { "" };
                format!("p99 {bound}{} at {rate} answers/s", format_time(p99))
            }
            None => "no response times".to_owned(),
        }
    }

    /// The load in a sentence, and what its thresholds say.
    fn summary(&self) -> Vec<String> {
        let (totals, account) = (self.totals, &self.totals.generator.account);
        let load = format!(
            "{} requests/s were planned for {:.1} s. Of {} requests, {} were answered, and {} had an error.",
            format_count(totals.generator.planned_rate),
            totals.runtime.as_secs_f64(),
            account.scheduled,
            account.answered,
            account.with_error
        );
        let thresholds = self.thresholds.iter().map(|threshold| threshold.text.clone());
        [load].into_iter().chain(thresholds).collect()
    }
}
