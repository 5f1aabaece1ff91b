//! Campaigns are resumed from folders that a crash, a full disk or a user left odd: each is an error that says what to do,
//! or the right thing.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use metawrk::lab::campaign::cell::Cell;
use metawrk::lab::campaign::folder::{CampaignFolder, CampaignFolderError};
use support::campaign::{Lab, read_answer};
use support::program::{METAWRK, assert_refused, run};
use support::{OK, Server};

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to)
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Replaces a text in a file, which must contain it.
fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// A complete certificate with one valid run, and its server.
struct Complete {
    lab: Lab,
    server: Server,
    campaign: PathBuf,
    /// The valid run.
    run: String,
}

impl Complete {
    fn new() -> Complete {
        let server = Server::answering(OK);
        let lab = Lab::with(&format!(
            "name = 't'\n[target]\nurl = '{}'\n[load]\nrate = 100\nwhen-busy = 'open'\n\
             [phases]\nwarmup = '0s'\nbaseline = '5s'\n[[fault]]\nkind = 'surge'\nfactor = 2\nfor = '1s'\n",
            server.url()
        ));
        let ended = lab.end(lab.start(&["certify", "x.toml", "--dwell", "10s", "--exit-code"]));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let campaign = lab.campaign().unwrap();
        let runs = read_answer(&campaign)["runs"].as_array().unwrap().clone();
        let valid = runs.iter().find(|run| run["valid"] == true).unwrap();
        Complete { server, campaign, run: valid["folder"].as_str().unwrap().to_owned(), lab }
    }

    /// A copy of it that `change` changed. `change` is told the folders of the campaign and of its run.
    fn changed(&self, name: &str, change: impl FnOnce(&Path, &Path)) -> PathBuf {
        let copied = self.lab.dir.path().join(name);
        copy(&self.campaign, &copied);
        change(&copied, &copied.join("cells").join(&self.run));
        copied
    }

    /// Resuming the changed folder is an error that says this.
    fn refuses(&self, name: &str, message: &str, change: impl FnOnce(&Path, &Path)) {
        let copied = self.changed(name, change);
        let args = ["certify", "--resume", copied.to_str().unwrap()];
        assert_refused(METAWRK, self.lab.dir.path(), &args, message);
    }

    /// Resuming the changed folder makes no run, and gives the same answer.
    fn accepts(&self, name: &str, change: impl FnOnce(&Path, &Path)) -> PathBuf {
        let copied = self.changed(name, change);
        let sent = self.server.connections.load(Ordering::SeqCst);
        let ended = run(METAWRK, self.lab.dir.path(), &["certify", "--resume", copied.to_str().unwrap()]);
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
        assert_eq!(self.server.connections.load(Ordering::SeqCst), sent, "{name}: no run was made");
        assert_eq!(read_answer(&copied), read_answer(&self.campaign), "{name}");
        copied
    }
}

#[test]
fn a_folder_that_something_changed_is_resumed_or_refused_with_a_remedy() {
    let complete = Complete::new();
    complete.accepts("without-digest", |_, run| fs::remove_file(run.join("digest.jsonl")).unwrap());
    let resumed = complete.accepts("without-answer", |campaign, _| {
        for file in ["campaign.json", "cells.csv", "report.html"] {
            fs::remove_file(campaign.join(file)).unwrap();
        }
    });
    assert!(resumed.join("cells.csv").exists() && resumed.join("report.html").exists());

    let remedy = "Move its folder away, and resume the campaign: its run is made again";
    complete.refuses("damaged-summary", remedy, |_, run| fs::write(run.join("summary.json"), "{\"schema\":1").unwrap());
    complete.refuses("empty-record", remedy, |_, run| fs::write(run.join("cell.json"), "").unwrap());
    complete.refuses("without-summary", remedy, |_, run| fs::remove_file(run.join("summary.json")).unwrap());
    let newer = "its schema is 9, and this program knows schemas up to 1. Use the version of metawrk that wrote it";
    complete.refuses("newer-record", newer, |_, run| edit(&run.join("cell.json"), "\"schema\": 1", "\"schema\": 9"));
    complete
        .refuses("newer-summary", newer, |_, run| edit(&run.join("summary.json"), "\"schema\": 1", "\"schema\": 9"));

    let changed =
        "had another plan than campaign.toml now has. If the file was edited, undo that, or start a new campaign";
    complete
        .refuses("other-rate", changed, |campaign, _| edit(&campaign.join("campaign.toml"), "rate = 100", "rate = 90"));
    let unknown = "campaign.toml:1: colour: unknown field `colour`";
    complete.refuses("newer-plan", unknown, |campaign, _| {
        edit(&campaign.join("campaign.toml"), "command =", "colour = 1\ncommand =");
    });
    let other = "is a campaign of `metawrk search stable`. Continue it with `metawrk search stable --resume ";
    complete.refuses("other-command", other, |campaign, _| {
        edit(&campaign.join("campaign.toml"), "\"certify\"", "\"search stable\"");
    });
    complete.refuses("without-plan", "contains no campaign.toml: it is not the folder of a campaign", |campaign, _| {
        fs::remove_file(campaign.join("campaign.toml")).unwrap();
    });
    complete.refuses("without-cells", "cells: No such file or directory", |campaign, _| {
        fs::remove_dir_all(campaign.join("cells")).unwrap();
    });
}

