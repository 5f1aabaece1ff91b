//! `metawrk agent`: one of several generators of a load. Launchers start it.

use std::process::ExitCode;

use anyhow::Context;

use super::parts::token_of_environment;
use crate::cluster::{AgentSettings, PLAN_HASH_VARIABLE, TOKEN_VARIABLE, part_of_environment, run_agent};
use crate::units::Time;

/// A part of a load on several generators.
#[derive(clap::Args)]
pub struct Args {
    /// Address of the coordinator
    #[arg(long, value_name = "HOST:PORT")]
    join: String,

    /// How long to try to connect
    #[arg(long, value_name = "T", default_value = "30s")]
    join_timeout: Time,

    /// For tests: the clock of this process is ahead by this
    #[arg(long, value_name = "T", default_value = "0s", hide = true)]
    clock_offset: Time,
}

/// Runs a part. The secret token and the checksum of the plan are in the environment.
///
/// # Errors
/// If it was not accepted.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let variable = |name: &str| std::env::var(name).ok();
    let missing = |name: &str| format!("the environment variable {name} is not set. A launcher of metawrk sets it");
    let settings = AgentSettings {
        coordinator: args.join,
        token: token_of_environment()?.with_context(|| missing(TOKEN_VARIABLE))?,
        plan_hash: variable(PLAN_HASH_VARIABLE).with_context(|| missing(PLAN_HASH_VARIABLE))?,
        wanted: part_of_environment(variable)?,
        join_timeout: args.join_timeout,
        clock_offset: args.clock_offset,
    };
    run_agent(&settings)?;
    Ok(ExitCode::SUCCESS)
}
