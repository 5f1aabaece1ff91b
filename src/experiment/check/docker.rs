//! Whether the containers that the plan names are there, can be watched, and can be done to what it wants.

use super::Finding;
use crate::docker::{Container, Engine};
use crate::experiment::system;
use crate::fault::keeper::journal::{provide, refuse_listed};
use crate::fault::{ContainerFault, UndoRecord};
use crate::monitor::Watched;
use crate::plan::ExperimentPlan;
use crate::plan::settings;
use crate::report::story::fault_in_words;

/// Looks at the engine, if the plan has one, and at each container that it names.
pub async fn look(plan: &ExperimentPlan, tell: &mut dyn FnMut(Finding)) {
    let engine = match system::engine(plan).await {
        Ok(Some(engine)) => engine,
        Ok(None) => return,
        Err(error) => return tell(Finding::fail("engine", error.to_string())),
    };
    let place = if engine.is_local() { "on this machine" } else { "elsewhere" };
    let (version, host) = (engine.version(), engine.host());
    tell(Finding::ok("engine", format!("Docker {version} at {host}, API {}, {place}", engine.api())));
    for name in plan.monitor.iter().filter_map(|monitor| monitor.container.as_deref()) {
        tell(monitor(&engine, name).await);
    }
    let mut journal = false;
    for planned in &plan.fault {
        let (Some(name), Some(fault)) = (planned.container.as_deref(), planned.on_container()) else { continue };
        if !std::mem::replace(&mut journal, true) {
            tell(match provide() {
                Ok(folder) => Finding::ok("journal", format!("what undoing takes is kept in {}", folder.display())),
                Err(error) => Finding::fail("journal", error.to_string()),
            });
        }
        tell(done_to(&engine, planned, name, &fault).await);
    }
}

async fn monitor(engine: &Engine, name: &str) -> Finding {
    const ON: &str = "monitor";
    match Watched::find(engine, name).await {
        Ok(watched) => match refuse_listed(engine, &[watched.id()]) {
            Ok(()) => Finding::ok(ON, format!("container {name}: {}", watched.read_how())),
            Err(error) => Finding::fail(ON, error.to_string()),
        },
        Err(error) => Finding::fail(ON, error.to_string()),
    }
}

/// Whether the fault can be done to the container called `name`, and its removal seen from a peer.
async fn done_to(engine: &Engine, planned: &settings::Fault, name: &str, fault: &ContainerFault) -> Finding {
    const ON: &str = "fault";
    let undo = match UndoRecord::find(engine, name, fault).await {
        Ok(undo) => undo,
        Err(error) => return Finding::fail(ON, error.to_string()),
    };
    let text = format!("{} can be done", fault_in_words(planned));
    let lost = match engine.find(&undo.subject().id).await {
        Ok(container) => lost_names(engine, &container, planned.network.as_deref()).await,
        Err(_) => None,
    };
    let reach = undo.reach();
    let unseen = reach.unknown().map(|why| format!("its end can't be seen from a peer: {why}"));
    let but: Vec<_> = lost.into_iter().chain(unseen).collect();
    match (but.as_slice(), reach.to_string()) {
        ([], seen) if seen.is_empty() => Finding::ok(ON, text),
        ([], seen) => Finding::ok(ON, format!("{text}; {seen}")),
        (but, _) => Finding::warn(ON, format!("{text}, but {}", but.join("; and "))),
    }
}

/// A service's name is how its peers find it, and a bare `docker network connect` loses it. Looked at is the fault's
/// network, or those of the container's compose project: on others its user may not want that name.
async fn lost_names(engine: &Engine, container: &Container, network: Option<&str>) -> Option<String> {
    let (service, project) = (container.service.as_ref()?, container.project.as_ref()?);
    let details = engine.inspect(&container.id).await.ok()?;
    let is_meant = |name: &str| match network {
        Some(network) => name == network,
        None => name.strip_prefix(project.as_str()).is_some_and(|rest| rest.starts_with('_')),
    };
    let mut meant = details.endpoints.iter().filter(|endpoint| endpoint.has_names() && is_meant(&endpoint.network));
    let bare = meant.find(|endpoint| !endpoint.aliases.contains(service))?;
    Some(format!(
        "on {network} it is not known by its service's name {service}: connect it again with \
         `docker network connect --alias {service} {network} {}`, after `docker network disconnect`",
        container.name,
        network = bare.network
    ))
}
