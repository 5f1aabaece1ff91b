//! The files that a load writes besides its text report.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::args::{DeathStarBenchOptions, OutputOptions};
use crate::load::{LoadPlan, LoadResult, LoadSettings};
use crate::record::event::RunEnd;
use crate::record::sink::RecordSink;
use crate::record::{LatencyFile, OutputFile, P99Files, PartStats, RunOrigin, create_recording};
use crate::report::ci::{CiReport, format_junit, format_markdown};
use crate::report::figures::FigureData;
use crate::report::hgrm;
use crate::report::html::load::LoadPage;
use crate::report::load_figures::{LoadFigures, render_load_figures};
use crate::report::load_records::LoadRecords;
use crate::report::load_summary::LoadSummary;
use crate::report::load_totals::LoadTotals;
use crate::threshold::ThresholdResult;

/// The file of `-P` in the working directory, as in wrk2.
const LATENCIES: &str = "latencies.txt";

/// The files that the command line asks for.
#[derive(Clone, Debug, Default)]
pub struct OutputRequest {
    pub files: OutputOptions,
    /// `-P`.
    pub all_latencies: bool,
    /// `-p`.
    pub percentiles: bool,
    /// The number of generators.
    pub parts: u16,
}

impl OutputRequest {
    pub fn new(files: OutputOptions, dsb: &DeathStarBenchOptions, parts: u16) -> OutputRequest {
        OutputRequest { files, all_latencies: dsb.all_latencies, percentiles: dsb.percentiles, parts }
    }

    /// Whether data replaces the text report on standard output, such as `--json -`.
    pub fn replaces_text(&self) -> bool {
        self.files.data_files().any(|file| OutputFile::is_standard_output(file))
    }
}

/// The output files of a load, while they are written.
pub struct OutputFiles {
    sinks: Vec<Box<dyn RecordSink>>,
    json: Option<OutputFile>,
    hgrm: Option<OutputFile>,
    junit: Option<OutputFile>,
    markdown: Option<OutputFile>,
    report: Option<OutputFile>,
    plot: Option<LoadFigures>,
    /// The records that the figures of `report` and `plot` show.
    records: Option<LoadRecords>,
    latencies_file: Option<&'static str>,
    /// The settings of each load, for JSON.
    settings: Vec<LoadSettings>,
    /// Wall-clock time of the start of load.
    started: String,
    origin: RunOrigin,
}

impl OutputFiles {
    /// Creates the files. Called before the first connection, so that a file that cannot be written does not cost a run.
    ///
    /// # Errors
    /// Names the file that cannot be created, and the reason.
    pub fn create(request: &OutputRequest, plans: &[LoadPlan]) -> anyhow::Result<OutputFiles> {
        let OutputRequest { files, all_latencies, percentiles, parts } = request;
        let create = |path: &Option<PathBuf>| path.as_deref().map(OutputFile::create).transpose();
        let threads: usize = plans.iter().map(|plan| plan.threads * usize::from(*parts)).sum();
        let mut sinks: Vec<Box<dyn RecordSink>> = Vec::new();
        if let Some(path) = &files.record {
            sinks.push(create_recording(path)?);
        }
        if *all_latencies {
            sinks.push(Box::new(LatencyFile::new(OutputFile::create(Path::new(LATENCIES))?, threads)?));
        }
        if *percentiles {
            sinks.push(Box::new(P99Files::create(Path::new("."), plans.len(), threads / plans.len().max(1))?));
        }
        let plot = files.plot.as_deref().map(LoadFigures::create).transpose()?;
        let report = create(&files.report)?;
        let records = match (&plot, &report) {
            (Some(plot), _) => Some(LoadRecords::create_in(plot.folder(), plot.folder())?),
            (None, Some(report)) => Some(LoadRecords::create_for(report)?),
            (None, None) => None,
        };
        if let Some(records) = &records {
            sinks.push(Box::new(records.sink()?));
        }
        Ok(OutputFiles {
            sinks,
            json: create(&files.json)?,
            hgrm: create(&files.hgrm)?,
            junit: create(&files.junit)?,
            markdown: create(&files.markdown)?,
            report,
            plot,
            records,
            latencies_file: all_latencies.then_some(LATENCIES),
            settings: plans.iter().cloned().map(LoadSettings::from).collect(),
            started: String::new(),
            origin: RunOrigin::of_this_process(),
        })
    }

    /// The sinks that need every record during the load. If there is none, records are not collected.
    pub fn take_sinks(&mut self) -> Vec<Box<dyn RecordSink>> {
        std::mem::take(&mut self.sinks)
    }

    /// Notes the wall-clock time of the start of load.
    pub fn mark_start(&mut self) {
        self.started = jiff::Timestamp::now().to_string();
    }

    /// The file of `-P`, if it is written.
    pub fn latencies_file(&self) -> Option<&'static str> {
        self.latencies_file
    }

    /// Where the figures will be, if some are drawn. They are drawn after the report is printed.
    pub fn describe_figures(&self, threads: u16) -> Option<String> {
        self.plot.as_ref().map(|plot| plot.describe(threads))
    }

    /// Writes the files that are made from the results. The files of the sinks are complete by then.
    ///
    /// # Errors
    /// Names the file that cannot be written.
    pub fn finish(
        self,
        (loads, parts): (&[LoadResult], &[PartStats]),
        totals: &LoadTotals,
        thresholds: &[ThresholdResult],
        ending: RunEnd,
    ) -> anyhow::Result<()> {
        let urls: Vec<&str> = self.settings.iter().map(|settings| settings.url.as_str()).collect();
        let urls = urls.join(" ");
        if let Some(file) = self.json {
            let loads = (loads, parts);
            let start = (self.started.clone(), self.origin.clone());
            let summary = LoadSummary::of(&self.settings, start, ending, loads, thresholds);
            let json = summary.and_then(|summary| summary.to_json()).context("cannot write the results as JSON")?;
            file.write_and_finish(json.as_bytes())?;
        }
        if let Some(file) = self.hgrm {
            file.write_and_finish(hgrm::format_spectrum(&totals.latencies.response).as_bytes())?;
        }
        let report = CiReport::of_load(urls.clone(), &self.started, totals, thresholds);
        if let Some(file) = self.junit {
            file.write_and_finish(format_junit(&report).as_bytes())?;
        }
        if let Some(file) = self.markdown {
            file.write_and_finish(format_markdown(&report).as_bytes())?;
        }
        if let Some(records) = self.records {
            let digest = records.digest(totals)?;
            let figure_data = FigureData::of_load(&urls, &totals.generator, &digest);
            let figures = render_load_figures(&figure_data, totals.generator.threads)?;
            if let Some(file) = self.report {
                let page = LoadPage {
                    name: &urls,
                    started: &self.started,
                    totals,
                    thresholds,
                    parts,
                    origin: &self.origin,
                    seed: self.settings.first().map_or(0, |settings| settings.seed),
                };
                file.write_and_finish(page.render(&figure_data, &digest.sample, &figures).as_bytes())?;
            }
            if let Some(plot) = self.plot {
                plot.write(&figures)?;
            }
        }
        Ok(())
    }
}
