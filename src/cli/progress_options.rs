//! How progress is shown: options of `wrk2`, `metawrk load` and `metawrk experiment`.

use std::path::PathBuf;
use std::str::FromStr;

use crate::out::warn;
use crate::progress::{
    JsonOutput, LineOutput, LogOutput, Progress, ProgressOutput, PrometheusOutput, StatusLine, TuiOutput,
    can_use_full_screen,
};

/// How progress is shown.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ProgressOptions {
    /// How to show progress on standard error: line (lines of a log if it is no terminal), json (one object per second;
    /// json=FILE writes them to a file), or none
    #[arg(long, value_name = "HOW", help_heading = "Output")]
    progress: Option<ProgressStyle>,

    /// Serve live metrics to Prometheus at this address, such as 127.0.0.1:9464
    #[arg(long, value_name = "HOST:PORT", help_heading = "Output", hide_short_help = true)]
    prometheus: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ProgressStyle {
    Line,
    Json(Option<PathBuf>),
    /// With this title. The option does not name it, because it replaces every other style.
    FullScreen(String),
    None,
}

impl FromStr for ProgressStyle {
    type Err = String;

    fn from_str(text: &str) -> Result<ProgressStyle, String> {
        match (text, text.strip_prefix("json=")) {
            ("line", _) => Ok(ProgressStyle::Line),
            ("json", _) => Ok(ProgressStyle::Json(None)),
            ("none", _) => Ok(ProgressStyle::None),
            (_, Some(file)) if !file.is_empty() => Ok(ProgressStyle::Json(Some(file.into()))),
            _ => Err("Write line, json, json=FILE or none.".to_owned()),
        }
    }
}

/// Everything that shows the progress of one run.
#[derive(Default)]
pub struct ProgressOutputs(Vec<Box<dyn ProgressOutput>>);

impl ProgressOptions {
    /// The user chose how progress is shown.
    pub fn has_style(&self) -> bool {
        self.progress.is_some()
    }

    /// The outputs of a load. Without an option it has a line on a terminal, and nothing elsewhere. `tui` is the title of the
    /// full screen, if it is wanted.
    ///
    /// # Errors
    /// If there is no terminal for the full screen, a file cannot be created, or the address of the metrics is not free.
    pub fn load_outputs(&self, quiet: bool, tui: Option<String>) -> anyhow::Result<ProgressOutputs> {
        if let Some(title) = tui {
            anyhow::ensure!(
                can_use_full_screen(),
                "--tui needs a terminal as standard error, and this program in its foreground. Leave it out, or write \
                 --progress line."
            );
            return self.outputs(ProgressStyle::FullScreen(title), LineOutput::default);
        }
        let is_shown = !quiet && StatusLine::is_visible();
        // Its header is printed first.
        let line = LineOutput::default;
        self.outputs(if is_shown { ProgressStyle::Line } else { ProgressStyle::None }, line)
    }

    /// The outputs of an experiment. Without an option it has the full screen of a terminal, with the title `tui`, or a line if
    /// that is not wanted. Without a terminal it has the lines of a log.
    ///
    /// # Errors
    /// If a file cannot be created, or the address of the metrics is not free.
    pub fn experiment_outputs(&self, tui: Option<String>) -> anyhow::Result<ProgressOutputs> {
        if let Some(title) = tui.filter(|_| can_use_full_screen()) {
            return self.outputs(ProgressStyle::FullScreen(title), LineOutput::starting);
        }
        self.outputs(ProgressStyle::Line, LineOutput::starting)
    }

    fn outputs(&self, default: ProgressStyle, line: fn() -> LineOutput) -> anyhow::Result<ProgressOutputs> {
        let mut outputs: Vec<Box<dyn ProgressOutput>> = Vec::new();
        if let Some(address) = &self.prometheus {
            let prometheus = PrometheusOutput::listen(address)?;
            warn(&format!("metrics for Prometheus: http://{}/metrics", prometheus.address()));
            outputs.push(Box::new(prometheus));
        }
        match self.progress.as_ref().unwrap_or(&default) {
            ProgressStyle::Line if StatusLine::is_visible() => outputs.push(Box::new(line())),
            ProgressStyle::Line => outputs.push(Box::new(LogOutput::default())),
            ProgressStyle::Json(None) => outputs.push(Box::new(JsonOutput::to_stderr())),
            ProgressStyle::Json(Some(file)) => outputs.push(Box::new(JsonOutput::create(file)?)),
            ProgressStyle::FullScreen(title) => outputs.push(Box::new(TuiOutput::new(title.clone()))),
            ProgressStyle::None => {}
        }
        Ok(ProgressOutputs(outputs))
    }
}

impl ProgressOutputs {
    /// Nothing is shown.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An output needs the records of several generators.
    pub fn need_records(&self) -> bool {
        self.0.iter().any(|output| output.needs_records())
    }

    pub fn show(&mut self, progress: &Progress) {
        self.0.iter_mut().for_each(|output| output.show(progress));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_is_a_word_and_json_may_have_a_file() {
        let parse = |text: &str| text.parse::<ProgressStyle>().ok();
        assert_eq!(parse("line"), Some(ProgressStyle::Line));
        assert_eq!(parse("json"), Some(ProgressStyle::Json(None)));
        assert_eq!(parse("json=a=b"), Some(ProgressStyle::Json(Some("a=b".into()))));
        assert_eq!(parse("none"), Some(ProgressStyle::None));
        assert_eq!(["json=", "tui", "", "Line"].map(parse), [None, None, None, None]);
    }
}
