//! The text of an experiment file, and errors that name its lines and keys.

use std::ops::Range;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

/// Why an experiment file is not valid.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// `file:line: key: why`
    #[error("{origin}:{line}: {}{why}", key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default())]
    At { origin: String, line: usize, key: Option<String>, why: String },
    /// A setting that a flag has changed.
    #[error("{flag}: {why}")]
    Flag { flag: &'static str, why: String },
}

/// The text of an experiment file, with its name for errors.
pub struct Source<'a> {
    /// The file's name.
    pub origin: &'a str,
    pub text: &'a str,
}

impl Source<'_> {
    /// # Errors
    /// [`ConfigError::At`] for invalid syntax, an unknown key, or a value of the wrong type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        // A date would otherwise pass for a table.
        if let Some(span) = DeTable::parse(self.text).ok().and_then(|document| date_in(document.get_ref())) {
            let why = "a date or a time of day, which no key takes. Write text in quotes".to_owned();
            let key = self.key_at(&span);
            return Err(ConfigError::At { origin: self.origin.to_owned(), line: self.line(span.start), key, why });
        }
        toml::from_str(self.text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let why = with_suggestion(error.message().to_owned());
            let key = self.key_at(&span).filter(|key| !key.is_empty());
            ConfigError::At { origin: self.origin.to_owned(), line: self.line(span.start), key, why }
        })
    }

    /// An error about the value at `key` (`load.rate`, `fault.0.for`). If the file does not have the key, the error names the
    /// line of the table that could have it.
    pub fn error(&self, key: &str, why: String) -> ConfigError {
        let line = self.line(self.position(key).unwrap_or(0));
        let why = with_suggestion(why);
        ConfigError::At { origin: self.origin.to_owned(), line, key: Some(key.to_owned()), why }
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|&b| b == b'\n').count() + 1
    }

    /// The position of `key`, or of the innermost table around it that exists.
    fn position(&self, key: &str) -> Option<usize> {
        let document = DeTable::parse(self.text).ok()?;
        let mut found = None;
        let mut table = document.get_ref();
        let mut segments = key.split('.');
        while let Some(segment) = segments.next() {
            let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == segment) else { break };
            found = Some(name.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                DeValue::Array(items) => {
                    let item = segments.next().and_then(|i| items.get(i.parse::<usize>().ok()?));
                    let Some(item) = item else { break };
                    found = Some(item.span().start);
                    let DeValue::Table(inner) = item.get_ref() else { break };
                    table = inner;
                }
                _ => break,
            }
        }
        found
    }

    /// The key whose value or name is at `span`.
    fn key_at(&self, span: &Range<usize>) -> Option<String> {
        let document = DeTable::parse(self.text).ok()?;
        key_in(document.get_ref(), span)
    }
}

fn key_in(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let own = || name.get_ref().to_string();
        let deeper = match value.get_ref() {
            DeValue::Table(inner) => key_in(inner, span).map(|key| format!("{}.{key}", own())),
            DeValue::Array(items) => items.iter().enumerate().find_map(|(i, item)| {
                let DeValue::Table(inner) = item.get_ref() else { return None };
                key_in(inner, span).map(|key| format!("{}.{i}.{key}", own()))
            }),
            _ => None,
        };
        let here = name.span() == *span || value.span() == *span;
        deeper.or_else(|| here.then(own))
    })
}

/// The position of the first date or time in a table.
fn date_in(table: &DeTable<'_>) -> Option<Range<usize>> {
    fn find(value: &toml::Spanned<DeValue<'_>>) -> Option<Range<usize>> {
        match value.get_ref() {
            DeValue::Datetime(_) => Some(value.span()),
            DeValue::Array(items) => items.iter().find_map(find),
            DeValue::Table(table) => date_in(table),
            _ => None,
        }
    }
    table.values().find_map(find)
}

/// Adds the name that an unknown name was probably meant to be.
fn with_suggestion(why: String) -> String {
    match nearest(&why) {
        Some(known) => format!("{why}. Did you mean `{known}`?"),
        None => why,
    }
}

/// The expected name that is most similar to the unknown one, from serde's error `message`.
fn nearest(message: &str) -> Option<&str> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    let (distance, known) = names.map(|known| (distance(unknown, known), known)).min()?;
    (distance * 2 <= unknown.len().max(2)).then_some(known)
}

/// The Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
