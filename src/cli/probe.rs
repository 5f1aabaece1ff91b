//! `metawrk probe`: runs in a helper container and answers a probe from there. Hidden: only metawrk calls it.

use std::process::ExitCode;

use anyhow::Context;

use crate::docker::probe::{self, ProbeRequest};
use crate::out::say;

/// A probe.
#[derive(clap::Args)]
pub struct Args {
    /// The probe, as JSON
    #[arg(value_name = "PROBE")]
    request: String,
}

/// Prints the answer to a probe as JSON.
///
/// # Errors
/// If the argument is not a probe, or the answer cannot be printed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let request: ProbeRequest = serde_json::from_str(&args.request).context("cannot read the probe")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(probe::answer(&request));
    // Do not wait for a pending DNS lookup.
    runtime.shutdown_background();
    say(&serde_json::to_string(&answer)?)?;
    Ok(ExitCode::SUCCESS)
}
