//! What a run leaves besides its text. The one place where it is hooked in.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::args::{DeathStarBench, Leaving};
use crate::load::{LoadPlan, LoadResult, LoadSettings};
use crate::out::{say, warn};
use crate::record::event::RunEnd;
use crate::record::sink::RecordSink;
use crate::record::{LatencyFile, OutputFile, P99Files, create_recording};
use crate::report::hgrm;
use crate::report::load_figures::LoadFigures;
use crate::report::load_summary::LoadSummary;
use crate::report::load_totals::LoadTotals;

/// Where `-P` writes to, in the working directory, as wrk2 does.
const LATENCIES: &str = "latencies.txt";

/// What the command line wants to keep of a run.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub files: Leaving,
    /// `-P`.
    pub all_latencies: bool,
    /// `-p`.
    pub percentiles: bool,
}

impl Wanted {
    pub fn of(files: Leaving, dsb: &DeathStarBench) -> Wanted {
        Wanted { files, all_latencies: dsb.all_latencies, percentiles: dsb.percentiles }
    }

    /// The JSON takes the text's place on standard output.
    pub fn replaces_text(&self) -> bool {
        self.files.json.as_ref().is_some_and(|file| file.as_os_str() == "-")
    }
}

/// What is being made of them.
pub struct Products {
    sinks: Vec<Box<dyn RecordSink>>,
    json: Option<OutputFile>,
    hgrm: Option<OutputFile>,
    plot: Option<LoadFigures>,
    latencies_file: Option<&'static str>,
    /// Standard output has the text, and nobody's JSON.
    with_text: bool,
    /// What was asked for, for the JSON.
    plans: Vec<LoadSettings>,
    started: String,
}

impl Products {
    /// Before anything is connected to, so that a file that can't be written costs no run.
    ///
    /// # Errors
    /// Names the file, and says why it can't be.
    pub fn create(wanted: &Wanted, plans: &[LoadPlan]) -> anyhow::Result<Products> {
        let Wanted { files, all_latencies, percentiles } = wanted;
        let product = |path: &Option<PathBuf>| path.as_deref().map(OutputFile::create).transpose();
        let threads: usize = plans.iter().map(|plan| plan.threads).sum();
        let requests: f64 = plans.iter().map(|plan| plan.planned_rate() * plan.duration.as_secs_f64()).sum();
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
        let plot = files.plot.as_deref().map(|folder| LoadFigures::create(folder, requests)).transpose()?;
        if let Some(plot) = &plot {
            sinks.push(Box::new(plot.sink()?));
        }
        Ok(Products {
            sinks,
            json: product(&files.json)?,
            hgrm: product(&files.hgrm)?,
            plot,
            latencies_file: all_latencies.then_some(LATENCIES),
            with_text: !wanted.replaces_text(),
            plans: plans.iter().cloned().map(LoadSettings::from).collect(),
            started: String::new(),
        })
    }

    /// Those who take every record while load goes on. None, and nothing is recorded.
    pub fn sinks(&mut self) -> Vec<Box<dyn RecordSink>> {
        std::mem::take(&mut self.sinks)
    }

    /// Load begins.
    pub fn begin(&mut self) {
        self.started = jiff::Timestamp::now().to_string();
    }

    /// Where `-P` writes to.
    pub fn latencies_file(&self) -> Option<&'static str> {
        self.latencies_file
    }

    /// Writes what is written at the end; the records have all been kept.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn finish(self, loads: &[LoadResult], numbers: &LoadTotals, ended: RunEnd) -> anyhow::Result<()> {
        if let Some(file) = self.json {
            let summary = LoadSummary::of(&self.plans, self.started, ended, loads);
            let json = summary.and_then(|summary| summary.to_json()).context("the run can't be told as JSON")?;
            file.write_and_finish(json.as_bytes())?;
        }
        if let Some(file) = self.hgrm {
            file.write_and_finish(hgrm::format_spectrum(&numbers.latencies.response).as_bytes())?;
        }
        if let Some(plot) = self.plot {
            let urls: Vec<&str> = self.plans.iter().map(|plan| plan.url.as_str()).collect();
            let plotted = plot.draw(&urls.join(" "), numbers)?;
            if self.with_text { say(&format!("{plotted}\n"))? } else { warn(&plotted.to_string()) }
        }
        Ok(())
    }
}
