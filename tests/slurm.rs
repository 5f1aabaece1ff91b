//! Loads whose parts something else starts: `srun` on a Slurm cluster of three nodes, or a shell.

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::engines::Slurm;
use support::program::{METAWRK, eventually, run};
use support::{OK, Server};

const TOKEN: &str = "METAWRK_TOKEN=0123456789abcdef0123456789abcdef";

/// A server that the cluster reaches.
fn server_for(slurm: &Slurm) -> Server {
    let listener = TcpListener::bind((slurm.host(), 0)).unwrap();
    Server::on(listener, |mut peer| while peer.request().is_some() && peer.send(OK) {})
}

#[test]
fn srun_starts_the_parts_of_one_load() {
    let Some(slurm) = Slurm::start() else { return };
    let server = server_for(&slurm);
    let dir = tempfile::tempdir().unwrap();
    let (join, url) = (format!("{}:7100", slurm.address()), server.url());
    let srun = |more: &[&str]| {
        let load = ["srun", "-N3", "-K", METAWRK, "load", "--join", &join, "-t1", "-c6", "-R300"];
        slurm.start_in(dir.path(), &[TOKEN], &[&load, more, &[&url]].concat())
    };
    let ended = srun(&["-d2s", "--json", "x.json"]).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // Only part 0 reports.
    assert_eq!(ended.out.matches("Requests/sec").count(), 1, "{ended:?}");
    let report = std::fs::read_to_string(dir.path().join("x.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (&report["account"]["scheduled"], &report["account"]["answered"]),
        (&600.into(), &600.into()),
        "{report}"
    );
    assert_eq!(report["parts"].as_array().unwrap().len(), 3);
    assert_eq!(server.requests.lock().unwrap().len(), 600);

    let running = srun(&["-d60s"]);
    eventually("requests", || server.requests.lock().unwrap().len() > 700);
    // All parts get the signal.
    let cancel = slurm.start_in(dir.path(), &[], &["scancel", "--user=root", "--signal=TERM"]).end();
    assert_eq!(cancel.code, Some(0), "{cancel:?}");
    let ended = running.end();
    assert_eq!(ended.out.matches("Requests/sec").count(), 1, "{ended:?}");
    let after = server.requests.lock().unwrap().len();
    let again = srun(&["-d1s"]).end();
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(server.requests.lock().unwrap().len(), after + 300, "nothing of the earlier load still sends");
}

#[test]
fn shells_start_the_parts_and_all_have_the_same_arguments() {
    let server = Server::answering(OK);
    let url = server.url();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let join = format!("127.0.0.1:{port}");
    let part = |part: &str, rate: &str| {
        let mut command = Command::new(METAWRK);
        command.args(["load", "--join", &join, "--join-timeout", "10s", "-t1", "-c4", "-d500ms", rate, &url]);
        command.env("METAWRK_TOKEN", &TOKEN["METAWRK_TOKEN=".len()..]);
        command.env("METAWRK_PART", part).env("METAWRK_PARTS", "2");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // The parts may start before the coordinator.
    let other = part("1", "-R100");
    let first = part("0", "-R100").wait_with_output().unwrap();
    let other = other.wait_with_output().unwrap();
    assert_eq!((first.status.code(), other.status.code()), (Some(0), Some(0)), "{first:?} {other:?}");
    assert_eq!((other.stdout.as_slice(), other.stderr.as_slice()), (&b""[..], &b""[..]));
    assert_eq!(server.requests.lock().unwrap().len(), 50);

    let other = part("1", "-R200");
    let first = part("0", "-R100").wait_with_output().unwrap();
    let other = other.wait_with_output().unwrap();
    assert_eq!((first.status.code(), other.status.code()), (Some(2), Some(1)), "{first:?} {other:?}");
    let text = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(text.contains("the plan of this part is not the plan of the coordinator"), "{text}");
    assert_eq!(server.requests.lock().unwrap().len(), 50);
}

#[test]
fn a_part_without_number_or_token_says_what_it_needs() {
    let join = |environment: &[(&str, &str)], more: &[&str]| {
        let load = ["load", "--join", "127.0.0.1:7100", "-R100", "http://127.0.0.1:1/"];
        let mut command = Command::new(METAWRK);
        let output = command.args(load).args(more).envs(environment.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).trim().to_owned()
    };
    insta::assert_snapshot!(join(&[], &[]), @"--join needs to know which part this process is. Start it with srun or mpirun, or set METAWRK_PART (from 0) and METAWRK_PARTS.");
    insta::assert_snapshot!(join(&[("SLURM_PROCID", "1"), ("SLURM_NTASKS", "2")], &[]), @"--join needs a secret that all parts know, in the environment variable METAWRK_TOKEN. Set it before they start: export METAWRK_TOKEN=$(openssl rand -hex 32)");
    insta::assert_snapshot!(join(&[], &["--on", "local", "-N2"]), @"--join cannot be combined with --on, --parts, --listen or --image: something else starts the parts, and the environment has their number. Leave them out.");
}

#[test]
fn a_manifest_has_the_checked_load_and_its_files() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.lua"), "-- the script\n").unwrap();
    let manifest = |load: &[&str]| {
        let manifest = ["swarm", "manifest", "--kubernetes", "-N8", "--image", "registry.example/metawrk:1", "--"];
        run(METAWRK, dir.path(), &[&manifest, load].concat())
    };
    let [first, second] = [(); 2].map(|()| manifest(&["-R", "80k", "-s", "x.lua", "http://server/"]));
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.out.contains("kind: Job") && first.out.contains("-- the script"), "{first:?}");
    let token = |text: &str| text.lines().find(|line| line.starts_with("  token: ")).unwrap().to_owned();
    assert_ne!(token(&first.out), token(&second.out));
    for (load, message) in [
        (&["http://server/"][..], "Throughput MUST be specified"),
        (&["-R", "1", "-s", "../x.lua", "http://server/"], "cannot read the script ../x.lua"),
        (&["-R", "1", "--bogus", "http://server/"], "unexpected argument '--bogus'"),
        (&["-R", "1", "--join", "x:1", "http://server/"], "--join and --on have no place in a manifest"),
    ] {
        let refused = manifest(load);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains(message), "{message}: {refused:?}");
    }
    // A path that pods do not have.
    let script = dir.path().join("x.lua");
    let refused = manifest(&["-R", "1", "-s", script.to_str().unwrap(), "http://server/"]);
    assert!(refused.err.contains("is not in this folder") && Path::new(&script).exists(), "{refused:?}");
}
