use std::path::Path;

use anyhow::Context;

use crate::script::Script;

/// The script of that name: a file, or a built-in one where there is no such file.
pub fn read(name: &str) -> anyhow::Result<Script> {
    if !Path::new(name).exists()
        && let Some(script) = Script::built_in(name)
    {
        return Ok(script);
    }
    let text = std::fs::read_to_string(name).with_context(|| format!("cannot read the script {name}"))?;
    Ok(Script { name: name.to_owned(), text })
}
