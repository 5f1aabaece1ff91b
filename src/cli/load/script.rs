use std::path::Path;

use anyhow::Context;

use crate::script::Script;

/// Reads the script `name`: a file, or a built-in script if no such file exists.
///
/// # Errors
/// If the file cannot be read, or is not UTF-8.
pub fn read_script(name: &str) -> anyhow::Result<Script> {
    if !Path::new(name).exists()
        && let Some(script) = Script::built_in(name)
    {
        return Ok(script);
    }
    let text = std::fs::read_to_string(name).with_context(|| format!("cannot read the script {name}"))?;
    Ok(Script { name: name.to_owned(), text })
}
