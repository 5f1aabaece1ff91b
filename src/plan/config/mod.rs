//! From an experiment file, and the flags that change it, to an [`ExperimentPlan`].

mod fit;

use std::path::Path;

use super::settings::{ScriptSetting, Settings, Target};
use super::source::{ConfigError, Source};
use super::{ExperimentPlan, InvalidSetting, find_windows};
use super::{load, thresholds};
use crate::arrivals::Profile;
use crate::input;
use crate::script::Script;
use crate::threshold::Thresholds;
use crate::units::Time;

/// The default experiment.
pub const DEFAULT: &str = include_str!("../../../experiments/embedded.toml");

const NO_TARGET: &str = "starts a testbed. Give a file with a [target]: `metawrk init --url URL` writes one.";

/// Flags that change the settings of a file before they are resolved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    pub name: Option<String>,
    /// `target.url`
    pub url: Option<String>,
    /// `load.rate`
    pub rate: Option<f64>,
    /// `load.profile`. The rate is then that at its beginning, unless `rate` is set.
    pub profile: Option<Profile>,
    /// `load.connections`. Raises `max-connections` if that is less.
    pub connections: Option<usize>,
    /// `load.seed`
    pub seed: Option<u64>,
    /// The length of each fault that has one. Zero removes all faults.
    pub outage: Option<Time>,
    /// `phases.duration`, the length of the whole load. `observe` then follows from it.
    pub duration: Option<Time>,
    /// `verdict.slo`
    pub slo: Option<Time>,
    /// `verdict.early`
    pub early: Option<Time>,
    /// Further `[[threshold]]` sections.
    pub thresholds: Thresholds,
}

impl Overrides {
    fn apply(&self, settings: &mut Settings) {
        let Overrides { name, url, rate, profile, connections, seed, outage, duration, slo, early, .. } = self;
        settings.name = name.clone().unwrap_or_else(|| settings.name.clone());
        if let Some(url) = url.clone() {
            let engine = settings.target.take().and_then(|target| target.engine);
            settings.target = Some(Target { url, engine });
        }
        let load = &mut settings.load;
        let initial = profile.as_ref().map(Profile::initial_rate);
        load.rate = rate.or(initial).unwrap_or(load.rate);
        load.profile = profile.clone().or_else(|| load.profile.take());
        load.seed = seed.unwrap_or(load.seed);
        if let Some(connections) = *connections {
            load.connections = connections;
            load.max_connections = load.max_connections.max(connections);
        }
        match *outage {
            Some(Time::ZERO) => settings.fault.clear(),
            Some(lasts) => {
                let no_length = settings.fault.iter().all(|fault| fault.lasts.is_none());
                // Where no fault has a length, the flag must be an error.
                let meant = settings.fault.iter_mut().filter(|fault| fault.lasts.is_some() || no_length);
                meant.for_each(|fault| fault.lasts = Some(lasts));
            }
            None => {}
        }
        settings.threshold.extend(thresholds::to_settings(&self.thresholds));
        settings.verdict.slo = slo.or(settings.verdict.slo);
        settings.verdict.early = early.or(settings.verdict.early);
        if let Some(duration) = *duration {
            settings.phases.duration = Some(duration);
            settings.phases.observe = None;
        }
    }

    /// Adapts lengths that give way to the rate and to the flags. Returns what was adapted.
    fn adapt(&self, settings: &mut Settings) -> Vec<String> {
        // A rate that is not possible is an error later.
        if !load::RATES.contains(&settings.load.rate) {
            return Vec::new();
        }
        let windows = find_windows(settings.load.rate, settings.verdict.early);
        let of_baseline = fit::note_baseline(settings, windows);
        let shorten_faults = self.outage.is_none();
        let of_duration =
            self.duration.and_then(|duration| fit::fit_duration(settings, duration, windows, shorten_faults));
        of_baseline.into_iter().chain(of_duration).collect()
    }

    /// The flag that set the value at `key`, if any.
    fn flag(&self, key: &str) -> Option<&'static str> {
        let set = match key {
            "name" => (self.name.is_some(), "--name"),
            "target.url" => (self.url.is_some(), "--url"),
            "load.rate" if self.profile.is_some() => (true, "--profile"),
            "load.rate" => (self.rate.is_some(), "--rate"),
            "load.profile" => (self.profile.is_some(), "--profile"),
            "load.connections" | "load.max-connections" => (self.connections.is_some(), "--connections"),
            "phases.duration" => (self.duration.is_some(), "--duration"),
            "verdict.slo" => (self.slo.is_some(), "--slo"),
            "verdict.early" => (self.early.is_some(), "--dwell"),
            _ if key.starts_with("fault.") && key.ends_with(".for") => (self.outage.is_some(), "--outage"),
            _ => (false, ""),
        };
        set.0.then_some(set.1)
    }
}

