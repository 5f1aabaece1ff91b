//! The command lines of the two programs, `metawrk` and `wrk2`: one file per command.
//!
//! A command parses its arguments, calls the library, prints the result, and returns an exit code:
//!
//! * 0: success.
//! * 1: invalid usage, or an error. The message is on standard error.
//! * 2: not all of several generators were ready. Nothing was sent.
//! * 3: `--strict` is given, and the load report has a warning about the validity of its numbers.
//! * 4: a threshold failed: `--fail-if`, `--abort-if`, one of an experiment file, or `compare --fail-if-worse`.
//! * 10 to 14 and 20: the verdict, with `experiment --exit-code` or `report --exit-code`.
//! * 10, 14 to 20: the answer, with `--exit-code` of a command of the laboratory.
//! * 130, 143 and 129: SIGINT, SIGTERM or SIGHUP ended the run. Its report is complete.

mod agent;
mod campaign;
mod certify;
mod check;
mod compare;
mod earlier_runs;
mod exit;
mod exit_codes;
mod experiment;
mod experiment_options;
mod generate;
mod image;
mod init;
mod interrupts;
mod load;
mod map;
mod parts;
mod probe;
mod progress_options;
mod report;
mod restore;
mod search;
mod swarm;
mod sweep;
mod testbed;
mod twin;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::fault;
use exit_codes::with_exit_codes;
use generate::GenerateOption;

const METAWRK_EXIT_CODES: &str = with_exit_codes!(
    "",
    "\n\
Some commands have further exit codes: see `metawrk <COMMAND> --help`."
);

const METAWRK_LONG_HELP: &str = with_exit_codes!(
    "\
Examples:
  metawrk experiment                                        the embedded testbed: load, a fault, and a verdict
  metawrk init --url http://127.0.0.1:8080/                 an experiment file for a system of yours
  metawrk load -R100 -d10s http://127.0.0.1:8080/           load alone, as wrk2
  metawrk certify                                           several runs: is the system stuck?
  metawrk --generate man > metawrk.1

",
    "\n\
Some commands have further exit codes: see `metawrk <COMMAND> --help`."
);

const IMAGE_HELP: &str = "\
Examples:
  metawrk image

Exit codes:
  0    the image is there
  1    error or invalid usage";

const RESTORE_HELP: &str = "\
Examples:
  metawrk restore

Exit codes:
  0    nothing is left to undo
  1    a fault could not be removed";

/// A load generator that replaces wrk2, and a laboratory for metastable failures.
#[derive(Parser)]
#[command(
    name = "metawrk",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    override_usage = "metawrk <COMMAND>",
    after_help = METAWRK_EXIT_CODES,
    after_long_help = METAWRK_LONG_HELP
)]
struct Metawrk {
    #[command(flatten)]
    generate: GenerateOption,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Visible(Box<VisibleCommand>),
    #[command(flatten)]
    Internal(InternalCommand),
}

/// The commands for users. Help, man page and completions list them.
#[derive(Subcommand)]
enum VisibleCommand {
    /// Run an experiment: generate load, inject faults, and judge how the system recovers
    Experiment(Box<experiment::Args>),
    /// Write an experiment file for a system that runs already
    Init(init::Args),
    /// Show that a system has two states at one load: healthy, stuck after a fault, healthy again after a time without load
    Certify(Box<certify::Args>),
    /// Find a boundary by runs at other rates and outages
    #[command(arg_required_else_help = true)]
    Search(Box<search::Args>),
    /// Show at which loads a system has two states: the rate rises while it is healthy, and falls while it is stuck
    Sweep(Box<sweep::Args>),
    /// Find for each rate how long an outage must be to leave the system stuck
    Map(Box<map::Args>),
    /// Predict by simulation what an experiment would show
    #[command(arg_required_else_help = true)]
    Twin(twin::Args),
    /// Compare two runs: what differs, and whether that may be chance
    Compare(compare::Args),
    /// Check the prerequisites of an experiment without generating load
    Check(check::Args),
    /// Judge the results of an experiment again, and write its report again
    Report(report::Args),
    /// Generate load with the command line of wrk2
    #[command(display_name = "metawrk", override_usage = "metawrk load -R <N> [OPTIONS] <URL>... [-- <ARG>...]")]
    Load(Box<load::args::Args>),
    /// Remove faults that earlier runs left on containers and processes
    ///
    /// A run removes its own faults, even if it is killed. This command helps after a power failure, or if Docker was
    /// down at the time.
    #[command(after_help = RESTORE_HELP)]
    Restore,
    /// Create a container image of this program on the Docker engine, without a registry
    ///
    /// The testbed in containers, faults on the network of containers, and loads on a Docker Swarm use it.
    #[command(after_help = IMAGE_HELP)]
    Image(image::Args),
    /// Prepare loads that several machines send
    Swarm(swarm::Args),
    /// Run the testbed without an experiment, or one of its roles
    Testbed(testbed::Args),
}

/// The commands that this program starts itself with.
#[derive(Subcommand)]
enum InternalCommand {
    /// Be one of several generators of a load. `--on` starts it (internal)
    #[command(hide = true)]
    Agent(agent::Args),
    /// Apply and remove one fault for a run, as commanded on standard input (internal)
    #[command(hide = true)]
    Keeper,
    /// Answer a probe from inside a container (internal)
    // Other builds of this version know it as `inside`.
    #[command(hide = true, alias = "inside")]
    Probe(probe::Args),
    /// Keep a CPU busy until standard input ends, for a stress-cpu fault (internal)
    #[command(hide = true)]
    Stress {
        /// Identifies the fault
        token: String,
    },
}

