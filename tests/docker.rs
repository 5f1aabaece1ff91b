//! Faults on real containers: each takes effect, and all is as before afterwards.

mod support;

use std::time::Duration;

use bollard::exec::StartExecOptions;
use bollard::models::{ContainerInspectResponse, ExecConfig, HealthConfig, HostConfig};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptions};
use futures_util::StreamExt;
use metawrk::docker::probe::{Link, ProbeAnswer, ProbeRequest};
use metawrk::docker::{ContainerEventKind, Details, DockerError, Endpoint, Engine, Health, OUR_PROGRAM, ProbePlace};
use metawrk::experiment::containers::find_problems;
use metawrk::fault::{Fault, FaultError, FaultGroup, KeeperClient, Machine};
use metawrk::plan;
use metawrk::plan::config::Overrides;
use metawrk::units::Time;
use support::docker::{Stack, Wanted, engine, fault};
use support::program::{METAWRK, run};
use support::{OK, Server};
use tempfile::TempDir;

/// What a fault must leave as it was.
fn kept(details: &Details) -> Details {
    let (started_at, finished_at) = (String::new(), String::new());
    let mut kept = Details { pid: 0, started_at, finished_at, ..details.clone() };
    // -1 and 0 both mean no limit.
    kept.cpu_quota = kept.cpu_quota.max(0);
    kept.endpoints.iter_mut().for_each(|endpoint: &mut Endpoint| endpoint.mac.clear());
    kept
}

/// The fault of these keys on a container.
async fn prepared(stack: &Stack, id: &str, keys: &str) -> Result<Box<dyn Fault>, FaultError> {
    let machine = Machine { engine: Some(stack.engine.clone()) };
    fault(keys, id).snapshot(&machine, None, |_| Ok(())).await?.fault(&machine)
}

/// Applies a fault, looks at the container, removes it again, and compares. What was said of its removal.
async fn there_and_back(stack: &Stack, id: &str, keys: &str, look: impl AsyncFnOnce(&Details)) -> String {
    let before = stack.details(id).await;
    let mut fault = prepared(stack, id, keys).await.unwrap();
    fault.apply().await.unwrap();
    fault.verify_applied().await.unwrap();
    look(&stack.details(id).await).await;
    fault.remove().await.unwrap();
    let said = fault.verify_removed().await.unwrap().to_string();
    assert_eq!(kept(&stack.details(id).await), kept(&before));
    assert!(stack.serves(id).await);
    // Undoing what was undone is fine.
    fault.remove().await.unwrap();
    fault.verify_removed().await.unwrap();
    said
}

async fn with_db(engine: &Engine) -> (Stack, String) {
    let mut stack = Stack::new(engine, None).await;
    let id = stack.add("db", Wanted::default()).await;
    (stack, id)
}

const DISCONNECT: &str = "kind = 'disconnect'";
const BLACKHOLE: &str = "kind = 'blackhole'";
const PAUSE: &str = "kind = 'pause'";
const KILL: &str = "kind = 'kill'";
const STOP: &str = "kind = 'stop'";
const RESTART: &str = "kind = 'restart'";
const THROTTLE: &str = "kind = 'throttle'\ncpus = 0.25";
const MEMORY_LIMIT: &str = "kind = 'memory-limit'\nlimit = '128MiB'";

#[tokio::test]
async fn a_disconnected_container_gets_all_its_names_back() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    let said = there_and_back(&stack, &id, DISCONNECT, async |now| assert_eq!(now.endpoints, [])).await;
    // The service's name is only an alias: without it the stack would stay broken.
    let name = format!("{}-db-1", stack.project);
    assert!(said.contains(&format!("a peer on {} reaches db, {name} on port 4000", stack.network)), "{said}");
    assert_eq!(stack.details(&id).await.endpoints[0].aliases, ["db".to_owned(), name].into());
}