/// A plan, and what was adapted in it: a sentence each.
#[derive(Clone, Debug)]
pub struct AdaptedPlan {
    pub plan: ExperimentPlan,
    pub notes: Vec<String>,
}

/// Reads an experiment file, or the default experiment for `None`, and the script file that it names.
///
/// # Errors
/// [`ConfigError`] with the file, the line and the key, or with the flag.
pub fn read_plan(file: Option<&Path>, overrides: &Overrides) -> Result<AdaptedPlan, ConfigError> {
    let Some(path) = file else {
        return parse_and_adapt(DEFAULT, "experiments/embedded.toml", Path::new(""), overrides);
    };
    let read = |path: &Path| {
        input::read_named_text(path, input::MAX_EXPERIMENT)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    parse_and_adapt(&read(path)?, &path.display().to_string(), folder, overrides)
}

/// Reads an experiment from its text. `origin` is its name in errors. Script files are relative to `folder`.
///
/// # Errors
/// [`ConfigError`] with the line and the key, or with the flag.
pub fn parse(text: &str, origin: &str, folder: &Path, overrides: &Overrides) -> Result<ExperimentPlan, ConfigError> {
    parse_and_adapt(text, origin, folder, overrides).map(|adapted| adapted.plan)
}

/// A plan that differs from `plan` by `overrides`. The length of the load follows from the faults again, and a baseline that
/// is too short for the rate has its default length: then all faults are as much later.
///
/// # Errors
/// [`InvalidSetting`] for a setting that is not possible.
pub fn vary(plan: &ExperimentPlan, overrides: &Overrides) -> Result<ExperimentPlan, InvalidSetting> {
    let settings = plan.to_settings();
    let mut settings = settings.map_err(|error| InvalidSetting::new("plan", error.to_string()))?;
    settings.phases.duration = None;
    overrides.apply(&mut settings);
    let windows = find_windows(settings.load.rate, settings.verdict.early);
    if settings.phases.baseline.is_some_and(|baseline| baseline < windows.min_baseline) {
        settings.phases.baseline = None;
        let warmup = settings.phases.warmup;
        // A fault may begin before the end of the baseline.
        let end = warmup.plus(plan.phases().baseline);
        let begins = settings.fault.iter().filter_map(|fault| fault.at).min().map_or(end, |first| first.min(end));
        let later = warmup.plus(windows.max_baseline).minus(begins);
        settings.fault.iter_mut().filter_map(|fault| fault.at.as_mut()).for_each(|at| *at = at.plus(later));
    }
    ExperimentPlan::resolve(settings)
}

fn parse_and_adapt(text: &str, origin: &str, folder: &Path, overrides: &Overrides) -> Result<AdaptedPlan, ConfigError> {
    let source = Source { origin, text };
    let mut settings: Settings = source.parse()?;
    if settings.testbed.is_some() && overrides.url.is_some() {
        return Err(ConfigError::Flag { flag: "--url", why: format!("{origin} {NO_TARGET}") });
    }
    overrides.apply(&mut settings);
    let notes = overrides.adapt(&mut settings);
    read_script(&mut settings.load.script, folder).map_err(|why| source.error("load.script", why))?;
    let plan = ExperimentPlan::resolve(settings).and_then(|plan| plan.check_current().map(|()| plan));
    let plan = plan.map_err(|InvalidSetting { key, why }| match overrides.flag(&key) {
        Some(flag) => ConfigError::Flag { flag, why },
        None => source.error(&key, why),
    })?;
    Ok(AdaptedPlan { plan, notes })
}

/// Reads a script that is not built in, so that the plan is complete without its file.
fn read_script(script: &mut Option<ScriptSetting>, folder: &Path) -> Result<(), String> {
    if let Some(ScriptSetting::Named(name)) = script
        && Script::built_in(name).is_none()
    {
        let path = folder.join(&*name);
        let text = input::read_named(&path, input::MAX_SCRIPT)
            .map_err(|e| format!("`{name}` is not a built-in script, and {} cannot be read: {e}", path.display()))?;
        *script = Some(ScriptSetting::Given(Script { name: name.clone(), text: text.into() }));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