/// The campaign of the folder `dir`, with names of the complete runs.
fn open(dir: &Path) -> Result<(CampaignFolder, Vec<String>), CampaignFolderError> {
    let (folder, _, plan) = CampaignFolder::open(dir)?;
    let runs = folder.read_runs(&plan)?;
    Ok((folder, runs.into_iter().map(|run| run.folder).collect()))
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The files as they are when a process is killed between two steps. Random kills rarely hit these moments.
#[test]
fn a_folder_is_resumed_from_each_step_at_which_a_process_can_be_killed() {
    let complete = Complete::new();
    let run = complete.run.as_str();
    let cells = |campaign: &Path| names(&campaign.join("cells"));
    let unfinished = format!("unfinished-{run}");

    // The folder of a run was created, or its report was written, and its record was not renamed into place.
    for (name, left) in [("created", None), ("reported", Some(".cell.json.x1.partial"))] {
        let campaign = complete.changed(name, |_, run| match left {
            Some(left) => fs::rename(run.join("cell.json"), run.join(left)).unwrap(),
            None => {
                fs::remove_dir_all(run).unwrap();
                fs::create_dir(run).unwrap();
            }
        });
        let (folder, complete_runs) = open(&campaign).unwrap();
        assert!(!complete_runs.contains(&run.to_owned()), "{complete_runs:?}");
        assert!(cells(&campaign).contains(&unfinished), "{:?}", cells(&campaign));
        // Its name is free again.
        let (_, _, plan) = {
            drop(folder);
            CampaignFolder::open(&campaign).unwrap()
        };
        assert_eq!(Cell::of(&plan).folder_name(), "100-1s-s1");
    }

    // Between the creation of the folder that an unfinished run is renamed to, and the renaming.
    let campaign = complete.changed("aside", |campaign, run| {
        fs::remove_file(run.join("cell.json")).unwrap();
        fs::create_dir(campaign.join("cells").join(&unfinished)).unwrap();
    });
    open(&campaign).unwrap();
    let all = cells(&campaign);
    assert!(all.contains(&unfinished) && all.contains(&format!("{unfinished}-2")), "{all:?}");

    // Between the record and cells.csv, or while that or an answer was written.
    let campaign = complete.accepts("table", |campaign, _| {
        for name in ["cells.csv", "campaign.json", "campaign.toml", "certificate.png"] {
            fs::write(campaign.join(format!(".{name}.x1.partial")), "half").unwrap();
        }
        fs::remove_file(campaign.join("cells.csv")).unwrap();
    });
    assert_eq!(names(&campaign), names(&complete.campaign), "nothing incomplete is left");

    // Before campaign.toml got its name: nothing was run, and there is nothing to resume.
    let campaign = complete.changed("begun", |campaign, _| {
        fs::rename(campaign.join("campaign.toml"), campaign.join(".campaign.toml.x1.partial")).unwrap();
    });
    assert!(matches!(open(&campaign), Err(CampaignFolderError::NoCampaign(_))));

    // While another process has it.
    let campaign = complete.changed("used", |_, _| {});
    let (_folder, _) = open(&campaign).unwrap();
    assert!(matches!(open(&campaign), Err(CampaignFolderError::InUse(_))));
}
