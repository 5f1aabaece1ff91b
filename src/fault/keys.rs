//! The keys of a `[[fault]]` table, read into the spec of its kind; an error names the key that it is about.

use std::cell::RefCell;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use toml::{Table, Value};

/// A key of a fault that cannot be, and why. The key is `kind` where another one is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct InvalidKey {
    pub key: String,
    pub why: String,
}

impl InvalidKey {
    pub(crate) fn new(key: impl Into<String>, why: impl Into<String>) -> InvalidKey {
        InvalidKey { key: key.into(), why: why.into() }
    }
}

/// How many kinds that have a key are named.
const MOST_OWNERS: usize = 3;

/// Keys that a fault of any kind has.
const COMMON: [&str; 3] = ["kind", "at", "for"];

/// Reads `keys` as the spec of a fault of `kind`. `example` is a table of such a fault in TOML, and `owners` gives the
/// kinds that have a key.
pub(super) fn read<S: DeserializeOwned>(
    kind: &str,
    keys: &Table,
    example: &str,
    owners: impl Fn(&str) -> Vec<&'static str>,
) -> Result<S, InvalidKey> {
    let known = names::<S>();
    if let Some(unknown) = keys.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(unknown_key(kind, unknown, known, &owners(unknown)));
    }
    let failed = RefCell::default();
    S::deserialize(Keys { keys, failed: &failed }).map_err(|error| {
        let why = error.message().trim_end();
        match (failed.take(), missing(why)) {
            (Some(key), _) => InvalidKey::new(key, why),
            (None, Some(key)) => {
                let example = example.lines().map(str::trim).find(|line| line.starts_with(&format!("{key} =")));
                let such_as = example.map(|line| format!(", such as {line}")).unwrap_or_default();
                InvalidKey::new("kind", format!("a {kind} fault needs the key `{key}`{such_as}"))
            }
            (None, None) => InvalidKey::new("kind", why),
        }
    })
}

/// No fault is of `kind`.
pub(super) fn unknown_kind(kind: &str, kinds: &[&str]) -> InvalidKey {
    InvalidKey::new("kind", format!("unknown kind `{kind}`, expected one of {}", listed(kinds)))
}

fn unknown_key(kind: &str, key: &str, known: &[&str], owners: &[&str]) -> InvalidKey {
    let why = match owners {
        [] => {
            let all: Vec<_> = COMMON.iter().chain(known).copied().collect();
            format!("unknown key `{key}` of a {kind} fault, expected one of {}", listed(&all))
        }
        owners => {
            let some = &owners[..owners.len().min(MOST_OWNERS)];
            let more = if owners.len() > MOST_OWNERS { " and others" } else { "" };
            format!("a {kind} fault has no key `{key}`: it is a key of {}{more}", listed(some))
        }
    };
    InvalidKey::new(key, why)
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The key that serde misses.
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// The keys that a spec may have: serde passes them to a deserializer.
pub(super) fn names<S: DeserializeOwned>() -> &'static [&'static str] {
    let names = RefCell::new(&[][..]);
    let _ = S::deserialize(Names(&names));
    names.take()
}

struct Names<'a>(&'a RefCell<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = toml::de::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.replace(fields);
        Err(Self::Error::custom("only the names of keys were wanted"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("a spec is a struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A table, which remembers the key whose value was refused.
struct Keys<'a> {
    keys: &'a Table,
    failed: &'a RefCell<Option<String>>,
}

impl<'de> Deserializer<'de> for Keys<'_> {
    type Error = toml::de::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_map(Entries { left: self.keys.iter(), value: None, failed: self.failed })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Entries<'a> {
    left: toml::map::Iter<'a, String, Value>,
    value: Option<(&'a String, &'a Value)>,
    failed: &'a RefCell<Option<String>>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = toml::de::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        self.value = self.left.next();
        let key = self.value.map(|(key, _)| seed.deserialize(StrDeserializer::new(key)));
        key.transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        let (key, value) = self.value.take().ok_or_else(|| Self::Error::custom("a value without a key"))?;
        seed.deserialize(value.clone()).inspect_err(|_| drop(self.failed.replace(Some(key.clone()))))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Spec {
        container: String,
        cpus: f64,
        #[serde(default)]
        network: Option<String>,
    }

    fn error(text: &str) -> String {
        let owners = |key: &str| if key == "factor" { vec!["surge"] } else { Vec::new() };
        read::<Spec>("throttle", &text.parse().unwrap(), "container = \"db\"\ncpus = 0.2", owners)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_error_names_the_key_that_it_is_about() {
        insta::assert_snapshot!(error("container = 'db'"), @"kind: a throttle fault needs the key `cpus`, such as cpus = 0.2");
        insta::assert_snapshot!(error("container = 'db'\ncpus = 'few'"), @r#"cpus: invalid type: string "few", expected f64"#);
        insta::assert_snapshot!(error("container = 'db'\ncpus = 1\nnetwork = 7"), @"network: invalid type: integer `7`, expected a string");
        insta::assert_snapshot!(error("container = 'db'\ncpu = 1"), @"cpu: unknown key `cpu` of a throttle fault, expected one of `kind`, `at`, `for`, `container`, `cpus`, `network`");
        insta::assert_snapshot!(error("container = 'db'\nfactor = 1"), @"factor: a throttle fault has no key `factor`: it is a key of `surge`");
    }
}
