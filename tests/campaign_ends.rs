//! Campaigns that end early: by SIGINT in each phase, and because the disk is full. What was finished is kept, and the
//! campaign is resumed to the same answer.

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use support::campaign::{Frozen, Lab, SHORT, bistable_server, experiment, read_answer, valid_cells};
use support::program::{Ended, Started, eventually, started};

/// A file of the newest run whose folder has this beginning.
fn read_newest(campaign: &Path, run: &str, file: &str) -> String {
    let cells = fs::read_dir(campaign.join("cells")).into_iter().flatten().flatten();
    let runs = cells.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(run)));
    let newest = runs.max_by_key(|entry| entry.metadata().and_then(|data| data.created()).ok());
    newest
        .and_then(|run| fs::read(run.path().join(file)).ok())
        .map_or_else(String::new, |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

const WITH_FAULT: &str = "100-2s";
const AFTER_SHED: &str = "100-0s";

#[test]
fn sigint_ends_a_campaign_in_each_phase_and_it_is_resumed() {
    let (server, frozen) = (bistable_server(), Frozen::new());
    let lab = Lab::with(&experiment(&server, &frozen));
    let interrupt = |running: Started, phase: &str, has_begun: &dyn Fn(&Path) -> bool| {
        eventually(phase, || lab.campaign().is_some_and(|campaign| has_begun(&campaign)));
        running.send(Signal::INT);
        let ended = running.end();
        assert_eq!(ended.code, Some(130), "{phase}: {ended:?}");
        lab.wait_until_nothing_is_left();
        frozen.assert_runs();
        ended
    };
    let has_event =
        |step: &'static str| move |campaign: &Path| read_newest(campaign, WITH_FAULT, "events.jsonl").contains(step);
    let is_stuck = |campaign: &Path| {
        // The load goes on after the fault.
        has_event("removal-verified")(campaign) && read_newest(campaign, WITH_FAULT, "requests.rows").len() > 100 * 1500
    };
    let in_first = |text: &str, ended: &Ended| assert!(ended.out.contains(text), "{ended:?}");

    let answer = "UNANSWERED at 100 requests/s: SIGINT ended the campaign. Continue it with --resume";
    in_first(
        answer,
        &interrupt(lab.start(&SHORT), "the baseline", &|campaign| {
            read_newest(campaign, WITH_FAULT, "requests.rows").len() > 20_000
        }),
    );
    in_first(answer, &interrupt(lab.resume(), "the fault", &has_event("\"effective\"")));
    in_first(answer, &interrupt(lab.resume(), "the stuck system", &is_stuck));
    assert!(lab.finished().is_empty(), "no run was finished");

    let is_finished = |_: &Path| lab.finished().values().any(|record| record.contains("\"2s\""));
    in_first(answer, &interrupt(lab.resume(), "the time without load", &is_finished));
    let first = lab.finished();
    let is_reported = |campaign: &Path| !read_newest(campaign, AFTER_SHED, "requests.parquet").is_empty();
    interrupt(lab.resume(), "the last report", &is_reported);

    let ended = lab.end(lab.resume());
    assert_eq!(ended.code, Some(10), "{ended:?}");
    let now = lab.finished();
    assert!(first.iter().all(|(run, record)| now.get(run) == Some(record)), "{first:?}, later {now:?}");
    assert_eq!(valid_cells(&read_answer(&lab.campaign().unwrap())), [(100.0, 2.0, 1), (100.0, 0.0, 1)]);
}

/// A small disk in a mount namespace of its own. Both end with this.
struct SmallDisk {
    holder: Child,
    folder: PathBuf,
}

impl SmallDisk {
    /// `None`, with a notice, where this process may not mount.
    fn mount(folder: &Path) -> Option<SmallDisk> {
        fs::create_dir(folder).unwrap();
        let script = "mount -t tmpfs -o size=16m none \"$0\" && echo mounted && read end";
        let holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, folder.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut line = String::new();
        if let Ok(mut holder) = holder {
            let mut out = std::io::BufReader::new(holder.stdout.take().unwrap());
            std::io::BufRead::read_line(&mut out, &mut line).unwrap();
            let disk = SmallDisk { holder, folder: folder.to_owned() };
            if line == "mounted\n" {
                return Some(disk);
            }
        }
        let notice = "\nSKIPPED, not tested: needs the right to mount a tmpfs (root)\n";
        // The test harness captures `eprintln!` of a passing test, but not this.
        let _ = writeln!(std::io::stderr(), "{notice}");
        None
    }

    /// A path on it, as processes outside of the namespace see it.
    fn path(&self, name: &str) -> PathBuf {
        let inside = self.folder.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(inside).join(name)
    }

    /// Starts a program in the namespace.
    fn start(&self, lab: &Lab, args: &[&str]) -> Started {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.holder.id());
        let inside = [&namespace, "sh", "-c", "cd \"$0\" && exec \"$@\"", lab.dir.path().to_str().unwrap()];
        started("nsenter", lab.dir.path(), &[&inside, args].concat())
    }

    fn metawrk(&self, lab: &Lab, args: &[&str]) -> Started {
        let program = lab.dir.path().join("program");
        self.start(lab, &[&[program.to_str().unwrap()], args].concat())
    }

    fn make_read_only(&self, lab: &Lab) {
        let ended = self.start(lab, &["mount", "-o", "remount,ro", self.folder.to_str().unwrap()]).end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }

    /// Writes to a file until no more fits.
    fn fill(&self) {
        let mut file = fs::File::create(self.path("ballast")).unwrap();
        let zeros = [0; 4096];
        while file.write_all(&zeros).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn a_full_disk_costs_only_the_run_in_progress() {
    let (server, frozen) = (bistable_server(), Frozen::new());
    let lab = Lab::with(&experiment(&server, &frozen));
    let Some(disk) = SmallDisk::mount(&lab.dir.path().join("disk")) else { return };
    let running = disk.metawrk(&lab, &[&SHORT[..], &["--out", "disk"]].concat());
    let campaign = || {
        let mut all = fs::read_dir(disk.path("")).unwrap().flatten().map(|entry| entry.path());
        all.find(|path| path.is_dir())
    };
    let rows = || campaign().map(|campaign| read_newest(&campaign, AFTER_SHED, "requests.rows"));
    eventually("the second run", || rows().is_some_and(|rows| rows.len() > 1000));
    let records = || {
        let campaign = campaign().unwrap();
        [WITH_FAULT].map(|run| read_newest(&campaign, run, "cell.json"))
    };
    let first = records();
    disk.fill();
    let ended = running.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let name = campaign().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let wanted = [
        format!("continue with `metawrk certify --resume disk/{name}`"),
        format!("cannot write disk/{name}/cells/100-0s-s1/"),
        "No space left on device".to_owned(),
        "Free some space, or choose a folder on another disk".to_owned(),
    ];
    assert!(wanted.iter().all(|text| ended.err.contains(text)), "{ended:?}");

    fs::remove_file(disk.path("ballast")).unwrap();
    let resume = ["certify", "--resume", &format!("disk/{name}"), "--exit-code"];
    let ended = disk.metawrk(&lab, &resume).end();
    assert_eq!(ended.code, Some(10), "not on a busy machine: {ended:?}");
    assert_eq!(records(), first);

    disk.fill();
    let ended = disk.metawrk(&lab, &[&SHORT[..], &["--out", "disk/other"]].concat()).end();
    assert!(ended.code == Some(1) && ended.err.contains("campaign.toml: No space left on device"), "{ended:?}");
    assert_eq!(fs::read_dir(disk.path("other")).unwrap().count(), 0, "nothing began");

    disk.make_read_only(&lab);
    let ended = disk.metawrk(&lab, &resume).end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let wanted = format!("cannot write disk/{name}/cells.csv: Read-only file system (os error 30)");
    assert!(ended.err.contains(&wanted), "{ended:?}");
}
