//! `metawrk swarm ...`: loads on machines that something else starts.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};

use super::load;
use crate::cluster::{KubernetesJob, Token};
use crate::input;
use crate::out::say;

/// A ConfigMap has at most 1 MiB, so a file must be smaller.
const MAX_CONFIG_MAP: u64 = 1 << 20;
/// The longest name of a pod is 63 characters, and `-` and the number of the part belong to it.
const MAX_NAME: usize = 57;

const MANIFEST_HELP: &str = "\
Examples:
  metawrk swarm manifest --kubernetes -N 8 --image registry.test/metawrk -- -R 100k http://service/ | kubectl apply -f -

Exit codes:
  0    success
  1    error or invalid usage";

/// The arguments of `metawrk swarm`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: SwarmCommand,
}

#[derive(Debug, Subcommand)]
enum SwarmCommand {
    /// Print the description of a load for the scheduler of a cluster
    #[command(
        after_help = MANIFEST_HELP,
        override_usage = "metawrk swarm manifest --kubernetes -N <N> --image <NAME> -- -R <N> [OPTIONS OF metawrk load] <URL>..."
    )]
    Manifest(ManifestArgs),
}

#[derive(Debug, clap::Args)]
struct ManifestArgs {
    /// Print an Indexed Job and what it needs, for `kubectl apply -f -`. It contains a secret
    #[arg(long, required = true)]
    kubernetes: bool,

    /// Number of generators, each on another node
    #[arg(short = 'N', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    parts: u16,

    /// Image of metawrk, in a registry that the cluster reaches
    #[arg(long, value_name = "NAME")]
    image: String,

    /// Name of all objects
    #[arg(long, value_name = "NAME", default_value = "metawrk", value_parser = parse_name)]
    name: String,

    /// Arguments of `metawrk load`
    #[arg(value_name = "ARG", last = true, required = true)]
    load: Vec<OsString>,
}

/// The command line of the load, to check it before a cluster does.
#[derive(Parser)]
#[command(name = "metawrk load")]
struct LoadCommand {
    #[command(flatten)]
    load: load::args::Args,
}

/// Runs a command of `metawrk swarm`.
///
/// # Errors
/// If the load is not valid, or a file that it needs cannot be read.
pub fn run(args: Args) -> anyhow::Result<()> {
    let SwarmCommand::Manifest(ManifestArgs { kubernetes: _, parts, image, name, load }) = args.command;
    let files = files_of(&load)?;
    let args = load.into_iter().map(|arg| arg.into_string()).collect::<Result<_, _>>();
    let Ok(args) = args else { bail!("an argument of the load is not UTF-8, which a manifest cannot contain") };
    let token = Token::random().context("cannot make a token")?.reveal().to_owned();
    say(&KubernetesJob { name, image, parts, token, args, files }.manifest())?;
    Ok(())
}

/// The files that the load reads, and their contents.
fn files_of(args: &[OsString]) -> anyhow::Result<Vec<(String, String)>> {
    let program = OsString::from("metawrk load");
    let LoadCommand { load } = LoadCommand::try_parse_from(std::iter::once(&program).chain(args))?;
    if load.join.is_some() || load.parts.on.is_some() {
        bail!("--join and --on have no place in a manifest, which makes its own --join. Leave them out");
    }
    load.plans(load::script::read_script)?;
    let script = load.load.script.as_deref().filter(|path| path.exists());
    let data = load.parts.data_files.iter().map(PathBuf::as_path);
    script.into_iter().chain(load.connection.cacert.as_deref()).chain(data).map(read_file).collect()
}

fn read_file(path: &Path) -> anyhow::Result<(String, String)> {
    let shown = path.display();
    if !path.components().all(|component| matches!(component, Component::Normal(_) | Component::CurDir)) {
        bail!(
            "{shown} is not in this folder, and the pods have only this one. Change to its folder, and give a relative path"
        );
    }
    let bytes =
        input::read_named(path, MAX_CONFIG_MAP).with_context(|| format!("cannot put {shown} into a manifest"))?;
    let Ok(text) = String::from_utf8(bytes) else { bail!("{shown} is not UTF-8, which a manifest cannot contain") };
    Ok((shown.to_string(), text))
}

/// A name that Kubernetes accepts for every object, and as a part of a DNS name.
fn parse_name(text: &str) -> Result<String, String> {
    let is_allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let is_name = (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(is_allowed)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-');
    match is_name {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "use at most {MAX_NAME} small letters, digits and `-`, with a letter at the beginning and no `-` at the end"
        )),
    }
}
