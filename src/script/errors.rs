//! What a script raised, in words that begin with its file and line.

use mlua::{Error, Value};

use super::ScriptError;
use super::state::OWN;

/// What `script` raised. `function` is the one of its functions that was called, if that is worth a word.
pub fn raised(script: &str, function: Option<&str>, error: &Error) -> ScriptError {
    let (message, traceback) = taken_apart(error);
    let message = in_full(script, &message);
    let message = match place(&traceback).map(|place| in_full(script, place)) {
        // Raised by the program or in `wrk.lua`, or a message that isn't Lua's own: the script's line is the one to know.
        Some(place) if !begins_with_place(script, &message) => format!("{place}: {message}"),
        _ if message.contains(script) => message,
        // What is no string says nothing of where it comes from: then at least the script is named.
        _ => format!("{script}: raised {message}"),
    };
    ScriptError::Lua(match function {
        Some(function) => format!("{message} (in {function})"),
        None => message,
    })
}

/// Lua cuts the start off long file names. Puts it back where `text` begins with the end of the script's.
fn in_full(script: &str, text: &str) -> String {
    let end = text.strip_prefix("...").and_then(|rest| rest.split_once(':'));
    match end {
        Some((end, rest)) if script.ends_with(end) => format!("{script}:{rest}"),
        _ => text.to_owned(),
    }
}

/// The message begins with `file:line:`, and that is not a line of `wrk.lua`.
fn begins_with_place(script: &str, message: &str) -> bool {
    let (file, rest) = match message.strip_prefix(script) {
        Some(rest) => (script, rest.strip_prefix(':').unwrap_or_default()),
        None => message.split_once(':').unwrap_or_default(),
    };
    let line =
        rest.split_once(':').is_some_and(|(line, _)| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()));
    line && (file == script || (file != OWN && !file.contains(char::is_whitespace)))
}

/// The message and the traceback.
fn taken_apart(error: &Error) -> (String, String) {
    match error {
        Error::RuntimeError(text) | Error::SyntaxError { message: text, .. } => {
            let (message, traceback) = text.split_once("\nstack traceback:").unwrap_or((text, ""));
            (message.trim_end().to_owned(), traceback.to_owned())
        }
        Error::CallbackError { cause, traceback } => {
            let (message, inner) = taken_apart(cause);
            (message, if inner.is_empty() { traceback.clone() } else { inner })
        }
        other => (other.to_string(), String::new()),
    }
}

/// The innermost `file:line` of a traceback that is neither the program's, nor mlua's, nor `wrk.lua`'s.
fn place(traceback: &str) -> Option<&str> {
    let places = traceback.lines().filter_map(|line| Some(line.trim_start().split_once(": in ")?.0));
    places.into_iter().find(|place| !["[C]", "__mlua", OWN].iter().any(|own| place.starts_with(own)))
}

/// A value, to say what it is instead of what it should be: `nil`, `a number`, `a table`.
pub fn describe(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Integer(_) => "a number".to_owned(),
        other => format!("a {}", other.type_name()),
    }
}
