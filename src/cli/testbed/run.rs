//! `metawrk testbed run`: the whole testbed, with its link controlled from standard input.

use bytesize::ByteSize;

use crate::out::{say, warn};
use crate::testbed::link::state::LinkCommand;
use crate::testbed::plan::{Scenario, TestbedPlan};
use crate::testbed::role::{Role, read_stdin_lines};
use crate::testbed::supervisor::Testbed;

/// Starts the testbed, prints its processes and its address, and executes link commands until standard input ends.
///
/// # Errors
/// If the testbed does not start, a process of it ends, or the link does not execute a command.
pub fn run(plan: &TestbedPlan) -> anyhow::Result<()> {
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
            say(&format!("memory limit: {}, {} of it for requests\n", ByteSize(testbed.limit_bytes()), plan.budget))?;
        }
        say(&format!("serving: {}/wrk2-api/post/compose\n", testbed.url()))?;
        let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
        read_stdin_lines(move |line| drop(sender.send(line.to_owned())))?;
        let link = testbed.link();
        loop {
            tokio::select! {
                line = lines.recv() => match line.map(|line| line.parse::<LinkCommand>()) {
                    Some(Ok(command)) => { link.send(command).await?; say(&format!("{command}\n"))? }
                    Some(Err(error)) => warn(&error),
                    None => break,
                },
                Some(exit) = testbed.next_exit() => {
                    anyhow::bail!("{} ended unexpectedly ({}): {}", exit.role, exit.status, exit.stderr)
                }
            }
        }
        testbed.stop().await;
        Ok(())
    })
}
