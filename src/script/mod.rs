//! Lua scripts in LuaJIT. A `Vm` per thread makes the requests; the `MainState` runs `setup` and `done`. A `PlainValue` is
//! what scripts copy between states.
//!
//! The caller follows the order of wrk: every state loads the script; `MainState::resolve`; for each thread
//! `MainState::setup`, then `Vm::init`; requests; at the end `MainState::done`. This module starts no threads.
//!
//! A script is the user's own program, and may do what the user may do: all libraries, `ffi` and C modules are available.

mod allocator;
mod errors;
mod main_state;
mod modules;
mod net;
mod plain_bytes;
mod plain_value;
mod state;
mod stats_object;
mod thread_object;
mod vm;
mod wrk_lua;

use serde::{Deserialize, Serialize};

use crate::byte_text::ByteText;

pub use main_state::DoneSummary;

// A load runs the scripts. Benches and tests run them alone.
pub(crate) use main_state::MainState;
#[doc(hidden)]
pub use plain_value::PlainValue;
#[doc(hidden)]
pub use state::Environment;
pub(crate) use thread_object::ThreadHandle;
#[doc(hidden)]
pub use vm::Vm;
pub(crate) use vm::quote_line;

/// A Lua script: its text, which may be any bytes, and its name in error messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Its name in error messages.
    pub name: String,
    /// The Lua program.
    pub text: ByteText,
}

/// The embedded scripts by name.
const BUILT_IN: [(&str, &str); 1] = [("compose-post", include_str!("../../lua/compose-post.lua"))];

impl Script {
    /// An embedded script.
    pub fn built_in(name: &str) -> Option<Script> {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Some(Script { name: format!("{name}.lua"), text: (*text).into() })
    }
}

/// An error of a script. Each message names the script. Messages of Lua also name the line.
///
/// As data it is its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
#[allow(missing_docs, reason = "the messages say what the variants mean")]
pub enum ScriptError {
    /// The script does not load, or raised an error: `file:line: message`.
    #[error("{0}")]
    Lua(String),
    #[error("{script}: `request` is {what}, not a function. Define request() to return the result of wrk.format()")]
    NotAFunction { script: String, what: String },
    #[error("{script}: request() returned {what}, not a string. Return the result of wrk.format()")]
    NotAString { script: String, what: String },
    /// `call` counts the calls of `request()` in one thread, from 1. `line` is the first line of the request.
    #[error("{script}: request() returned an invalid HTTP request in call {call}, `{line}`: {why}")]
    InvalidRequest { script: String, call: u64, line: String, why: crate::http1::RequestError },
    /// `line` is the first line of the request.
    #[error("{script}: request() returned a request that HTTP/2 cannot carry, `{line}`: {why}")]
    NotForHttp2 { script: String, line: String, why: String },
    #[error("{script}: delay() returned {what}, not a number. Return the delay of the request in ms")]
    NotANumber { script: String, what: String },
    /// A call of the script did not return.
    #[error(
        "{script}: the script of thread {thread} did not return by the end of the load, so the load ended without it. \
         What the thread was due to send after that counts as unsent. Look for a loop or a read that never ends"
    )]
    Stuck { script: String, thread: u16 },
    /// A value that cannot leave its state. Lua adds the location of the call.
    #[error(
        "`{place}` is {what}. Only nil, booleans, numbers, strings and tables of these can be copied between states"
    )]
    NotCopyable { place: String, what: String },
}

impl From<ScriptError> for String {
    fn from(error: ScriptError) -> String {
        error.to_string()
    }
}

impl From<String> for ScriptError {
    fn from(message: String) -> ScriptError {
        ScriptError::Lua(message)
    }
}

#[cfg(test)]
mod tests;
