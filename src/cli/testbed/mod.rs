//! `metawrk testbed ...`: the whole testbed, or one of its roles.

mod options;
mod run;

use std::io;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;

use super::image;
use crate::testbed::link::LinkSwitch;
use crate::testbed::plan::Scenario;
use crate::testbed::role::{Role, tie_to_parent, until_stopped};
use crate::testbed::{compose_post, heap, link, post_db, post_storage};
use crate::units::Time;
use options::{ScenarioOptions, ServeOptions, StorageOptions, parse_peer};

/// The arguments of `metawrk testbed`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: TestbedCommand,
}

#[derive(Debug, Subcommand)]
enum TestbedCommand {
    /// Run the whole testbed until standard input ends
    ///
    /// Prints the address to send posts to. Lines on standard input set the state of the link between post-storage and
    /// post-db: `cut`, `reset`, `delay 50ms`, `loss 0.1`, `bandwidth 100000` (bytes/s), or `heal`.
    Run {
        #[command(flatten)]
        scenario: ScenarioOptions,
    },
    /// Run the role compose-post: accept posts over HTTP, with limited memory or workers
    ComposePost {
        #[command(flatten)]
        serve: ServeOptions,
        /// Address of post-storage
        #[arg(long, value_name = "HOST:PORT", value_parser = parse_peer)]
        storage: String,
        /// Return memory to the system if no request used it for this time, down to half of the budget. By default, all
        /// memory is kept
        ///
        /// With this option, the memory of a container shows what requests hold. Without it, requests are faster,
        /// because fresh memory costs CPU time.
        #[arg(long, value_name = "T")]
        give_back_after: Option<Time>,
        #[command(flatten)]
        scenario: ScenarioOptions,
    },
    /// Run the role post-storage: store posts in post-db
    PostStorage {
        #[command(flatten)]
        serve: ServeOptions,
        /// Address of post-db, or of the link to it
        #[arg(long, value_name = "HOST:PORT", value_parser = parse_peer)]
        db: String,
        #[command(flatten)]
        storage: StorageOptions,
    },
    /// Run the role post-db: a database behind HTTP
    PostDb {
        #[command(flatten)]
        serve: ServeOptions,
    },
    /// The former name of `metawrk image`
    #[command(hide = true)]
    Image(image::Args),
    /// Run the link: a TCP proxy that can be cut, delayed or limited
    ///
    /// Lines on standard input set its state, as in `metawrk testbed run`. The link ends with standard input.
    Link {
        #[command(flatten)]
        serve: ServeOptions,
        /// Address to forward connections to
        #[arg(long, value_name = "HOST:PORT", value_parser = parse_peer)]
        to: String,
    },
}

/// Runs the testbed or one of its roles until it ends.
///
/// # Errors
/// If an option is invalid, or the role cannot serve.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        TestbedCommand::Run { scenario } => run::run(&scenario.resolve()?),
        TestbedCommand::ComposePost { serve, storage, give_back_after, scenario } => {
            let plan = scenario.resolve()?;
            if plan.scenario == Scenario::Memory {
                heap::enter().context("cannot set up the heap outside of the memory limit")?;
            }
            serve.tie_to_parent()?;
            let role = compose_post::run(serve.listen, &storage, &plan, give_back_after.map(Time::std));
            run_role(Role::ComposePost, &serve, role)
        }
        TestbedCommand::PostStorage { serve, db, storage } => {
            let plan = storage.resolve()?;
            serve.tie_to_parent()?;
            run_role(Role::PostStorage, &serve, post_storage::run(serve.listen, &db, &plan))
        }
        TestbedCommand::PostDb { serve } => {
            serve.tie_to_parent()?;
            run_role(Role::PostDb, &serve, post_db::run(serve.listen))
        }
        TestbedCommand::Image(args) => image::run(args),
        TestbedCommand::Link { serve, to } => {
            let switch = LinkSwitch::new();
            let state = switch.subscribe();
            // A link without commands is useless, so it always ends with standard input.
            tie_to_parent(serve.parent, move |line| switch.execute(line))?;
            run_role(Role::Link, &serve, link::run(serve.listen, &to, state))
        }
    }
}

/// Runs a role on a runtime of one thread, plus one for DNS lookups that is never replaced: the stack of each further
/// thread would count against the memory limit.
fn run_role(role: Role, options: &ServeOptions, serve: impl Future<Output = io::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .thread_stack_size(256 * 1024)
        .thread_keep_alive(Duration::MAX)
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        // With --parent, the role ends with its parent. Otherwise, as in a container, a signal ends it.
        if options.parent.is_some() { serve.await } else { until_stopped(serve).await }
    });
    // Do not wait for a pending DNS lookup.
    runtime.shutdown_background();
    served.with_context(|| format!("{role} cannot serve"))
}
