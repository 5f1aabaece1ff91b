//! `metawrk testbed ...`: the testbed by hand, and its parts, as the supervisor starts them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytesize::ByteSize;
use clap::{Args, Subcommand};

use crate::docker::{Engine, OUR_IMAGE, program_image};
use crate::out::{say, warn};
use crate::testbed::link::Switch;
use crate::testbed::link::shape::Command;
use crate::testbed::plan::{Scenario, TestbedPlan, TestbedSettings};
use crate::testbed::role::{Role, listen_to_stdin, live_with, until_stopped};
use crate::testbed::scenario::retry_storm;
use crate::testbed::supervisor::Testbed;
use crate::testbed::{compose_post, heap, link, post_db, post_storage};
use crate::units::Time;

/// What to run.
#[derive(Debug, Args)]
pub struct TestbedArgs {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Run the whole testbed until stdin ends; lines there command its link: `cut`, `delay 50ms`, `loss 0.1`,
    /// `bandwidth 100000`, `heal`
    Run {
        #[command(flatten)]
        plan: Plan,
    },
    /// Take posts over HTTP, with little memory
    ComposePost {
        #[command(flatten)]
        part: Common,
        /// Address of post-storage
        #[arg(long, value_name = "HOST:PORT", value_parser = peer)]
        storage: String,
        /// Give memory that no request took for so long back to the system, down to half of the budget, so that a
        /// container's memory shows what requests hold; unless set all is kept, since fresh memory costs CPU
        #[arg(long, value_name = "TIME")]
        give_back_after: Option<Time>,
        #[command(flatten)]
        plan: Plan,
    },
    /// Store posts in post-db
    PostStorage {
        #[command(flatten)]
        part: Common,
        /// Address of post-db, or of the link to it
        #[arg(long, value_name = "HOST:PORT", value_parser = peer)]
        db: String,
        #[command(flatten)]
        plan: Plan,
    },
    /// Keep posts in a database
    PostDb {
        #[command(flatten)]
        part: Common,
    },
    /// Make a container image of this program on the Docker engine, without a registry
    Image {
        /// The image's name; `metawrk` with this version as its tag, and `latest`, unless set
        #[arg(long, value_name = "NAME[:TAG]")]
        name: Option<String>,
    },
    /// Pass connections on; lines on stdin command how, as in `run`
    Link {
        #[command(flatten)]
        part: Common,
        /// Where to
        #[arg(long, value_name = "HOST:PORT", value_parser = peer)]
        to: String,
    },
}

#[derive(Debug, Args)]
struct Common {
    /// Address to serve on; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// End with the process of this id, and with stdin
    #[arg(long, hide = true)]
    parent: Option<u32>,
}

impl Common {
    fn live(&self) -> io::Result<()> {
        if self.parent.is_some() { live_with(self.parent, |_line| {}) } else { Ok(()) }
    }
}

#[derive(Debug, Args)]
struct Plan {
    /// Memory that compose-post may take for requests
    #[arg(long, value_name = "SIZE", default_value_t = TestbedSettings::default().budget)]
    budget: ByteSize,
    /// For how long the costly error path holds its memory
    #[arg(long, value_name = "TIME", default_value_t = TestbedSettings::default().hold)]
    hold: Time,
    /// post-storage gives up on post-db after this
    #[arg(long, value_name = "TIME", default_value_t = TestbedSettings::default().db_timeout)]
    db_timeout: Time,
    /// What post-storage takes for a post
    #[arg(long, value_name = "TIME", default_value_t = TestbedSettings::default().storage_time)]
    storage_time: Time,
    /// What keeps it broken
    #[arg(long, value_enum, default_value_t = TestbedSettings::default().scenario)]
    scenario: Scenario,
    /// In the retry storm: who serves requests
    #[arg(long, value_name = "N", default_value_t = TestbedSettings::default().workers)]
    workers: usize,
    /// In the retry storm: what a request takes its worker
    #[arg(long, value_name = "TIME", default_value_t = TestbedSettings::default().service_time)]
    service_time: Time,
    /// In the retry storm: requests that may wait for a worker
    #[arg(long, value_name = "N", default_value_t = TestbedSettings::default().queue)]
    queue: usize,
}

