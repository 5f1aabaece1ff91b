use std::path::Path;

use anyhow::Context;

use crate::input;
use crate::script::Script;

/// Reads the script `name`: a file, or a built-in script if no such file exists.
///
/// # Errors
/// If the file cannot be read, is not UTF-8, or is larger than [`input::MAX_SCRIPT`].
pub fn read_script(name: &str) -> anyhow::Result<Script> {
    if !Path::new(name).exists()
        && let Some(script) = Script::built_in(name)
    {
        return Ok(script);
    }
    let text = input::read_named_text(Path::new(name), input::MAX_SCRIPT);
    let text = text.with_context(|| format!("cannot read the script {name}"))?;
    Ok(Script { name: name.to_owned(), text })
}
