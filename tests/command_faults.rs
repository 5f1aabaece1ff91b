//! Faults by the user's own commands: in an experiment, and undone whichever process dies.

mod support;

use std::fs;
use std::path::Path;

use metawrk::fault::{Fault, KeeperClient, KeptFault, Machine};
use metawrk::units::Time;
use rustix::process::Signal;
use support::program::{METAWRK, assert_refused, eventually, kill, run, started};
use support::state::{journals, with_own_state};
use support::{OK, Server};

/// A fault that makes the file `on` in `dir`.
fn fault(dir: &Path) -> KeptFault {
    let file = dir.join("on").display().to_string();
    let keys = format!(
        "kind = 'command'\napply = 'touch \"{file}\"'\nundo = 'rm -f \"{file}\"'\nverify = 'test -e \"{file}\"'"
    );
    toml::from_str(&keys).unwrap()
}

async fn prepare(dir: &Path) -> KeeperClient {
    let program = with_own_state(dir);
    KeeperClient::prepare(&Machine::default(), &fault(dir), Time::from_secs(600), Some(&program)).await.unwrap()
}

#[tokio::test]
async fn commands_are_run_verified_and_undone() {
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = prepare(dir.path()).await;
    keeper.apply().await.unwrap();
    assert!(keeper.verify_applied().await.unwrap().text.ends_with("succeeds"));
    assert!(dir.path().join("on").exists() && journals(dir.path()) == 1);
    keeper.remove().await.unwrap();
    keeper.verify_removed().await.unwrap();
    drop(keeper);
    eventually("the end of the keeper", || !dir.path().join("on").exists() && journals(dir.path()) == 0);
}

#[tokio::test]
async fn a_keeper_whose_run_is_gone_undoes_the_fault() {
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = prepare(dir.path()).await;
    keeper.apply().await.unwrap();
    assert!(dir.path().join("on").exists());
    drop(keeper);
    eventually("the end of the fault", || !dir.path().join("on").exists() && journals(dir.path()) == 0);
}

#[tokio::test]
async fn restore_undoes_what_a_killed_keeper_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut keeper = prepare(dir.path()).await;
    keeper.apply().await.unwrap();
    kill(keeper.pid().unwrap(), Signal::KILL);
    eventually("restore", || {
        let ended = run(with_own_state(dir.path()).to_str().unwrap(), dir.path(), &["restore"]);
        ended.code == Some(0)
    });
    assert!(!dir.path().join("on").exists() && journals(dir.path()) == 0);
}

#[test]
fn an_experiment_runs_the_commands_in_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::answering(OK);
    let text = format!(
        "name = 't'\n[target]\nurl = '{}'\n[load]\nrate = 50\n[phases]\nwarmup = '0s'\nbaseline = '5s'\n\
         [[fault]]\nkind = 'command'\napply = 'touch on; echo 1 >> log'\nundo = 'rm -f on'\nverify = 'test -e on'\nfor = '1s'\n",
        server.url()
    );
    fs::write(dir.path().join("x.toml"), text).unwrap();
    let running = started(METAWRK, dir.path(), &["experiment", "x.toml", "--anyway"]);
    let events = dir.path().join("results/latest/events.jsonl");
    eventually("the removal", || fs::read_to_string(&events).is_ok_and(|text| text.contains("removal-verified")));
    assert!(!dir.path().join("on").exists());
    assert_eq!(fs::read_to_string(dir.path().join("log")).unwrap(), "1\n", "it was applied once");
    running.send(Signal::INT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
}

#[test]
fn wrong_commands_are_refused_with_their_key() {
    let dir = tempfile::tempdir().unwrap();
    for (keys, message) in [
        ("apply = 'true'", "a command fault needs the key `undo`"),
        ("apply = ' '\nundo = 'true'", "apply: must be a command for sh"),
        ("apply = 'true'\nundo = 'true'\nverfy = 'true'", "verfy"),
    ] {
        let text = format!(
            "name = 't'\n[target]\nurl = 'http://localhost:1/'\n[load]\nrate = 50\n[[fault]]\nkind = 'command'\nfor = '1s'\n{keys}\n"
        );
        fs::write(dir.path().join("x.toml"), text).unwrap();
        assert_refused(METAWRK, dir.path(), &["experiment", "x.toml"], message);
    }
}
