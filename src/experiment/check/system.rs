//! Whether the system under test is reachable, its faults can be applied, and the script generates requests.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::processes::check_processes;
use super::request::{check_request, unreachable_target};
use super::step::run_blocking;
use super::{Finding, docker, limits, machine};
use crate::experiment::proxies::{Proxies, proxy_addresses};
use crate::experiment::system::component_pid;
use crate::fault::{Machine, ProxyAddress};
use crate::load::preflight;
use crate::plan::{ExperimentPlan, System};
use crate::testbed::{LinkProbe, Role, Testbed};

/// Checks the system and the load's connection to it. A testbed is started for this, and stopped.
pub async fn check_system(plan: &ExperimentPlan, report: &mut dyn FnMut(Finding)) {
    check_processes(plan, report);
    match plan.system() {
        System::Target { url, .. } => {
            docker::check_containers(plan, report).await;
            // The load may pass them.
            let _proxies = check_proxies(plan, report).await;
            check_load(plan, url, report).await;
        }
        System::Testbed(testbed) => match Testbed::start(testbed, None).await {
            Ok(testbed) => {
                report(check_testbed(plan, &testbed));
                report(check_link(&testbed).await);
                let pid_of = |component: &str| component_pid(&testbed, component);
                docker::check_faults(plan, &Machine::default(), &pid_of, report).await;
                check_load(plan, &format!("{}/wrk2-api/post/compose", testbed.url()), report).await;
                testbed.stop().await;
            }
            Err(error) => report(Finding::fail("testbed", error.to_string())),
        },
    }
}

/// Whether the proxies can listen, and the services behind them accept connections. They go on until they are dropped.
async fn check_proxies(plan: &ExperimentPlan, report: &mut dyn FnMut(Finding)) -> Option<Proxies> {
    const SUBJECT: &str = "proxy";
    const PATIENCE: Duration = Duration::from_secs(5);
    let proxies = match Proxies::start(plan).await {
        Ok(proxies) => proxies,
        Err(error) => {
            report(Finding::fail(SUBJECT, error.to_string()));
            return None;
        }
    };
    for ProxyAddress { listen, to } in proxy_addresses(plan) {
        let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await;
        let connected = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        report(match connected {
            Ok(_) => Finding::ok(SUBJECT, format!("{listen} forwards connections to {to}")),
            Err(error) => {
                Finding::fail(SUBJECT, format!("cannot connect to {to}: {error}. Start the service, or correct `to`."))
            }
        });
    }
    Some(proxies)
}

/// Whether each process of the testbed may open as many files as the load may open connections.
fn check_testbed(plan: &ExperimentPlan, testbed: &Testbed) -> Finding {
    const SUBJECT: &str = "testbed";
    let connections = limits::max_connections(plan) as u64;
    let files = |role| (testbed.open_files(role), role);
    let Some((files, role)) = Role::ALL.into_iter().map(files).min() else {
        return Finding::ok(SUBJECT, "has no processes");
    };
    if files > connections {
        return Finding::ok(SUBJECT, "starts, serves and stops");
    }
    Finding::warn(
        SUBJECT,
        format!(
            "{role} may open {files} files, and the load up to {connections} connections. Raise the hard limit (ulimit \
             -Hn), or lower max-connections in [load]."
        ),
    )
}

/// Whether requests pass the link: the faults on it are verified by such requests.
async fn check_link(testbed: &Testbed) -> Finding {
    const SUBJECT: &str = "link";
    let failed = |what: String| Finding::fail(SUBJECT, format!("{what}. Run the check again on an idle machine."));
    match testbed.probe_link().await {
        LinkProbe::Answered => Finding::ok(SUBJECT, "post-db answers through the link"),
        LinkProbe::Unanswered => failed("a request through the link got no answer".to_owned()),
        LinkProbe::Reset => failed("a connection through the link was reset".to_owned()),
        LinkProbe::Failed(why) => failed(format!("a request through the link failed: {why}")),
    }
}

/// The number of requests over which the script's time is measured.
const TIMED_REQUESTS: u32 = 200;

/// Whether the load can start.
async fn check_load(plan: &ExperimentPlan, url: &str, report: &mut dyn FnMut(Finding)) {
    let load = match plan.load_plan(url) {
        Ok(load) => load,
        Err(error) => return report(Finding::fail("target", error.to_string())),
    };
    report(limits::check_open_files(&load));
    // The script is checked first, and even if the target is not reachable: the request needs it.
    let address = run_blocking(&load, |load| preflight::probe_target(&load)).await;
    let address = address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 80)));
    let script_time = run_blocking(&load, move |load| preflight::time_script(&load, address, TIMED_REQUESTS)).await;
    match (load.script.as_ref(), &script_time) {
        (None, _) => report(Finding::ok("script", format!("none: each request is a GET of {url}"))),
        (Some(script), Ok(_)) => report(Finding::ok("script", format!("{}: requests are generated", script.name))),
        (Some(script), Err(why)) => report(Finding::fail("script", format!("{}: {why}", script.name))),
    }
    if let Ok(script_time) = script_time {
        report(machine::check_rate(plan, script_time));
        report(check_request(plan, url).await);
    } else if let Err(why) = run_blocking(&load, |load| preflight::probe_target(&load)).await {
        report(unreachable_target(&why));
    }
}
