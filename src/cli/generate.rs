//! The man page and shell completions. Both come from the definitions that `--help` uses.

use std::io;
use std::process::ExitCode;

use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::out::say;

/// The option `--generate`.
#[derive(Debug, clap::Args)]
pub struct GenerateOption {
    /// Print the man page or a shell completion script, and exit
    #[arg(long, value_name = "KIND", value_enum, exclusive = true)]
    pub generate: Option<GeneratedText>,
}

/// What `--generate` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GeneratedText {
    Man,
    CompleteBash,
    CompleteZsh,
    CompleteFish,
}

/// Prints a generated text of the program `P`.
///
/// # Errors
/// If it cannot be printed.
pub fn print<P: CommandFactory>(kind: GeneratedText) -> anyhow::Result<ExitCode> {
    say(&text(kind, P::command())?)?;
    Ok(ExitCode::SUCCESS)
}

/// # Errors
/// Writing to memory does not fail in practice.
fn text(kind: GeneratedText, mut command: Command) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let name = command.get_name().to_owned();
    let complete = |shell: Shell| clap_complete::generate(shell, &mut command, name, &mut bytes);
    match kind {
        GeneratedText::Man => return Ok(man_page(command)?),
        GeneratedText::CompleteBash => complete(Shell::Bash),
        GeneratedText::CompleteZsh => complete(Shell::Zsh),
        GeneratedText::CompleteFish => complete(Shell::Fish),
    }
    Ok(String::from_utf8(bytes)?)
}

/// One page with a section for each subcommand.
fn man_page(mut command: Command) -> io::Result<String> {
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    render_sections(&command, &mut page)?;
    man.render_subcommands_section(&mut page)?;
    let mut rest: Vec<&Command> = visible_subcommands(&command);
    rest.reverse();
    while let Some(command) = rest.pop() {
        rest.extend(visible_subcommands(command).into_iter().rev());
        let name = command.get_bin_name().unwrap_or(command.get_name());
        let mut section = Vec::new();
        render_sections(command, &mut section)?;
        let section = String::from_utf8_lossy(&section).replace("\n.SH ", "\n.SS ");
        page.extend(format!(".SH \"{}\"\n{section}", name.to_uppercase()).bytes());
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// The synopsis, the description and the options of a command, and the sections of the text after its options.
fn render_sections(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone());
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    let after = command.get_after_long_help().or(command.get_after_help());
    page.extend(after.map(|text| after_sections(&text.to_string())).unwrap_or_default().bytes());
    Ok(())
}

/// The text after the options, as sections of a man page. A line such as `Examples:` begins a section.
fn after_sections(text: &str) -> String {
    let mut page = String::new();
    let mut title = Some("NOTES".to_owned());
    for line in text.lines() {
        if let Some(heading) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            if page.contains(".SH ") {
                page.push_str(".fi\n");
            }
            let heading = heading.to_uppercase().replace("EXIT CODES", "EXIT STATUS");
            page.push_str(&format!(".SH \"{heading}\"\n.nf\n"));
            title = None;
        } else {
            if let Some(title) = title.take() {
                page.push_str(&format!(".SH {title}\n.nf\n"));
            }
            page.push_str(&escape_roff(line));
            page.push('\n');
        }
    }
    if page.contains(".SH ") {
        page.push_str(".fi\n");
    }
    page
}

/// A line of text for roff, in which a backslash, a hyphen, and a dot or a quote at the start have a meaning.
fn escape_roff(line: &str) -> String {
    let escaped = line.replace('\\', "\\e").replace('-', "\\-");
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
}

fn visible_subcommands(command: &Command) -> Vec<&Command> {
    command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{VisibleMetawrk, Wrk2};

    /// The visible long options of a command and of all visible commands below it.
    fn long_options(command: &Command) -> Vec<String> {
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        let own = shown.filter_map(|argument| argument.get_long().map(str::to_owned));
        own.chain(visible_subcommands(command).into_iter().flat_map(long_options)).collect()
    }

    #[test]
    fn the_man_page_and_all_completions_name_every_long_option() {
        for command in [Wrk2::command(), VisibleMetawrk::command()] {
            let options = long_options(&command);
            assert!(options.len() > 30, "{options:?}");
            for (kind, before) in [
                (GeneratedText::Man, "--"),
                (GeneratedText::CompleteBash, "--"),
                (GeneratedText::CompleteZsh, "--"),
                (GeneratedText::CompleteFish, "-l "),
            ] {
                // The man page escapes hyphens.
                let text = text(kind, command.clone()).unwrap().replace("\\-", "-");
                for option in &options {
                    let name = format!("{before}{option}");
                    let after = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
                    assert!(text.split(&name).skip(1).any(after), "{name} in {kind:?} of {}", command.get_name());
                }
            }
        }
    }

    #[test]
    fn the_man_page_leaves_out_internal_commands() {
        let page = text(GeneratedText::Man, VisibleMetawrk::command()).unwrap();
        assert!(page.contains("METAWRK RESTORE") && !page.contains("METAWRK KEEPER"));
        for kind in [GeneratedText::CompleteBash, GeneratedText::CompleteZsh, GeneratedText::CompleteFish] {
            let text = text(kind, VisibleMetawrk::command()).unwrap();
            assert!(text.contains("restore") && !text.contains("keeper") && !text.contains("stress,"), "{kind:?}");
        }
    }

    #[test]
    fn every_command_of_the_man_page_has_examples_and_exit_codes() {
        let page = text(GeneratedText::Man, VisibleMetawrk::command()).unwrap();
        // These only have commands below them, or options of their own.
        let groups = ["SEARCH\"", "SWARM\"", "TWIN\"", "TESTBED"];
        let commands = page.split("\n.SH \"METAWRK ").skip(1);
        for section in commands.filter(|section| !groups.iter().any(|group| section.starts_with(group))) {
            let name = section.lines().next().unwrap();
            assert!(section.contains(".SS \"EXAMPLES\"") && section.contains(".SS \"EXIT STATUS\""), "{name}");
        }
        let page = text(GeneratedText::Man, Wrk2::command()).unwrap();
        assert!(page.contains(".SH \"EXAMPLES\"") && page.contains(".SH \"EXIT STATUS\""));
        assert!(page.contains("  143  ended by SIGTERM"), "{page}");
    }
}
