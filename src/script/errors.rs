//! Turns errors of Lua into messages that begin with the file and the line of the script.

use mlua::{Error, Value};

use super::{ScriptError, wrk_lua};

/// The error that `script` raised. `function` is the name of the called function, where the message should contain it.
pub fn script_error(script: &str, function: Option<&str>, error: &Error) -> ScriptError {
    let (message, traceback) = split_traceback(error);
    let message = restore_file_name(script, &message);
    let message = match find_location(&traceback).map(|location| restore_file_name(script, location)) {
        // An error of this program or of `wrk.lua`, or a message without a location: add the line of the script.
        Some(location) if !has_script_location(script, &message) => format!("{location}: {message}"),
        _ if message.contains(script) => message,
        // An error value that is not a string has no location: add the name of the script at least.
        _ => format!("{script}: raised {message}"),
    };
    ScriptError::Lua(match function {
        Some(function) => format!("{message} (in {function})"),
        None => message,
    })
}

/// Whether Lua had no memory.
pub fn is_memory_error(error: &Error) -> bool {
    match error {
        Error::MemoryError(_) => true,
        Error::CallbackError { cause, .. } => is_memory_error(cause),
        _ => false,
    }
}

/// The error of a script that needs more memory than there is. Lua raises it without a location, so that comes from a
/// `traceback`.
pub fn memory_error(script: &str, function: Option<&str>, traceback: &str) -> ScriptError {
    let location = find_location(traceback).map_or(script.to_owned(), |found| restore_file_name(script, found));
    let function = function.map_or(String::new(), |function| format!(" in {function}"));
    ScriptError::Lua(format!(
        "{location}: not enough memory{function}. Make the script need less, or raise the limit on memory (ulimit -v)"
    ))
}

/// Lua truncates long file names at the start. Restores the name of the script where `text` begins with its end.
fn restore_file_name(script: &str, text: &str) -> String {
    let end = text.strip_prefix("...").and_then(|rest| rest.split_once(':'));
    match end {
        Some((end, rest)) if script.ends_with(end) => format!("{script}:{rest}"),
        _ => text.to_owned(),
    }
}

/// Whether the message begins with `file:line:` of a file other than `wrk.lua`.
fn has_script_location(script: &str, message: &str) -> bool {
    let (file, rest) = match message.strip_prefix(script) {
        Some(rest) => (script, rest.strip_prefix(':').unwrap_or_default()),
        None => message.split_once(':').unwrap_or_default(),
    };
    let has_line =
        rest.split_once(':').is_some_and(|(line, _)| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()));
    has_line && (file == script || (file != wrk_lua::NAME && !file.contains(char::is_whitespace)))
}

/// The message and the traceback of an error.
fn split_traceback(error: &Error) -> (String, String) {
    match error {
        Error::RuntimeError(text) | Error::SyntaxError { message: text, .. } => {
            let (message, traceback) = text.split_once("\nstack traceback:").unwrap_or((text, ""));
            (message.trim_end().to_owned(), traceback.to_owned())
        }
        Error::CallbackError { cause, traceback } => {
            let (message, inner) = split_traceback(cause);
            (message, if inner.is_empty() { traceback.clone() } else { inner })
        }
        other => (other.to_string(), String::new()),
    }
}

/// The innermost `file:line` of a traceback that is not in this program, in mlua or in `wrk.lua`.
fn find_location(traceback: &str) -> Option<&str> {
    let locations = traceback.lines().filter_map(|line| Some(line.trim_start().split_once(": in ")?.0));
    locations
        .into_iter()
        .find(|location| !["[C]", "__mlua", wrk_lua::NAME].iter().any(|internal| location.starts_with(internal)))
}

/// The type of a value for a message: `nil`, `a number`, `a table`.
pub fn describe_type(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Integer(_) => "a number".to_owned(),
        other => format!("a {}", other.type_name()),
    }
}