#[tokio::test]
async fn a_bare_connection_loses_the_service_s_name_and_is_repaired() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    let mut fault = prepared(&stack, &id, DISCONNECT).await.unwrap();
    fault.apply().await.unwrap();
    stack.connect_barely(&id).await;
    let error = fault.verify_removed().await.unwrap_err();
    assert!(error.why.contains("aliases"), "{error}");
    fault.remove().await.unwrap();
    fault.verify_removed().await.unwrap();
}

#[tokio::test]
async fn a_disconnected_container_gets_its_chosen_address_and_options_back() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, Some("10.213.77.0/24")).await;
    stack.add("cache", Wanted::default()).await;
    let wanted = Wanted {
        fixed_address: Some("10.213.77.99".to_owned()),
        driver_opts: [("metawrk.test".to_owned(), "1".to_owned())].into(),
        links: vec![format!("{}-cache-1:store", stack.project)],
        ..Default::default()
    };
    let id = stack.add("db", wanted).await;
    there_and_back(&stack, &id, DISCONNECT, async |_| {}).await;
    let endpoint = &stack.details(&id).await.endpoints[0];
    assert_eq!((endpoint.address.as_str(), endpoint.fixed.ipv4.as_deref()), ("10.213.77.99", Some("10.213.77.99")));
    assert_eq!((endpoint.driver_opts.len(), endpoint.links.len()), (1, 1));
}

#[tokio::test]
async fn only_the_named_network_is_disconnected() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    let other = Stack::new(&engine, None).await;
    other.connect_barely(&id).await;
    let named = |network: &str| format!("{DISCONNECT}\nnetwork = '{network}'");
    let networks = async |now: &Details| {
        assert_eq!(now.endpoints.iter().map(|e| &e.network).collect::<Vec<_>>(), [&stack.network])
    };
    there_and_back(&stack, &id, &named(&other.network), networks).await;
    let error = prepared(&stack, &id, &named("absent")).await.err().unwrap();
    assert!(error.why.contains(&stack.network) && error.why.contains(&other.network), "{error}");
    drop(stack);
}

#[tokio::test]
async fn a_deleted_network_does_not_keep_a_container_off_the_others() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    let other = Stack::new(&engine, None).await;
    other.connect_barely(&id).await;
    let mut fault = prepared(&stack, &id, DISCONNECT).await.unwrap();
    let networks: Vec<_> = stack.details(&id).await.endpoints.into_iter().map(|endpoint| endpoint.network).collect();
    fault.apply().await.unwrap();
    stack.docker.remove_network(&networks[0]).await.unwrap();
    let error = fault.remove().await.unwrap_err();
    assert!(error.why.contains(&networks[0]), "{error}");
    let back: Vec<_> = stack.details(&id).await.endpoints.into_iter().map(|endpoint| endpoint.network).collect();
    assert_eq!(back, networks[1..]);
    drop(stack);
}

