//! How a user writes an option: a flag of `wrk2` and `metawrk load`, a flag or a TOML key of `metawrk experiment`.
//!
//! Messages take the form from here, so that a remedy never names an option that the command in use lacks.

/// The command whose user reads a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandInUse {
    /// `wrk2` or `metawrk load`.
    Load,
    /// `metawrk experiment`, and `metawrk report` for the results of one.
    Experiment,
}

/// An option that a message may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionName {
    CatchUp,
    Connections,
    MaxConnections,
    Out,
    Rate,
    Slack,
    Streams,
    Threads,
    Timestamps,
    Warmup,
    WhenBusy,
}

/// The form of an option for the users of one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OptionForm {
    Flag(&'static str),
    Key { table: &'static str, key: &'static str },
}

impl OptionName {
    /// The only table of forms; `None` where `command` has no such option.
    fn form(self, command: CommandInUse) -> Option<OptionForm> {
        use CommandInUse::{Experiment, Load};
        use OptionForm::Flag;
        let key = |table, key| OptionForm::Key { table, key };
        Some(match (self, command) {
            (OptionName::CatchUp, Load) => Flag("--catch-up"),
            (OptionName::CatchUp, Experiment) => key("[load]", "catch-up"),
            (OptionName::Connections, _) => Flag("--connections"),
            (OptionName::MaxConnections, Load) => Flag("--max-connections"),
            (OptionName::MaxConnections, Experiment) => key("[load]", "max-connections"),
            (OptionName::Out, Experiment) => Flag("--out"),
            (OptionName::Rate, _) => Flag("--rate"),
            (OptionName::Slack, Load) => Flag("--slack"),
            (OptionName::Slack, Experiment) => key("[load]", "slack"),
            (OptionName::Streams, Load) => Flag("--streams"),
            (OptionName::Threads, Load) => Flag("--threads"),
            (OptionName::Threads, Experiment) => key("[load]", "threads"),
            (OptionName::Timestamps, Load) => Flag("--timestamps"),
            (OptionName::Timestamps, Experiment) => key("[load]", "timestamps"),
            (OptionName::Warmup, Load) => Flag("--warmup"),
            (OptionName::Warmup, Experiment) => key("[phases]", "warmup"),
            (OptionName::WhenBusy, Load) => Flag("--when-busy"),
            (OptionName::WhenBusy, Experiment) => key("[load]", "when-busy"),
            (OptionName::Out, Load) | (OptionName::Streams, Experiment) => return None,
        })
    }

    /// The option as the user of `command` writes it: `--threads`, or `threads in [load]`.
    /// `None` if the command has no such option.
    pub fn of(self, command: CommandInUse) -> Option<String> {
        Some(match self.form(command)? {
            OptionForm::Flag(flag) => flag.to_owned(),
            OptionForm::Key { table, key } => format!("{key} in {table}"),
        })
    }

    /// The option with a value: `--when-busy open`, or `when-busy = "open" in [load]`.
    /// `None` if the command has no such option.
    pub fn set_to(self, value: &str, command: CommandInUse) -> Option<String> {
        let is_number = value.parse::<f64>().is_ok();
        Some(match self.form(command)? {
            OptionForm::Flag(flag) => format!("{flag} {value}"),
            OptionForm::Key { table, key } if is_number => format!("{key} = {value} in {table}"),
            OptionForm::Key { table, key } => format!("{key} = \"{value}\" in {table}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::settings::Settings;

    const ALL: [OptionName; 11] = [
        OptionName::CatchUp,
        OptionName::Connections,
        OptionName::MaxConnections,
        OptionName::Out,
        OptionName::Rate,
        OptionName::Slack,
        OptionName::Streams,
        OptionName::Threads,
        OptionName::Timestamps,
        OptionName::Warmup,
        OptionName::WhenBusy,
    ];

    #[test]
    fn every_flag_is_in_the_help_of_its_command() {
        let program = crate::cli::command();
        for (command, name) in [(CommandInUse::Load, "load"), (CommandInUse::Experiment, "experiment")] {
            let help = program.find_subcommand(name).unwrap().clone().render_long_help().to_string();
            for option in ALL {
                if let Some(OptionForm::Flag(flag)) = option.form(command) {
                    assert!(help.split_whitespace().any(|word| word == flag), "{name} has no {flag}");
                }
            }
        }
    }

    #[test]
    fn every_key_is_one_of_an_experiment_file() {
        for option in ALL {
            assert!(!matches!(option.form(CommandInUse::Load), Some(OptionForm::Key { .. })), "{option:?}");
            if let Some(OptionForm::Key { table, key }) = option.form(CommandInUse::Experiment) {
                // No key takes a table, so that a known one is refused for its type.
                let refused = |key: &str| toml::from_str::<Settings>(&format!("{table}\n{key} = {{}}\n")).unwrap_err();
                assert!(!refused(key).to_string().contains("unknown field"), "{option:?}: {}", refused(key));
                assert!(refused("no-such-key").to_string().contains("unknown field"));
            }
        }
    }

    #[test]
    fn an_option_is_written_as_its_command_takes_it() {
        use CommandInUse::{Experiment, Load};
        let threads = [Load, Experiment].map(|command| OptionName::Threads.of(command).unwrap());
        assert_eq!(threads, ["--threads", "threads in [load]"]);
        let when_busy = [Load, Experiment].map(|command| OptionName::WhenBusy.set_to("open", command).unwrap());
        assert_eq!(when_busy, ["--when-busy open", "when-busy = \"open\" in [load]"]);
        assert_eq!(OptionName::Threads.set_to("4", Experiment).unwrap(), "threads = 4 in [load]");
        assert_eq!(OptionName::Streams.of(Experiment), None);
    }
}