/// `metawrk` without its internal commands, for man page and completions, which could not hide them.
#[derive(Parser)]
#[command(
    name = "metawrk",
    version,
    disable_help_subcommand = true,
    override_usage = "metawrk <COMMAND>",
    after_help = METAWRK_EXIT_CODES,
    after_long_help = METAWRK_LONG_HELP
)]
/// A load generator that replaces wrk2, and a laboratory for metastable failures.
struct VisibleMetawrk {
    #[command(flatten)]
    generate: GenerateOption,
    #[command(subcommand)]
    command: Option<VisibleCommand>,
}

/// Generates HTTP load at a constant rate and reports latencies that are corrected for coordinated omission.
#[derive(Parser)]
#[command(
    name = "wrk2",
    arg_required_else_help = true,
    override_usage = "wrk2 -R <N> [OPTIONS] <URL>... [-- <ARG>...]"
)]
struct Wrk2 {
    #[command(flatten)]
    load: load::args::Args,
    #[command(flatten, next_help_heading = load::args::GENERAL)]
    generate: GenerateOption,
}

/// The command line of `metawrk`, for tests of messages that name its options.
#[cfg(test)]
pub(crate) fn command() -> clap::Command {
    use clap::CommandFactory;
    Metawrk::command()
}

/// Runs the program `metawrk` with the arguments of this process.
pub fn metawrk() -> ExitCode {
    exit::run_program(|Metawrk { generate, command }| match (generate.generate, command) {
        (Some(kind), _) => generate::print::<VisibleMetawrk>(kind),
        (None, Some(command)) => run(command),
        // clap prints the help if there are no arguments at all.
        (None, None) => Ok(ExitCode::FAILURE),
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Visible(command) => run_visible(*command),
        Command::Internal(command) => run_internal(command),
    }
}

fn run_visible(command: VisibleCommand) -> anyhow::Result<ExitCode> {
    use VisibleCommand as Command;
    match command {
        Command::Experiment(args) => experiment::run(*args),
        Command::Init(args) => init::run(args),
        Command::Certify(args) => certify::run(*args),
        Command::Search(args) => search::run(*args),
        Command::Sweep(args) => sweep::run(*args),
        Command::Map(args) => map::run(*args),
        Command::Twin(args) => twin::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Check(args) => check::run(args),
        Command::Report(args) => report::run(args),
        Command::Load(args) => load::run(*args),
        Command::Restore => restore::run(),
        Command::Image(args) => image::run(args).map(|()| ExitCode::SUCCESS),
        Command::Swarm(args) => swarm::run(args).map(|()| ExitCode::SUCCESS),
        Command::Testbed(args) => testbed::run(args).map(|()| ExitCode::SUCCESS),
    }
}

fn run_internal(command: InternalCommand) -> anyhow::Result<ExitCode> {
    use InternalCommand as Command;
    match command {
        Command::Agent(args) => agent::run(args),
        Command::Keeper => fault::keeper::process::run().map(|()| ExitCode::SUCCESS),
        Command::Probe(args) => probe::run(&args),
        Command::Stress { token: _ } => fault::run_busy_process().map(|()| ExitCode::SUCCESS),
    }
}

/// Runs the program `wrk2` with the arguments of this process.
pub fn wrk2() -> ExitCode {
    exit::run_program(|Wrk2 { load, generate }| match generate.generate {
        Some(kind) => generate::print::<Wrk2>(kind),
        None => load::run(load),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn help(command: &clap::Command) -> String {
        command.clone().term_width(100).render_help().to_string()
    }

    /// The short help of a command and of all commands below it, except `load`, which has the help of wrk2.
    fn all_help(command: &clap::Command) -> String {
        let name = command.get_bin_name().unwrap_or(command.get_name());
        let mut text = format!("$ {name} -h\n{}\n", help(command));
        for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "load") {
            text.push_str(&all_help(subcommand));
        }
        text
    }

    #[test]
    fn long_help_of_wrk2() {
        let mut command = Wrk2::command();
        command.build();
        insta::assert_snapshot!(command.term_width(100).render_long_help());
    }

    #[test]
    fn help_of_wrk2() {
        let mut command = Wrk2::command();
        command.build();
        insta::assert_snapshot!(help(&command));
    }

    #[test]
    fn help_of_metawrk_and_its_commands() {
        let mut command = Metawrk::command();
        command.build();
        insta::assert_snapshot!(all_help(&command));
    }

    #[test]
    fn the_command_line_definitions_are_consistent() {
        Metawrk::command().debug_assert();
        Wrk2::command().debug_assert();
    }

    #[test]
    fn metawrk_load_has_the_arguments_of_wrk2() {
        let arguments = |command: &clap::Command| command.get_arguments().cloned().collect::<Vec<_>>();
        let metawrk = Metawrk::command();
        let load = metawrk.find_subcommand("load").map(arguments).unwrap_or_default();
        let mut wrk2 = arguments(&Wrk2::command());
        wrk2.retain(|argument| argument.get_id() != "generate");
        assert_eq!(format!("{load:?}"), format!("{wrk2:?}"));
    }
}
