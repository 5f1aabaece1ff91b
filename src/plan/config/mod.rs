//! From an experiment file, and the flags that change it, to an [`ExperimentPlan`].

use std::path::{Path, PathBuf};

use super::settings::{ScriptSetting, Settings};
use super::source::{ConfigError, Source};
use super::{ExperimentPlan, InvalidSetting};
use crate::script::Script;
use crate::units::Time;

/// The experiment that runs when none is named.
pub const DEFAULT: &str = include_str!("../../../experiments/embedded.toml");

/// Flags that change a file's settings before they are judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    pub name: Option<String>,
    /// `load.rate`
    pub rate: Option<f64>,
    /// `load.connections`; `max-connections` follows where it would be less.
    pub connections: Option<usize>,
    /// `load.seed`
    pub seed: Option<u64>,
    /// How long each fault lasts; zero takes all faults out.
    pub outage: Option<Time>,
    /// `phases.duration`: the whole of the load. `observe` is then what it leaves room for.
    pub duration: Option<Time>,
    /// Where results go: no setting of the file, read by the run.
    pub out: Option<PathBuf>,
}

impl Overrides {
    fn apply(&self, settings: &mut Settings) {
        let Overrides { name, rate, connections, seed, outage, duration, out: _ } = self;
        settings.name = name.clone().unwrap_or_else(|| settings.name.clone());
        let load = &mut settings.load;
        load.rate = rate.unwrap_or(load.rate);
        load.seed = seed.unwrap_or(load.seed);
        if let Some(connections) = *connections {
            load.connections = connections;
            load.max_connections = load.max_connections.max(connections);
        }
        match *outage {
            Some(Time::ZERO) => settings.fault.clear(),
            Some(lasts) => settings.fault.iter_mut().for_each(|fault| fault.lasts = lasts),
            None => {}
        }
        if let Some(duration) = *duration {
            settings.phases.duration = Some(duration);
            settings.phases.observe = None;
        }
    }

    /// The flag that set the value at `key`, if one did.
    fn flag(&self, key: &str) -> Option<&'static str> {
        let set = match key {
            "name" => (self.name.is_some(), "--name"),
            "load.rate" => (self.rate.is_some(), "--rate"),
            "load.connections" | "load.max-connections" => (self.connections.is_some(), "--connections"),
            "phases.duration" => (self.duration.is_some(), "--duration"),
            _ if key.starts_with("fault.") && key.ends_with(".for") => (self.outage.is_some(), "--outage"),
            _ => (false, ""),
        };
        set.0.then_some(set.1)
    }
}

/// Reads an experiment file (the embedded default for `None`), and the script that it names, by a path from its folder.
///
/// # Errors
/// [`ConfigError`] names the file, the line and the key, or the flag.
pub fn read_plan(file: Option<&Path>, overrides: &Overrides) -> Result<ExperimentPlan, ConfigError> {
    let Some(path) = file else {
        return parse(DEFAULT, "experiments/embedded.toml", Path::new(""), overrides);
    };
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&read(path)?, &path.display().to_string(), folder, overrides)
}

/// An experiment from its text. Errors call it `origin`; scripts that it names are looked for in `folder`.
///
/// # Errors
/// [`ConfigError`] names the line and the key, or the flag.
pub fn parse(text: &str, origin: &str, folder: &Path, overrides: &Overrides) -> Result<ExperimentPlan, ConfigError> {
    let source = Source { origin, text };
    let mut settings: Settings = source.parse()?;
    overrides.apply(&mut settings);
    read_script(&mut settings.load.script, folder).map_err(|why| source.error("load.script", why))?;
    ExperimentPlan::new(settings).map_err(|InvalidSetting { key, why }| match overrides.flag(&key) {
        Some(flag) => ConfigError::Flag { flag, why },
        None => source.error(&key, why),
    })
}

/// A script that is no built-in one is read here, so that the plan has all that it takes.
fn read_script(script: &mut Option<ScriptSetting>, folder: &Path) -> Result<(), String> {
    if let Some(ScriptSetting::Named(name)) = script
        && Script::built_in(name).is_none()
    {
        let path = folder.join(&*name);
        let text = std::fs::read_to_string(&path)
            .map_err(|e| format!("no built-in script, and cannot read {}: {e}", path.display()))?;
        *script = Some(ScriptSetting::Given(Script { name: name.clone(), text }));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