impl Plan {
    fn resolve(&self) -> anyhow::Result<TestbedPlan> {
        let Plan { budget, hold, db_timeout, storage_time, scenario, workers, service_time, queue } = *self;
        let settings =
            TestbedSettings { budget, hold, db_timeout, storage_time, scenario, workers, service_time, queue };
        Ok(TestbedPlan::new(settings)?)
    }
}

/// `HOST:PORT`, whose host need not be known yet.
fn peer(text: &str) -> Result<String, String> {
    let authority: http::uri::Authority = text.parse().map_err(|e| format!("{e}: write HOST:PORT"))?;
    authority.port_u16().map(|_| text.to_owned()).ok_or_else(|| "no port: write HOST:PORT".to_owned())
}

/// Runs a part of the testbed, or the whole, for as long as it lives.
///
/// # Errors
/// What kept it from serving.
pub fn run(args: TestbedArgs) -> anyhow::Result<()> {
    match args.part {
        Part::Run { plan } => by_hand(&plan.resolve()?),
        Part::ComposePost { part, storage, give_back_after, plan } => {
            let plan = plan.resolve()?;
            if plan.scenario == Scenario::RetryStorm {
                part.live()?;
                return run_role(Role::ComposePost, &part, retry_storm::run(part.listen, &storage, &plan));
            }
            heap::enter().context("no memory besides the limited")?;
            part.live()?;
            let serve = compose_post::run(part.listen, &storage, &plan, give_back_after.map(Time::std));
            run_role(Role::ComposePost, &part, serve)
        }
        Part::PostStorage { part, db, plan } => {
            let plan = plan.resolve()?;
            part.live()?;
            run_role(Role::PostStorage, &part, post_storage::run(part.listen, &db, &plan))
        }
        Part::PostDb { part } => {
            part.live()?;
            run_role(Role::PostDb, &part, post_db::run(part.listen))
        }
        Part::Image { name } => make_image(name),
        Part::Link { part, to } => {
            let switch = Switch::new();
            let shape = switch.watch();
            // A link without commands is none, so it ends with stdin in any case.
            live_with(part.parent, move |line| switch.obey(line))?;
            run_role(Role::Link, &part, link::run(part.listen, &to, shape))
        }
    }
}

/// A thread more would be a stack more in limited memory: every role has one for its event loop, and those that look
/// names up one for that, which stays.
fn run_role(role: Role, part: &Common, serve: impl Future<Output = io::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .thread_stack_size(256 * 1024)
        .thread_keep_alive(Duration::MAX)
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        // A role of a run ends with its parent. By itself, as in a container, it is told by a signal.
        if part.parent.is_some() { serve.await } else { until_stopped(serve).await }
    });
    // A look-up may still be under way.
    runtime.shutdown_background();
    done.with_context(|| format!("{role} cannot serve"))
}

fn make_image(name: Option<String>) -> anyhow::Result<()> {
    let names = match name {
        Some(name) => vec![name],
        None => vec![OUR_IMAGE.to_owned(), "metawrk:latest".to_owned()],
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::connect().await?;
        engine.load_image(program_image::archive(&names)?).await?;
        say(&format!("{} on the Docker engine at {}\n", names.join(", "), engine.host()))
    })
}

fn by_hand(plan: &TestbedPlan) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut testbed = Testbed::start(plan, None).await?;
        for role in Role::ALL {
            say(&format!("{role}: process {}\n", testbed.pid(role)))?;
            let warnings = testbed.stderr(role);
            if !warnings.is_empty() {
                warn(&warnings);
            }
        }
        if plan.scenario == Scenario::Memory {
            say(&format!("memory limit: {}\n", ByteSize(testbed.limit_bytes())))?;
        }
        say(&format!("serving: {}/wrk2-api/post/compose\n", testbed.url()))?;
        let (lines, mut commands) = tokio::sync::mpsc::unbounded_channel();
        listen_to_stdin(move |line| drop(lines.send(line.to_owned())))?;
        let link = testbed.link();
        loop {
            tokio::select! {
                line = commands.recv() => match line.map(|line| line.parse::<Command>()) {
                    Some(Ok(command)) => { link.tell(command).await?; say(&format!("{command}\n"))? }
                    Some(Err(unknown)) => warn(&unknown),
                    None => break,
                },
                Some(death) = testbed.death() => {
                    anyhow::bail!("{} died ({}): {}", death.role, death.status, death.stderr)
                }
            }
        }
        testbed.stop().await;
        Ok(())
    })
}
