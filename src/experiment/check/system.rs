//! Whether the system under test is there, its faults can be done, and the script has something for it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Finding, bounds, docker, machine};
use crate::load::{LoadPlan, preflight};
use crate::plan::{ExperimentPlan, Goal};
use crate::testbed::{Probe, Role, Testbed, TestbedPlan};

/// Looks at the system, and through the load's eyes. A testbed is started for it, and stopped.
pub async fn look(plan: &ExperimentPlan, tell: &mut dyn FnMut(Finding)) {
    match plan.goal() {
        Goal::Url(url) => {
            docker::look(plan, tell).await;
            load(plan, url, tell).await;
        }
        Goal::Embedded(settings) => {
            let started = match TestbedPlan::new(settings.clone()) {
                Ok(testbed) => Testbed::start(&testbed, None).await.map_err(anyhow::Error::from),
                Err(error) => Err(error.into()),
            };
            match started {
                Ok(testbed) => {
                    tell(of_testbed(plan, &testbed));
                    tell(link(&testbed).await);
                    load(plan, &format!("{}/wrk2-api/post/compose", testbed.url()), tell).await;
                    testbed.stop().await;
                }
                Err(error) => tell(Finding::fail("testbed", format!("{error:#}"))),
            }
        }
    }
}

/// All its processes serve; whether each may have as many files open as the load may have connections.
fn of_testbed(plan: &ExperimentPlan, testbed: &Testbed) -> Finding {
    const ON: &str = "testbed";
    let most = bounds::most(plan) as u64;
    let files = |role| (testbed.open_files(role), role);
    let Some((files, role)) = Role::ALL.into_iter().map(files).min() else { return Finding::ok(ON, "has no parts") };
    if files > most {
        return Finding::ok(ON, "starts, serves, and stops");
    }
    let text = format!("starts, but {role} may have only {files} files open, and the load {most} connections");
    Finding::warn(ON, format!("{text}: raise the hard limit (ulimit -Hn), or lower max-connections or the load"))
}

/// The faults on it are seen by requests through it.
async fn link(testbed: &Testbed) -> Finding {
    match testbed.probe_link().await {
        Probe::Answered => Finding::ok("link", "post-db answers through it, and it can be cut"),
        other => Finding::fail("link", format!("a request through it was {other:?}: is the machine very busy?")),
    }
}

/// A script that takes longer than this for its first requests is stuck.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many requests are made, for how long one takes.
const REHEARSED: u32 = 200;

/// What the load does before it begins.
async fn load(plan: &ExperimentPlan, url: &str, tell: &mut dyn FnMut(Finding)) {
    let load = match plan.load_plan(url) {
        Ok(load) => load,
        Err(error) => return tell(Finding::fail("target", error.to_string())),
    };
    tell(bounds::files(&load));
    let reached = blocking(&load, |load| preflight::look(&load)).await;
    // A script may run all the same.
    let address = reached.as_ref().map_or(SocketAddr::from(([127, 0, 0, 1], 80)), |address| *address);
    tell(match reached {
        Ok(address) => Finding::ok("target", format!("{url} takes connections, at {address}")),
        Err(why) => Finding::fail("target", format!("{why}: is it started, and the URL right?")),
    });
    let name = load.script.as_ref().map_or("none", |script| &script.name);
    match blocking(&load, move |load| preflight::rehearse(&load, address, REHEARSED)).await {
        Ok(each) => {
            tell(Finding::ok("script", format!("{name}: makes requests")));
            tell(machine::rate(plan, each));
        }
        Err(why) => tell(Finding::fail("script", format!("{name}: {why}"))),
    }
}

/// Does what blocks elsewhere, for as long as that may take.
async fn blocking<T, F>(load: &LoadPlan, look: F) -> Result<T, String>
where
    T: Send + 'static,
    F: FnOnce(LoadPlan) -> Result<T, crate::load::LoadError> + Send + 'static,
{
    let load = load.clone();
    match timeout(PATIENCE, spawn_blocking(move || look(load))).await {
        Ok(Ok(done)) => done.map_err(|error| error.to_string()),
        Ok(Err(panicked)) => Err(panicked.to_string()),
        Err(_) => Err(format!("did not end within {PATIENCE:?}")),
    }
}
