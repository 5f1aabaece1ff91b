//! Lua scripts in LuaJIT: a [`Vm`] a thread, the `wrk` table, the built-in `socket`.
//!
//! A script is the user's own program and may do all that the user may: every library, `ffi` and C modules load.

mod socket;
mod vm;

use serde::{Deserialize, Serialize};

pub use vm::{Environment, Vm};

/// A Lua script: its text, and the name that errors give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    pub name: String,
    pub text: String,
}

/// The scripts that come with the program, by name.
const BUILT_IN: [(&str, &str); 1] = [("compose-post", include_str!("../../lua/compose-post.lua"))];

impl Script {
    /// A script that comes with the program.
    pub fn built_in(name: &str) -> Option<Script> {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Some(Script { name: format!("{name}.lua"), text: (*text).to_owned() })
    }
}

/// What a script did wrong. Each names the script; Lua's own messages name the line too.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It does not load, or raised an error: `file:line: message`.
    #[error("{0}")]
    Lua(String),
    #[error("{script}: request() returned {what}, no string; return what wrk.format() gives")]
    NoString { script: String, what: String },
    #[error("{script}: request() returned no HTTP request: {why}")]
    NoRequest { script: String, why: crate::http1::RequestError },
    #[error("{script}: request() returned what HTTP/2 has no place for: {why}")]
    Untranslatable { script: String, why: String },
    #[error("{script}: request() returned {count} requests in one string; return one at a time")]
    Pipeline { script: String, count: usize },
}

#[cfg(test)]
mod tests;
