use std::path::Path;

use anyhow::Context;

use crate::input;
use crate::script::Script;

/// Reads the script `name`: a file, or a built-in script if no such file exists.
///
/// # Errors
/// If the file cannot be read, or is larger than [`input::MAX_SCRIPT`].
pub fn read_script(path: &Path) -> anyhow::Result<Script> {
    let name = path.display().to_string();
    if !path.exists()
        && let Some(script) = Script::built_in(&name)
    {
        return Ok(script);
    }
    let text = input::read_named(path, input::MAX_SCRIPT).with_context(|| format!("cannot read the script {name}"))?;
    Ok(Script { name, text: text.into() })
}
