//! The names of options in messages. A message of this module names an option as `name`, in backticks; the command in
//! use writes it as its users do: `--name` on a command line, a key in a file.

/// The options that messages name.
const OPTIONS: [&str; 29] = [
    "batch_latency",
    "cacert",
    "catch-up",
    "cert",
    "connections",
    "drain",
    "duration",
    "http2",
    "key",
    "max-connections",
    "max-requests",
    "method",
    "on-timeout",
    "part",
    "rate",
    "retries",
    "slack",
    "slo",
    "sni",
    "spin",
    "streams",
    "threads",
    "timeout",
    "timestamps",
    "unix-socket",
    "url",
    "verify",
    "warmup",
    "when-busy",
];

/// Replaces each option name in `message`, with its backticks, by what `write` makes of the name.
pub fn write_options(message: &str, write: impl Fn(&str) -> String) -> String {
    let replace = |text: String, option: &&str| text.replace(&format!("`{option}`"), &write(option));
    OPTIONS.iter().fold(message.to_owned(), replace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_written_in_the_form_of_the_command() {
        let message = "`http2` needs `when-busy` wait, and `other` is a word";
        let written = write_options(message, |name| format!("--{name}"));
        assert_eq!(written, "--http2 needs --when-busy wait, and `other` is a word");
    }
}
