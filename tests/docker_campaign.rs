//! Certificates of a system of containers: it is bistable, and a restart of its stuck container cures it.

mod support;

use std::fs;

use bollard::query_parameters::RestartContainerOptions;
use support::campaign::{Lab, read_answer, valid_cells};
use support::docker::{Stack, engine};

#[tokio::test]
async fn containers_are_bistable_and_a_restart_of_the_stuck_one_is_the_cure() {
    let Some(engine) = engine().await else { return };
    let mut stack = Stack::new(&engine, Some("10.213.78.0/24")).await;
    let (_, experiment) = stack.add_testbed("10.213.78").await;
    // With fixed gaps requests keep in step, and sometimes succeed. At four times the stable rate of 24 requests/s, random
    // ones do not.
    let harder = [("rate = 50\n", "rate = 100\narrivals = 'exp'\n"), ("for = '5s'", "for = '10s'")];
    let experiment = harder.iter().fold(experiment, |text, (from, to)| text.replace(from, to));
    let lab = Lab::with(&experiment);
    let ended = lab.end(lab.start(&["certify", "x.toml", "--dwell", "10s", "--shed", "12s", "--exit-code"]));
    assert_eq!(ended.code, Some(10), "not on a busy machine: {ended:?}");
    assert!(ended.out.contains("All processes were the same throughout"), "{ended:?}");
    let campaign = lab.campaign().unwrap();
    let answer = read_answer(&campaign);
    assert_eq!(valid_cells(&answer), [(100.0, 10.0, 1), (100.0, 0.0, 1)]);
    let processes = &answer["windows"]["windows"]["after_shed"]["window"]["identity"]["processes"];
    assert_eq!(processes.as_object().unwrap().len(), 3, "{answer}");
    let runs = answer["runs"].as_array().unwrap();
    assert!(runs.iter().all(|run| run["system"] == "external"), "{answer}");

    // The same campaign, killed when the system was stuck, and resumed after a restart.
    for run in runs.iter().filter(|run| run["outage_s"] == 0.0) {
        fs::remove_dir_all(campaign.join("cells").join(run["folder"].as_str().unwrap())).unwrap();
    }
    let compose = format!("{}-compose-1", stack.project);
    stack.docker.restart_container(&compose, None::<RestartContainerOptions>).await.unwrap();
    let ended = lab.end(lab.resume());
    assert_eq!(ended.code, Some(16), "not on a busy machine: {ended:?}");
    let cured = format!("s without load, but meanwhile these were restarted: {compose}.");
    assert!(ended.out.contains(&cured), "{ended:?}");
}
