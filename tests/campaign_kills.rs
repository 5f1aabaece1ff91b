//! Campaigns that are killed with SIGKILL at random moments and resumed: the end is the same as without, no finished run is
//! lost, and nothing that the campaign started or broke is left.
//!
//! `METAWRK_KILLS=20` sets the number of kills of each test, and `METAWRK_KILLS_SEED` chooses other moments. All systems:
//! `METAWRK_KILLS=20 cargo test --test campaign_kills -- --include-ignored --nocapture`

mod support;

use std::fs;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use support::campaign::{Frozen, Lab, SHORT, bistable_server, experiment, read_answer, valid_cells};
use support::docker::{Stack, engine};
use support::program::{Ended, Started};

/// A system whose certificate is made, with what its faults may leave.
struct System<'a> {
    /// After `metawrk`, for a new campaign.
    args: &'a [&'a str],
    /// How long a campaign takes that nobody kills.
    usual: Duration,
    /// Whether the processes under test end with the campaign, so that a certificate begins anew.
    ends_with_campaign: bool,
    /// Fails if a fault is left.
    check: &'a dyn Fn(),
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Kills certificates `kills` times, at moments that are random within the usual time of one, and resumes them. Each ends
/// with the answer BISTABLE.
fn kill_and_resume(prepare: impl Fn() -> Lab, system: &System<'_>, kills: u64) {
    let seed = number("METAWRK_KILLS_SEED").unwrap_or(1);
    let kills = number("METAWRK_KILLS").unwrap_or(kills);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut killed = 0;
    while killed < kills {
        let lab = prepare();
        loop {
            let before = lab.finished();
            let running = start_or_resume(&lab, system.args);
            let delay = Duration::from_millis(random.next_u64() % system.usual.as_millis() as u64);
            let ended = if killed < kills { end_or_kill(&lab, running, delay) } else { Some(lab.end(running)) };
            (system.check)();
            let now = lab.finished();
            assert!(before.iter().all(|(run, record)| now.get(run) == Some(record)), "{before:?}, later {now:?}");
            match ended {
                Some(ended) => {
                    check_end(&lab, &ended, system);
                    break;
                }
                None => {
                    killed += 1;
                    println!("seed {seed}, kill {killed} after {delay:?}: {} finished runs", now.len());
                }
            }
        }
    }
}

fn start_or_resume(lab: &Lab, args: &[&str]) -> Started {
    match lab.campaign() {
        Some(campaign) if campaign.join("campaign.toml").exists() => lab.resume(),
        // It was killed before it wrote what it is about.
        Some(campaign) => {
            fs::remove_dir_all(campaign).unwrap();
            lab.start(args)
        }
        None => lab.start(args),
    }
}

/// `None` if it was killed: it ran for longer than `delay`.
fn end_or_kill(lab: &Lab, mut running: Started, delay: Duration) -> Option<Ended> {
    if running.has_ended_within(delay) {
        return Some(lab.end(running));
    }
    lab.kill(running);
    None
}

fn check_end(lab: &Lab, ended: &Ended, system: &System<'_>) {
    let campaign = lab.campaign().unwrap();
    assert_eq!(ended.code, Some(10), "{ended:?}");
    let cells = valid_cells(&read_answer(&campaign));
    let [.., with_fault, after_shed] = &cells[..] else { panic!("{cells:?}") };
    assert!(with_fault.1 > 0.0 && (after_shed.1, after_shed.0) == (0.0, with_fault.0), "{cells:?}");
    assert!(system.ends_with_campaign || cells.len() == 2, "a finished run was made again: {cells:?}");
    assert!(campaign.join("report.html").exists());
    println!("{}", ended.out.lines().find(|line| line.starts_with("BISTABLE")).unwrap());
}

#[test]
fn a_system_that_runs_elsewhere_and_a_frozen_process() {
    let (server, frozen) = (bistable_server(), Frozen::new());
    let experiment = experiment(&server, &frozen);
    let system = System {
        args: &SHORT,
        usual: Duration::from_secs(34),
        ends_with_campaign: false,
        check: &|| frozen.assert_runs(),
    };
    kill_and_resume(|| Lab::with(&experiment), &system, 3);
}

#[test]
#[ignore = "takes ten minutes"]
fn containers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Some(engine) = runtime.block_on(engine()) else { return };
    let mut stack = runtime.block_on(Stack::new(&engine, Some("10.213.79.0/24")));
    let (db, experiment) = runtime.block_on(stack.add_testbed("10.213.79"));
    let before = runtime.block_on(stack.details(&db));
    let check = || {
        let now = runtime.block_on(stack.details(&db));
        assert_eq!((now.endpoints, now.running, now.paused), (before.endpoints.clone(), true, false));
    };
    let system = System {
        args: &["certify", "x.toml", "--dwell", "10s", "--shed", "12s", "--exit-code"],
        usual: Duration::from_secs(55),
        ends_with_campaign: false,
        check: &check,
    };
    kill_and_resume(|| Lab::with(&experiment), &system, 20);
}

#[test]
#[ignore = "takes ten minutes"]
fn the_embedded_testbed() {
    let system = System {
        args: &["certify", "--outage", "5s", "--dwell", "10s", "--exit-code"],
        usual: Duration::from_secs(70),
        ends_with_campaign: true,
        check: &|| {},
    };
    kill_and_resume(Lab::new, &system, 20);
}
