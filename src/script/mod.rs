//! Lua scripts in LuaJIT: the `wrk` table, a [`Vm`] a thread, the [`MainState`] state of `setup` and `done`, what goes from
//! one state to another ([`PlainValue`]), and the built-in `socket`.
//!
//! wrk's order, which the caller keeps: every state loads the script; [`MainState::resolve`]; for each thread
//! [`MainState::setup`], then [`Vm::init`]; requests; at the end [`MainState::done`]. Nothing here starts a thread.
//!
//! A script is the user's own program and may do all that the user may: every library, `ffi` and C modules load.

mod allocator;
mod errors;
mod main_state;
mod modules;
mod net;
mod plain_value;
mod state;
mod stats_object;
mod thread_object;
mod vm;

use serde::{Deserialize, Serialize};

pub use main_state::{DoneErrors, DoneSummary, MainState};
pub use plain_value::PlainValue;
pub use state::Environment;
pub use thread_object::ThreadHandle;
pub use vm::Vm;

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
    #[error("{script}: `request` is {what}, no function; let it return what wrk.format() gives")]
    NoFunction { script: String, what: String },
    #[error("{script}: request() returned {what}, no string; return what wrk.format() gives")]
    NoString { script: String, what: String },
    #[error("{script}: request() returned no HTTP request: {why}")]
    NoRequest { script: String, why: crate::http1::RequestError },
    #[error("{script}: request() returned what HTTP/2 has no place for: {why}")]
    Untranslatable { script: String, why: String },
    #[error("{script}: delay() returned {what}, no number; return how many ms the request is to be put off")]
    NoDelay { script: String, what: String },
    /// A value that stays in its state. The script is named where it asked for it.
    #[error("`{place}` is {what}; only nil, booleans, numbers, strings and tables of these go from state to state")]
    NotCopyable { place: String, what: String },
}

#[cfg(test)]
mod tests;
