//! What a run leaves besides its text. The one place where it is hooked in.

use anyhow::bail;

use super::args::{DeathStarBench, Leaving};
use super::report::Sum;
use crate::load::{LoadPlan, Loaded};
use crate::record::tape::Keep;

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
pub struct Products;

impl Products {
    /// Before anything is connected to, so that a file that can't be written costs no run.
    ///
    /// # Errors
    /// Names the file, and says why it can't be.
    pub fn create(wanted: &Wanted, _plans: &[LoadPlan]) -> anyhow::Result<Products> {
        // MERGE: each of these is made here.
        let Wanted { files, all_latencies, percentiles } = wanted;
        for (given, option) in [
            (files.record.is_some(), "--record"),
            (files.json.is_some(), "--json"),
            (files.hgrm.is_some(), "--hgrm"),
            (files.plot.is_some(), "--plot"),
            (*all_latencies, "-P"),
            (*percentiles, "-p"),
        ] {
            if given {
                bail!("{option} is not built in yet");
            }
        }
        Ok(Products)
    }

    /// Those who take every record while load goes on. None, and nothing is recorded.
    pub fn keepers(&mut self) -> Vec<Box<dyn Keep>> {
        Vec::new()
    }

    /// Writes what is written at the end; the records have all been kept. Says where `-P` wrote to.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn finish(self, _loads: &[Loaded], _sum: &Sum) -> anyhow::Result<Option<String>> {
        Ok(None)
    }
}