#[tokio::test]
async fn in_a_blackhole_names_and_addresses_stay_and_nothing_answers() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    let before = stack.details(&id).await;
    there_and_back(&stack, &id, BLACKHOLE, async |now| {
        assert_eq!(now.endpoints, before.endpoints);
        assert!(!stack.serves(&id).await);
        // Undoing it would undo what another process did.
        let error = prepared(&stack, &id, BLACKHOLE).await.err().unwrap();
        assert!(error.why.contains("off already"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_run_without_rights_switches_links_from_a_container() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    let endpoint = stack.details(&id).await.endpoints.remove(0);
    let Ok(ProbeAnswer::Interfaces(there)) = engine.probe(ProbePlace::Beside(&id), &ProbeRequest::Interfaces).await
    else {
        panic!()
    };
    let own = there.iter().find(|interface| interface.mac == endpoint.mac).unwrap();
    let links = vec![Link { index: own.peer, peer: own.index }];
    for up in [false, true] {
        let switch = ProbeRequest::Switch { links: links.clone(), up };
        assert_eq!(engine.probe(ProbePlace::Host, &switch).await, Ok(ProbeAnswer::Links(vec![Some(up)])));
        if up {
            // The kernel may take a second until the bridge forwards again.
            stack.until_it_serves(&id).await;
        } else {
            assert!(!stack.serves(&id).await);
        }
    }
}

/// The first container of this program's own that is on `network`, in this mode, while a probe is answered.
async fn inspected_helper(stack: &Stack, network_mode: &str) -> (ContainerInspectResponse, String) {
    loop {
        let filters = [("label".to_owned(), vec!["metawrk=helper".to_owned()])].into();
        let running = ListContainersOptions { filters: Some(filters), ..Default::default() };
        for helper in stack.docker.list_containers(Some(running)).await.unwrap() {
            let inspected = stack.docker.inspect_container(&helper.id.unwrap(), None::<InspectContainerOptions>).await;
            let Ok(inspected) = inspected else { continue };
            let host = inspected.host_config.clone().unwrap();
            let pid = inspected.state.as_ref().and_then(|state| state.pid).unwrap_or(0);
            if host.network_mode.as_deref() == Some(network_mode)
                && let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status"))
            {
                return (inspected, status);
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_helper_container_has_no_rights_and_is_no_part_of_the_system() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    // It tries for as long as nothing answers.
    let (names, address) = (["absent".to_owned()].into(), "127.0.0.1".parse().unwrap());
    let request = ProbeRequest::Reach { names, address, ports: [].into(), patience_ms: 3000 };
    let place = format!("container:{id}");
    let seen = async {
        let helper = tokio::time::timeout(Duration::from_secs(10), inspected_helper(&stack, &place)).await.unwrap();
        let name = helper.0.name.clone().unwrap().trim_start_matches('/').to_owned();
        let containers = engine.containers().await.unwrap();
        assert!(containers.iter().all(|container| container.name != name), "{containers:?}");
        // It shares the container's network, and is no reason to leave the container alone.
        assert_eq!(engine.guests(&stack.details(&id).await).await.unwrap(), [""; 0]);
        helper
    };
    let (answer, (helper, status)) = tokio::join!(engine.probe(ProbePlace::Beside(&id), &request), seen);
    assert!(matches!(answer, Ok(ProbeAnswer::Reach(_))), "{answer:?}");
    let host = helper.host_config.unwrap();
    assert_eq!((host.cap_drop, host.cap_add, host.readonly_rootfs), (Some(vec!["ALL".into()]), None, Some(true)));
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    assert_eq!([line("CapBnd:"), line("CapPrm:"), line("CapEff:")], ["0000000000000000"; 3]);
    assert_eq!(line("NoNewPrivs:"), "1");
    assert!(line("Uid:").starts_with("65534"), "{status}");
}

/// The container's endpoint on the network of its stack.
async fn on_its_own(stack: &Stack, id: &str) -> Endpoint {
    let mut endpoints = stack.details(id).await.endpoints;
    endpoints.retain(|endpoint| endpoint.network == stack.network);
    endpoints.remove(0)
}

#[tokio::test]
async fn a_lost_alias_is_found_before_the_load() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    let name = stack.details(&id).await.name;
    // On a network that is not the project's it needs no alias.
    let other = Stack::new(&engine, None).await;
    other.connect_barely(&id).await;
    let fault = format!("[[fault]]\nkind = 'pause'\ncontainer = '{name}'\nfor = '20s'");
    let monitor = format!("[[monitor]]\nkind = 'container'\ncontainer = '{name}'");
    for named in [fault, monitor] {
        let url = "url = 'http://127.0.0.1:1/'\nengine = 'docker'";
        let text = format!("name = 'x'\n[target]\n{url}\n[load]\nrate = 100\n{named}\n");
        let plan = plan::config::parse(&text, "x.toml", "".as_ref(), &Overrides::default()).unwrap();
        assert_eq!(find_problems(&plan, &engine).await, [""; 0]);
        let endpoint = on_its_own(&stack, &id).await;
        engine.disconnect(&id, &endpoint).await.unwrap();
        stack.connect_barely(&id).await;
        let problems = find_problems(&plan, &engine).await;
        let wanted = format!("container {name}: on {} it lacks the alias db of its service", stack.network);
        assert!(matches!(&*problems, [one] if one.starts_with(&wanted)), "{problems:?}");
        let bare = on_its_own(&stack, &id).await;
        engine.disconnect(&id, &bare).await.unwrap();
        engine.connect_again(&id, &endpoint).await.unwrap();
    }
    // A network that has containers is not removed.
    drop(stack);
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_an_error_with_a_remedy() {
    let old = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\r\n\
               {\"Version\":\"18.09.1\",\"ApiVersion\":\"1.39\"}";
    let server = Server::answering(old.as_bytes());
    let error = Engine::connect_to(&format!("tcp://{}", server.address)).await.unwrap_err();
    assert!(matches!(error, DockerError::TooOld { .. }), "{error}");
    assert!(error.to_string().contains("API 1.39") && error.to_string().contains("Update the engine"), "{error}");
}

#[tokio::test]
async fn a_paused_container_answers_again() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    there_and_back(&stack, &id, PAUSE, async |now| {
        assert!(now.paused && now.running);
        assert!(!stack.serves(&id).await);
        let error = prepared(&stack, &id, PAUSE).await.err().unwrap();
        assert!(error.why.contains("paused already"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn containers_that_were_ended_run_again() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    for fault in [KILL, STOP] {
        there_and_back(&stack, &id, fault, async |now| assert!(!now.running)).await;
    }
    let before = stack.details(&id).await.started_at;
    there_and_back(&stack, &id, RESTART, async |now| {
        assert!(now.running && now.started_at != before);
    })
    .await;
}

#[tokio::test]
async fn a_container_that_no_peer_reaches_is_back_when_its_health_check_passes() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    let second = Some(1_000_000_000);
    // Its first check is after a second, and the engine says `starting` until then.
    let test = Some(vec!["CMD".to_owned(), OUR_PROGRAM.to_owned(), "--version".to_owned()]);
    let healthcheck = Some(HealthConfig { test, interval: second, timeout: second, ..Default::default() });
    let host = HostConfig { network_mode: Some("none".to_owned()), ..Default::default() };
    let id = stack.add("db", Wanted { host, healthcheck, ..Default::default() }).await;
    assert!(until(async || stack.details(&id).await.health == Some(Health::Healthy)).await);
    let mut fault = prepared(&stack, &id, KILL).await.unwrap();
    fault.apply().await.unwrap();
    fault.remove().await.unwrap();
    let said = fault.verify_removed().await.unwrap().to_string();
    assert!(said.contains("its health check passes"), "{said}");
    assert_eq!(stack.details(&id).await.health, Some(Health::Healthy));
}

#[tokio::test]
async fn a_throttled_container_has_its_cpus_back_whichever_way_it_had_them() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    let hosts = [
        HostConfig::default(),
        HostConfig { cpu_quota: Some(50_000), cpu_period: Some(50_000), ..Default::default() },
        HostConfig { nano_cpus: Some(1_500_000_000), ..Default::default() },
    ];
    for (number, host) in hosts.into_iter().enumerate() {
        let id = stack.add(&format!("db{number}"), Wanted { host, ..Default::default() }).await;
        let effective = |now: &Details| stack.engine.cgroup(now, "cpu").and_then(|cgroup| cgroup.cpu_quota());
        let before = effective(&stack.details(&id).await);
        let said = there_and_back(&stack, &id, THROTTLE, async |now| {
            if let Some((quota, period)) = effective(now) {
                assert_eq!(quota.map(|quota| quota * 4), Some(period));
            }
        })
        .await;
        assert_eq!(effective(&stack.details(&id).await), before);
        assert_eq!(said.contains("CpuQuota -1 where it showed 0"), number == 0, "{said}");
        let error = prepared(&stack, &id, "kind = 'throttle'\ncpus = 999.0").await.err().unwrap();
        assert!(error.why.contains("are not less"), "{error}");
    }
}

#[tokio::test]
async fn busy_processes_compete_within_a_container_s_limit() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    let host = HostConfig { cpu_quota: Some(20_000), cpu_period: Some(100_000), ..Default::default() };
    let id = stack.add("db", Wanted { host, ..Default::default() }).await;
    let machine = Machine { engine: Some(engine.clone()) };
    let stress = fault("kind = 'stress-cpu'\ncpus = 2", &id);
    let prepared = KeeperClient::prepare(&machine, &stress, Time::from_secs(60), Some(METAWRK.as_ref())).await;
    let mut kept = match prepared {
        Ok(kept) => kept,
        // Without the rights to add processes to the cgroup that is said.
        Err(error) => return assert!(error.why.contains("cgroup"), "{error}"),
    };
    kept.apply().await.unwrap();
    let report = kept.verify_applied().await.unwrap();
    assert!(report.text.ends_with("; all are runnable"), "{report}");
    kept.remove().await.unwrap();
    kept.verify_removed().await.unwrap();
    assert!(stack.serves(&id).await);
}

#[tokio::test]
async fn a_memory_limit_is_changed_and_given_back_where_there_is_one() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    // As much swap as memory, and as much as there is.
    for (service, memory_swap) in [("db", None), ("queue", Some(-1))] {
        let host = HostConfig { memory: Some(256 << 20), memory_swap, ..Default::default() };
        let id = stack.add(service, Wanted { host, ..Default::default() }).await;
        there_and_back(&stack, &id, MEMORY_LIMIT, async |now| assert_eq!(now.memory, 128 << 20)).await;
        // It would do nothing.
        for mib in [256, 512] {
            let error =
                prepared(&stack, &id, &format!("kind = 'memory-limit'\nlimit = '{mib}MiB'")).await.err().unwrap();
            let wanted = format!("it has a limit of 256.0 MiB already, and {mib}.0 MiB is not less");
            assert_eq!(error.why, wanted);
        }
    }
    let boundless = stack.add("cache", Wanted::default()).await;
    let error = prepared(&stack, &boundless, MEMORY_LIMIT).await.err().unwrap();
    assert!(error.why.contains("no limit"), "{error}");
}

#[tokio::test]
async fn a_memory_limit_below_what_a_container_holds_is_refused_where_the_kernel_refuses_it() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    let memory = Some(256 << 20);
    let host = HostConfig { memory, memory_swap: memory, ..Default::default() };
    let id = stack.add("db", Wanted { host, ..Default::default() }).await;
    let cgroup = engine.cgroup(&stack.details(&id).await, "memory");
    // Version 2 kills processes instead, and without the files of the kernel nothing is known in time.
    let Some(cgroup) = cgroup.filter(|cgroup| !cgroup.unified) else { return };
    let low = "kind = 'memory-limit'\nlimit = '32MiB'";
    let mut ahead = prepared(&stack, &id, low).await.unwrap();
    // A further process in it, which takes 100 MiB.
    let greedy = [OUR_PROGRAM, "testbed", "compose-post", "--storage", "127.0.0.1:1", "--budget", "104MiB"];
    let exec = ExecConfig { cmd: Some(greedy.map(str::to_owned).into()), ..Default::default() };
    let exec = stack.docker.create_exec(&id, exec).await.unwrap().id;
    stack.docker.start_exec(&exec, Some(StartExecOptions { detach: true, ..Default::default() })).await.unwrap();
    assert!(until(async || cgroup.held_memory().unwrap() > 100 << 20).await);

    let error = prepared(&stack, &id, low).await.err().unwrap().to_string();
    assert!(error.contains("its processes hold 1") && error.contains("Set `limit` above what it uses"), "{error}");
    // One that was prepared before.
    let error = ahead.apply().await.err().unwrap().to_string();
    assert!(error.contains("current usage") && error.contains("Set `limit` above what it uses"), "{error}");
    assert!(!error.contains("metawrk restore"), "nothing was changed: {error}");
    there_and_back(&stack, &id, MEMORY_LIMIT, async |now| assert_eq!(now.memory, 128 << 20)).await;
}

#[tokio::test]
async fn what_cannot_be_undone_is_refused() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    let host = HostConfig { auto_remove: Some(true), ..Default::default() };
    let fleeting = stack.add("db", Wanted { host, ..Default::default() }).await;
    for fault in [KILL, STOP] {
        let error = prepared(&stack, &fleeting, fault).await.err().unwrap();
        assert!(error.why.contains("--rm"), "{error}");
    }
    let host = HostConfig { network_mode: Some("none".to_owned()), ..Default::default() };
    let alone = stack.add("alone", Wanted { host, ..Default::default() }).await;
    for fault in [DISCONNECT, BLACKHOLE] {
        let error = prepared(&stack, &alone, fault).await.err().unwrap();
        assert!(error.why.contains("no network of its own"), "{error}");
    }
}

#[tokio::test]
async fn a_container_whose_network_others_share_is_not_ended() {
    let Some(engine) = engine().await else { return };
    let (mut stack, id) = with_db(&engine).await;
    let host = HostConfig { network_mode: Some(format!("container:{id}")), ..Default::default() };
    let guest = stack.add("guest", Wanted { host, port: Some(4001), ..Default::default() }).await;
    for fault in [KILL, STOP, RESTART] {
        let error = prepared(&stack, &id, fault).await.err().unwrap();
        assert!(error.why.contains("its network is shared by ") && error.why.contains("-guest-1"), "{error}");
    }
    prepared(&stack, &id, PAUSE).await.unwrap();
    engine.kill(&guest).await.unwrap();
    let left = async || engine.guests(&stack.details(&id).await).await.unwrap().is_empty();
    assert!(until(left).await, "a guest that has ended shares nothing");
    prepared(&stack, &id, KILL).await.unwrap();
}

/// For some seconds at most.
async fn until(mut happened: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..200 {
        if happened().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn a_fault_needs_a_container_that_runs_and_one_that_died_under_it_is_not_as_before() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, None).await;
    let host = HostConfig { memory: Some(256 << 20), ..Default::default() };
    let id = stack.add("db", Wanted { host, ..Default::default() }).await;
    let faults = [DISCONNECT, THROTTLE, MEMORY_LIMIT, PAUSE];
    for fault in faults.into_iter().take(3) {
        let mut fault = prepared(&stack, &id, fault).await.unwrap();
        fault.apply().await.unwrap();
        engine.kill(&id).await.unwrap();
        assert!(until(async || !stack.details(&id).await.running).await);
        fault.remove().await.unwrap();
        let error = fault.verify_removed().await.unwrap_err();
        assert!(error.why.contains("does not run any more"), "{error}");
        engine.start(&id).await.unwrap();
        assert!(until(async || stack.serves(&id).await).await);
        fault.verify_removed().await.unwrap();
    }
    engine.kill(&id).await.unwrap();
    assert!(until(async || !stack.details(&id).await.running).await);
    for fault in faults {
        let error = prepared(&stack, &id, fault).await.err().unwrap();
        assert!(error.why.contains("it does not run"), "{error}");
    }
}

#[tokio::test]
async fn containers_are_found_by_each_of_their_names() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    let project = &stack.project;
    for name in [&id, &id[..12], &format!("{project}-db-1"), &format!("{project}_db_1")] {
        assert_eq!(engine.find(name).await.unwrap().id, id, "{name}");
    }
    // The stacks of other tests have a service of that name, too.
    match engine.find("db").await {
        Ok(found) => assert_eq!(found.service.as_deref(), Some("db")),
        Err(error) => assert!(matches!(error, DockerError::Ambiguous { .. }), "{error}"),
    }
    // The printed list may be shortened.
    let Err(DockerError::Unknown { candidates, .. }) = engine.find("absent").await else { panic!() };
    assert!(candidates.contains(&format!("{project}-db-1 (service db)")), "{candidates:?}");
}

/// An experiment on an engine whose load goes to a server.
fn experiment(server: &Server, faults: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("url = '{}'\nengine = 'docker'", server.url());
    let text = format!("name = 'x'\n[target]\n{url}\n[load]\nrate = 100\n{faults}\n");
    std::fs::write(dir.path().join("x.toml"), text).unwrap();
    dir
}

#[tokio::test]
async fn faults_on_one_container_by_two_names_are_refused_before_anything_is_touched() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    let before = stack.details(&id).await;
    let server = Server::answering(OK);
    let fault =
        |name: &str, at: u32| format!("[[fault]]\nkind = 'pause'\ncontainer = '{name}'\nat = '{at}s'\nfor = '5s'\n");
    let both = format!("{}{}", fault(&before.name, 30), fault(&format!("{}/db", stack.project), 32));
    let dir = experiment(&server, &both);
    let wanted = format!("fault.1.at: overlaps fault.0, which is on the same container {}", before.name);
    for command in ["check", "experiment"] {
        let ended = run(METAWRK, dir.path(), &[command, "x.toml"]);
        assert!(ended.code == Some(1) && format!("{}{}", ended.out, ended.err).contains(&wanted), "{ended:?}");
    }
    assert_eq!(stack.details(&id).await, before);
    assert_eq!(server.requests.lock().unwrap().len(), 1, "check sends one request, and the experiment none");
    assert!(!dir.path().join("results").exists() || !dir.path().join("results/latest").exists());
}

#[tokio::test]
async fn a_fault_on_a_service_is_on_all_its_containers_that_run() {
    let Some(engine) = engine().await else { return };
    let (mut stack, first) = with_db(&engine).await;
    let second = stack.add("db", Wanted { number: Some(2), ..Default::default() }).await;
    let third = stack.add("db", Wanted { number: Some(3), ..Default::default() }).await;
    engine.kill(&third).await.unwrap();
    assert!(until(async || !stack.details(&third).await.running).await);
    let machine = Machine { engine: Some(engine.clone()) };
    let service = format!("{}/db", stack.project);
    let each = fault(KILL, &service).on_each(&machine).await.unwrap();
    assert_eq!(each, [fault(KILL, &first), fault(KILL, &second)]);

    let mut members = Vec::new();
    for (fault, name) in each.into_iter().zip(["db-1", "db-2"]) {
        let undo = fault.snapshot(&machine, None, |_| Ok(())).await.unwrap();
        members.push((name.to_owned(), undo.fault(&machine).unwrap()));
    }
    let mut both = FaultGroup::of(members);
    let running = async || (stack.details(&first).await.running, stack.details(&second).await.running);
    both.apply().await.unwrap();
    let on = both.verify_applied().await.unwrap();
    assert_eq!((on.text.as_str(), running().await), ("db-1: it does not run; db-2: it does not run", (false, false)));
    assert!(on.ago.is_some() || !engine.is_local());
    both.remove().await.unwrap();
    let said = both.verify_removed().await.unwrap().to_string();
    assert!(said.starts_with("db-1: names and networks as before") && said.contains("; db-2: names"), "{said}");
    assert_eq!(running().await, (true, true));

    let server = Server::answering(OK);
    let dir = experiment(&server, &format!("[[fault]]\nkind = 'kill'\ncontainer = '{service}'\nfor = '5s'"));
    let checked = run(METAWRK, dir.path(), &["check", "x.toml"]);
    for number in [1, 2] {
        let wanted = format!("can be applied to container {}-db-{number}", stack.project);
        assert!(checked.out.contains(&wanted), "{checked:?}");
    }
}

#[tokio::test]
async fn deaths_and_starts_are_reported() {
    let Some(engine) = engine().await else { return };
    let (stack, id) = with_db(&engine).await;
    let events = engine.events(std::slice::from_ref(&id));
    let (told, ()) = tokio::join!(events.take(2).collect::<Vec<_>>(), async {
        // The engine reports events from the request on.
        tokio::time::sleep(Duration::from_millis(500)).await;
        engine.kill(&id).await.unwrap();
        engine.start(&id).await.unwrap();
    });
    let told: Vec<_> = told.into_iter().map(|event| event.unwrap()).collect();
    assert!(told.iter().all(|event| event.id == id && event.name == format!("{}-db-1", stack.project)));
    let what: Vec<_> = told.iter().map(|event| event.what).collect();
    assert_eq!(what, [ContainerEventKind::Died { exit_code: Some(137) }, ContainerEventKind::Started]);
}
