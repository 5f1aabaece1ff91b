//! What a fault by commands is done to, and its name.

use serde::{Deserialize, Serialize};

/// The most characters of a command in names.
const MAX_NAME: usize = 40;

/// What the commands act on is not known: it goes by the name of the first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandTarget {
    pub command: String,
}

impl CommandTarget {
    /// A name for files, the same for the same command.
    pub fn id(&self) -> String {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.command.as_bytes());
        hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The command, cut for names.
pub fn short_name(command: &str) -> String {
    let line = command.lines().next().unwrap_or_default().trim();
    match line.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_cut_in_names() {
        assert_eq!(short_name("tc qdisc del"), "tc qdisc del");
        assert_eq!(short_name(&"x".repeat(60)), format!("{}...", "x".repeat(40)));
        assert_eq!(short_name("a\nb"), "a");
    }
}
