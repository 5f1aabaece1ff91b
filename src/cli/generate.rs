//! The man page and the shells' completions, from the very definitions that `--help` is made of.

use std::io;

use clap::{Command, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

/// Texts about the program that are printed in place of running.
#[derive(Debug, clap::Args)]
pub struct Generate {
    /// Print the man page, or what lets a shell complete the options
    #[arg(long, value_name = "WHAT", value_enum, exclusive = true)]
    pub generate: Option<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Man,
    CompleteBash,
    CompleteZsh,
    CompleteFish,
}

/// The text of it.
///
/// # Errors
/// None that a buffer in memory can have.
pub fn text(what: Output, mut command: Command) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let name = command.get_name().to_owned();
    let complete = |shell: Shell| clap_complete::generate(shell, &mut command, name, &mut bytes);
    match what {
        Output::Man => man(command, &mut bytes)?,
        Output::CompleteBash => complete(Shell::Bash),
        Output::CompleteZsh => complete(Shell::Zsh),
        Output::CompleteFish => complete(Shell::Fish),
    }
    Ok(String::from_utf8(bytes)?)
}

/// One page, in which each subcommand has a section.
fn man(mut command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    command.build();
    Man::new(command.clone()).render(page)?;
    let mut rest: Vec<&Command> = command.get_subcommands().collect();
    rest.reverse();
    while let Some(command) = rest.pop() {
        rest.extend(command.get_subcommands().collect::<Vec<_>>().into_iter().rev());
        let name = command.get_bin_name().unwrap_or(command.get_name());
        let mut section = Vec::new();
        let man = Man::new(command.clone());
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        let section = String::from_utf8_lossy(&section).replace("\n.SH ", "\n.SS ");
        page.extend(format!(".SH \"{}\"\n{section}", name.to_uppercase()).bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::{Metawrk, Wrk2};

    /// The long options of a command and of all below it, but those that are hidden.
    fn long_options(command: &Command) -> Vec<String> {
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        let own = shown.filter_map(|argument| argument.get_long().map(str::to_owned));
        own.chain(command.get_subcommands().flat_map(long_options)).collect()
    }

    #[test]
    fn the_man_page_and_all_completions_name_every_long_option() {
        for command in [Wrk2::command(), Metawrk::command()] {
            let options = long_options(&command);
            assert!(options.len() > 30, "{options:?}");
            for (what, before) in [
                (Output::Man, "--"),
                (Output::CompleteBash, "--"),
                (Output::CompleteZsh, "--"),
                (Output::CompleteFish, "-l "),
            ] {
                // The man page protects its hyphens.
                let text = text(what, command.clone()).unwrap().replace("\\-", "-");
                for option in &options {
                    let name = format!("{before}{option}");
                    let after = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
                    assert!(text.split(&name).skip(1).any(after), "{name} in {what:?} of {}", command.get_name());
                }
            }
        }
    }
}
