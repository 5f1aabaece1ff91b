use proptest::prelude::*;

use super::*;
use crate::load::plan::{OnTimeout, WhenBusy};
use crate::plan::{EngineAddress, System};
use crate::testbed::TestbedPlan;
use crate::units::Instant;

mod overrides;

const SMALL: &str = "\
name = \"small\"
[testbed]
[load]
rate = 100
[[fault]]
kind = \"link\"
for = \"20s\"
";

fn read(text: &str) -> Result<ExperimentPlan, ConfigError> {
    parse(text, "x.toml", Path::new(""), &Overrides::default())
}

fn second(second: u64) -> Instant {
    Instant(second * 1_000_000_000)
}

fn error(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn the_default_experiment_has_the_documented_values() {
    let plan = read_plan(None, &Overrides::default()).unwrap().plan;
    assert_eq!(plan.system(), &System::Testbed(TestbedPlan::default()));
    assert_eq!((plan.phases().observe, plan.phases().duration), (Time::from_secs(60), Time::from_secs(141)));
    let load = plan.load_settings("http://127.0.0.1:1/");
    assert_eq!((load.rate, load.seed, load.when_busy, load.max_connections), (300.0.into(), 1, WhenBusy::Open, 10_000));
    assert_eq!((load.timeout, load.on_timeout), (Time::from_secs(24 * 3600), OnTimeout::Wait));
    assert_eq!((load.drain, load.duration), (Time::from_secs(5), plan.phases().duration));
    assert_eq!(load.script.unwrap().name, "compose-post.lua");
    assert_eq!(plan.faults()[0].at, second(15));
}

#[test]
fn a_resolved_plan_replays_the_run() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine.lua"), "-- \"quotes\" and\n'''lines'''\n").unwrap();
    let long = "
        name = \"long\"
        target = { url = \"http://host:1/p\" }
        [load]
        rate = 12.5
        timeout = \"200ms\"
        retries = { count = 2, backoff = \"10ms\" }
        script = \"mine.lua\"
        args = [\"a\"]
        headers = { A = \"b\" }
        [verdict]
        slo = \"1500ms\"
        [phases]
        warmup = \"1s\"
        baseline = \"20s\"";
    let sized = |kind: &str| SMALL.replace("\"link\"", kind);
    let shaped = [
        sized("\"surge\"\nfactor = 2.5"),
        sized("\"link-delay\"\ndelay = \"50ms\""),
        sized("\"link-loss\"\nloss = 0.1"),
        sized("\"link-bandwidth\"\nbandwidth = \"1500B\""),
    ];
    let limit = "kind = \"memory-limit\"\nlimit = \"6.5MiB\"";
    for text in shaped.iter().map(String::as_str).chain([
        DEFAULT,
        SMALL,
        DOCKER,
        &DOCKER.replace("kind = \"disconnect\"", limit),
        &SMALL.replace("[testbed]", "[testbed]\nbudget = \"120.5MiB\""),
        long,
    ]) {
        let plan = parse(text, "x", dir.path(), &Overrides::default()).unwrap();
        assert_eq!(read(&plan.to_toml().unwrap()).unwrap(), plan);
        let sent: ExperimentPlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        assert_eq!(sent, plan);
    }
}

#[test]
fn invalid_settings_are_refused_with_line_and_key() {
    for (from, to, says) in [
        ("rate = 100", "rat = 100", "x.toml:4: load.rat: unknown field `rat`"),
        ("rate = 100", "rat = 100", "Did you mean `rate`?"),
        ("rate = 100", "rate = \"fast\"", "x.toml:4: load.rate: invalid type"),
        ("rate = 100", "rate = 0", "x.toml:4: load.rate: must be between 0.001 and 1000000 requests/s, not 0"),
        ("rate = 100", "rate = nan", "x.toml:4: load.rate: "),
        ("rate = 100", "rate = 1e9", "x.toml:4: load.rate: must be between 0.001 and 1000000"),
        ("rate = 100", "rate = 1e-9", "x.toml:4: load.rate: must be between 0.001 and 1000000"),
        ("rate = 100", "rate = 1e6", "x.toml:4: load.rate: makes 141000000 requests in 141s"),
        ("rate = 100", "rate = 100\nthreads = 0", "x.toml:5: load.threads: "),
        (
            "rate = 100",
            "rate = 100\nheaders = 1979-05-27",
            "x.toml:5: load.headers: a date or a time of day, which no key",
        ),
        ("rate = 100", "rate = 100\nheaders = { A = 07:32:00 }", "x.toml:5: load.headers.A: a date or a time of day"),
        ("\"20s\"", "\"20s\"\nat = 1979-05-27", "x.toml:8: fault.0.at: a date or a time of day"),
        (
            "rate = 100",
            "rate = 100\nheaders = { \"A B\" = \"c\" }",
            "x.toml:5: load.headers: `A B` is not a header name",
        ),
        ("rate = 100", "rate = 100\nheaders = { A = \"b\\nC: d\" }", "x.toml:5: load.headers: `A` has a line break"),
        (
            "rate = 100",
            "rate = 100\nheaders = { a = \"b\", A = \"c\" }",
            "x.toml:5: load.headers: `A` and `a` are the same header",
        ),
        ("rate = 100", "rate = 100\nconnections = 20000", "x.toml:3: load.max-connections: "),
        ("rate = 100", "rate = 100\nslack = \"6ms\"", "x.toml:5: load.slack: must be at most 5ms, not 6ms"),
        ("rate = 100", "rate = 100\non-timeout = \"wait\"", "x.toml:5: load.on-timeout: "),
        (
            "rate = 100",
            "rate = 100\nscript = \"none.lua\"",
            "x.toml:5: load.script: `none.lua` is not a built-in script",
        ),
        ("rate = 100", "rate = 100\nscript = 3", "x.toml:5: load.script: write the name"),
        ("rate = 100", "rate = 2\n[phases]\nbaseline = \"10s\"", "x.toml:6: phases.baseline: must be at least 125s"),
        ("\"20s\"", "\"20 parsecs\"", "x.toml:7: fault.0.for: `20 parsecs` is not a time"),
        ("\"20s\"", "\"0s\"", "x.toml:7: fault.0.for: must be above 0"),
        ("\"20s\"", "\"20s\"\nat = \"9s\"", "x.toml:8: fault.0.at: must be at 10s or later"),
        ("\"link\"", "\"link-\"", "x.toml:6: fault.0.kind: unknown kind `link-`"),
        ("\"20s\"", "\"20s\"\n[[fault]]\nkind = \"link\"\nfor = \"1s\"", "x.toml:8: fault.1.at: overlaps"),
        ("\"20s\"", "\"20s\"\n[phases]\nduration = \"60s\"", "x.toml:9: phases.duration: must be at least 66s"),
        ("\"20s\"", "\"20s\"\n[phases]\nobserve = \"20s\"", "x.toml:9: phases.observe: must be between 30s"),
        ("\"20s\"", "\"20s\"\n[verdict]\nslo = \"0s\"", "x.toml:9: verdict.slo: "),
        ("\"20s\"", "\"20s\"\n[[monitor]]\nkind = \"process\"\ncomponent = \"db\"", "x.toml:10: monitor.0.component: "),
        (
            "\"20s\"",
            "\"20s\"\nfo = \"1s\"",
            "x.toml:8: fault.0.fo: unknown key `fo` of a link-cut fault, expected one of",
        ),
        ("\"20s\"", "\"20s\"\nfo = \"1s\"", "Did you mean `for`?"),
        ("\"link\"", "\"surge\"\nfactor = \"four\"", "x.toml:7: fault.0.factor: invalid type: string \"four\""),
        (
            "\"20s\"",
            "\"20s\"\nfactor = 3",
            "x.toml:8: fault.0.factor: a link-cut fault has no key `factor`: it is a key of `surge`",
        ),
        ("\"link\"", "\"surge\"", "x.toml:6: fault.0.kind: a surge fault needs the key `factor`, such as factor = 4"),
        ("\"link\"", "\"surge\"\nfactor = 1", "x.toml:7: fault.0.factor: must be between 1.1 and 100"),
        (
            "\"link\"\nfor = \"20s\"",
            "\"surge\"\nfactor = 1.2\nfor = \"900ms\"",
            "x.toml:8: fault.0.for: must be at least 1",
        ),
        (
            "rate = 100\n[[fault]]\nkind = \"link\"",
            "rate = 9\n[phases]\nbaseline = \"30s\"\n[[fault]]\nkind = \"surge\"\nfactor = 1.1",
            "x.toml:9: fault.0.factor: adds too few requests at this rate: only 22223ms",
        ),
        (
            "\"link\"",
            "\"link-delay\"",
            "x.toml:6: fault.0.kind: a link-delay fault needs the key `delay`, such as delay = \"50ms\"",
        ),
        ("\"link\"", "\"link-delay\"\ndelay = \"1ms\"", "x.toml:7: fault.0.delay: must be between 10ms and 5s"),
        ("\"link\"", "\"link-loss\"\nloss = 1", "x.toml:7: fault.0.loss: must be between 0.01 and 0.9"),
        ("\"link\"", "\"link-bandwidth\"\nbandwidth = \"1B\"", "x.toml:7: fault.0.bandwidth: must be between 1KiB"),
        (
            "\"20s\"",
            "\"20s\"\n[[fault]]\nkind = \"link-loss\"\nloss = 0.1\nfor = \"1s\"",
            "x.toml:8: fault.1.at: overlaps",
        ),
        ("[testbed]", "[testbed]\nbudget = \"much\"", "x.toml:3: testbed.budget: write a size"),
        ("[testbed]", "[target]\nurl = \"ftp://x/\"", "x.toml:7: fault.0.kind: only the [testbed]"),
        ("[testbed]\n", "", "the file has no [testbed] and no [target]"),
        ("[testbed]", "[target]\nurl = \"http://x/\"\n[testbed]", "x.toml:2: target: conflicts with [testbed]"),
        ("name = \"small\"", "name = \" \"", "x.toml:1: name: "),
        ("name = \"small\"", "name = small", "x.toml:1: "),
    ] {
        assert!(SMALL.contains(from));
        let got = error(&SMALL.replace(from, to));
        assert!(got.contains(says), "{to}: wanted {says}, got {got}");
    }
    let url = "name = \"a\"\n[target]\nurl = \"ftp://x/\"\n[load]\nrate = 1000";
    assert!(error(url).contains("x.toml:3: target.url: invalid URL"), "{}", error(url));
    assert!(
        read_plan(Some(Path::new("/no/such.toml")), &Overrides::default())
            .unwrap_err()
            .to_string()
            .contains("such.toml")
    );
}

/// An experiment on containers.
const DOCKER: &str = "\
name = \"containers\"
[target]
url = \"http://x/\"
engine = \"docker\"
[load]
rate = 100
[[fault]]
kind = \"disconnect\"
container = \"db\"
for = \"20s\"
[[monitor]]
kind = \"container\"
container = \"web\"
";

#[test]
fn invalid_container_settings_are_refused_with_line_and_key() {
    let of = |kind: &str| format!("kind = \"{kind}\"");
    let disconnect = of("disconnect");
    let another =
        |at: &str| format!("\"20s\"\n[[fault]]\nkind = \"pause\"\ncontainer = \"db\"\nat = \"{at}\"\nfor = \"1s\"");
    for (from, to, says) in [
        ("engine = \"docker\"\n", "", "x.toml:8: fault.0.container: the [target] has no engine"),
        (
            "\"docker\"",
            "\"dokcer\"",
            "x.toml:4: target.engine: must be \"docker\" (the engine of your environment) or an address",
        ),
        (
            "container = \"db\"\n",
            "",
            "x.toml:8: fault.0.kind: a disconnect fault needs the key `container`, such as container = ",
        ),
        (
            "container = \"db\"",
            "container = \"db\"\ncpus = 1.0",
            "x.toml:10: fault.0.cpus: a disconnect fault has no key `cpus`: it is a key of `throttle`",
        ),
        (
            &*disconnect,
            &*of("throttle"),
            "x.toml:8: fault.0.kind: a throttle fault needs the key `cpus`, such as cpus = 0.2",
        ),
        (&*disconnect, &*(of("throttle") + "\ncpus = 0.0"), "x.toml:9: fault.0.cpus: must be between 0.01 and"),
        (&*disconnect, &*of("memory-limit"), "x.toml:8: fault.0.kind: a memory-limit fault needs the key `limit`"),
        (&*disconnect, &*(of("memory-limit") + "\nlimit = \"1MiB\""), "x.toml:9: fault.0.limit: must be at least 6"),
        (&*disconnect, &*(of("memory-limit") + "\nlimit = \"lots\""), "x.toml:9: fault.0.limit: write a size"),
        (
            &*disconnect,
            &*(of("pause") + "\nnetwork = \"n\""),
            "x.toml:9: fault.0.network: a pause fault has no key `network`: it is a key of `disconnect`, `blackhole`",
        ),
        (&*disconnect, &*of("link"), "x.toml:9: fault.0.container: a link-cut fault has no key `container`"),
        (&*disconnect, &*of("disconect"), "Did you mean `disconnect`?"),
        ("\"20s\"", &*another("20s"), "x.toml:14: fault.1.at: overlaps an earlier fault on the same container"),
        (
            "container = \"web\"",
            "component = \"web\"",
            "x.toml:12: monitor.0.kind: a container monitor needs the key `container`",
        ),
        ("container = \"web\"", "container = \"web\"\ncomponent = \"x\"", "x.toml:14: monitor.0.component: "),
        (
            "kind = \"container\"",
            "kind = \"process\"",
            "x.toml:13: monitor.0.container: a process monitor has no key `container`. Remove it.",
        ),
        (
            "\"web\"",
            "\"web\"\n[[monitor]]\nkind = \"container\"\ncontainer = \"web\"",
            "monitor.1.container: `web` has a monitor already. Remove one.",
        ),
    ] {
        assert!(DOCKER.contains(from), "{from}");
        let got = error(&DOCKER.replacen(from, to, 1));
        assert!(got.contains(says), "{to}: wanted {says}, got {got}");
    }
    assert!(read(&DOCKER.replace("\"20s\"", &another("40s"))).is_ok());
}

#[test]
fn a_restart_has_no_length_and_every_other_fault_has_one() {
    let of = |kind: &str, length: &str| {
        let text = DOCKER.replace("kind = \"disconnect\"", &format!("kind = \"{kind}\""));
        text.replace("for = \"20s\"\n", length)
    };
    let got = error(&of("restart", "for = \"20s\"\n"));
    insta::assert_snapshot!(got, @r#"x.toml:10: fault.0.for: a restart fault has no length: the container is started again at once, and the fault lasts until it is back. Leave it out, or use kind = "stop" for a container that stays down for a time"#);
    let got = error(&of("kill", ""));
    insta::assert_snapshot!(got, @r#"x.toml:8: fault.0.kind: a kill fault needs the key `for`, such as for = "20s""#);

    let plan = read(&of("restart", "")).unwrap();
    let [fault] = plan.faults() else { panic!() };
    assert_eq!((fault.lasts, fault.when()), (None, "at 15s".to_owned()));
    assert_eq!(plan.phases().observe, Time::from_secs(60));
    assert!(fault.end() > fault.at, "until it is back, nothing else may act on the container");
    let written = plan.to_toml().unwrap();
    assert!(!written.contains("for ="), "{written}");
    assert_eq!(read(&written).unwrap(), plan);

    // The results of an earlier version say what was done then.
    let old: ExperimentPlan = toml::from_str(&of("restart", "for = \"20s\"\n")).unwrap();
    assert_eq!(old.faults()[0].when(), "at 15s for 20s");

    // The flag sets the length of what has one, and is an error where nothing has.
    let outage = Overrides { outage: Some(Time::from_secs(40)), ..Overrides::default() };
    let with = |text: &str| parse(text, "x.toml", Path::new(""), &outage);
    let both = of("restart", "[[fault]]\nkind = \"kill\"\ncontainer = \"cache\"\nfor = \"20s\"\n");
    let lengths: Vec<_> = with(&both).unwrap().faults().iter().map(|fault| fault.lasts).collect();
    assert_eq!(lengths, [None, Some(Time::from_secs(40))]);
    let got = with(&of("restart", "")).unwrap_err().to_string();
    assert!(got.starts_with("--outage: a restart fault has no length"), "{got}");
}

#[test]
fn faults_are_described_with_their_target_and_size() {
    let of = |kind: &str| read(&DOCKER.replace("kind = \"disconnect\"", kind)).unwrap();
    let described = |kind: &str| of(kind).faults()[0].spec.description();
    assert_eq!(described("kind = \"memory-limit\"\nlimit = \"64MiB\""), "memory-limit db of 64.0 MiB");
    assert_eq!(described("kind = \"throttle\"\ncpus = 0.2"), "throttle db to 0.2 CPUs");
    for kind in ["blackhole", "pause", "kill", "stop"] {
        assert_eq!(described(&format!("kind = \"{kind}\"")), format!("{kind} db"));
    }
    let far = DOCKER.replace("\"docker\"", "\"tcp://far:2375\"");
    assert_eq!(read(&far).unwrap().system().engine(), Some(&EngineAddress::Host("tcp://far:2375".to_owned())));
}

#[test]
fn the_experiments_on_containers_are_valid() {
    for (name, faults, monitors) in [("docker", 1, 3), ("social-network", 1, 2)] {
        let file = format!("{}/experiments/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let plan = read_plan(Some(Path::new(&file)), &Overrides::default()).unwrap().plan;
        assert_eq!((plan.name(), plan.faults().len(), plan.monitors().len()), (name, faults, monitors));
        assert_eq!(read(&plan.to_toml().unwrap()).unwrap(), plan);
    }
    let file = format!("{}/experiments/social-network.toml", env!("CARGO_MANIFEST_DIR"));
    let plan = read_plan(Some(Path::new(&file)), &Overrides::default()).unwrap().plan;
    assert_eq!((plan.faults()[0].at, plan.faults()[0].lasts), (second(10), Some(Time::from_secs(20))));
}

#[test]
fn every_shipped_experiment_is_valid() {
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let plan = read_plan(Some(&path), &Overrides::default()).unwrap_or_else(|e| panic!("{e}")).plan;
        assert_eq!(plan.name(), path.file_stem().unwrap().to_str().unwrap(), "{}", path.display());
        assert!(!plan.faults().is_empty());
    }
}

#[test]
fn a_surge_is_part_of_the_planned_rate() {
    let surge = SMALL.replace("\"link\"", "\"surge\"\nfactor = 3");
    let plan = read(&surge).unwrap();
    assert_eq!(plan.load_settings("http://x/").rate.to_string(), "100@15s,300@20s,100");
    assert_eq!(read(&plan.to_toml().unwrap()).unwrap(), plan);
    assert_eq!(plan.rate().at(second(20)), 300.0);
    let both = format!("{surge}[[fault]]\nkind = \"link\"\nfor = \"5s\"\nat = \"16s\"\n");
    assert_eq!(read(&both).unwrap().faults().len(), 2, "a surge is not a fault on the link");
    let none = parse(&surge, "x", Path::new(""), &Overrides { outage: Some(Time::ZERO), ..Overrides::default() });
    assert_eq!(none.unwrap().load_settings("http://x/").rate, 100.0.into());
}

#[test]
fn only_a_timeout_that_abandons_attempts_lengthens_the_observation() {
    let with = |keys: &str| read(&SMALL.replace("rate = 100", &format!("rate = 100\n{keys}"))).unwrap();
    assert_eq!(with("timeout = \"10s\"").phases().observe, Time::from_secs(200));
    let waits = with("timeout = \"10s\"\non-timeout = \"wait\"");
    assert_eq!(waits.phases().observe, Time::from_secs(60));
    assert_eq!(waits.load_settings("http://x/").drain, Time::from_secs(15));
}

proptest! {
    #[test]
    fn a_garbled_file_is_read_or_refused_without_a_panic(
        from in any::<prop::sample::Index>(), cut in 0..9usize, put in "[\\[\\]\"={},.a-z0-9\n-]{0,4}",
    ) {
        let text: Vec<char> = SMALL.chars().collect();
        let from = from.index(text.len());
        let garbled: String = text[..from].iter().copied().chain(put.chars()).chain(text[from..].iter().copied().skip(cut)).collect();
        if let Ok(plan) = read(&garbled) {
            prop_assert_eq!(read(&plan.to_toml().unwrap()).unwrap(), plan);
        }
    }
}

#[test]
fn the_default_baseline_is_longer_at_low_rates() {
    let read = |text: &str| parse_and_adapt(text, "x.toml", Path::new(""), &Overrides::default()).unwrap();
    let usual = read(SMALL);
    assert_eq!((usual.plan.phases().baseline, usual.notes), (Time::from_secs(10), vec![]));
    // Five bins of 50 requests at 2 requests/s.
    let slow = read(&SMALL.replace("rate = 100", "rate = 2"));
    assert_eq!(slow.plan.phases().baseline, Time::from_secs(125));
    assert_eq!(slow.plan.faults()[0].at, Instant::START.plus(Time::from_secs(130)));
    insta::assert_snapshot!(slow.notes.join("\n"), @"at 2 requests/s the baseline lasts 125s instead of 10s: it must hold 5 bins of 50 requests");
    let replayed = read(&slow.plan.to_toml().unwrap());
    assert_eq!((replayed.plan, replayed.notes), (slow.plan, vec![]), "a replay adapts nothing");
}

#[test]
fn a_short_duration_shortens_what_it_can_and_says_so() {
    let read = |text: &str, duration: u64| {
        let overrides = Overrides { duration: Some(Time::from_secs(duration)), ..Overrides::default() };
        parse_and_adapt(text, "x.toml", Path::new(""), &overrides).unwrap()
    };
    let s = Time::from_secs;
    for (duration, warmup, baseline, fault, observe) in [
        (141, 5, 10, 20, 60),
        (111, 5, 10, 20, 30),
        // Less time to watch a recovery.
        (70, 5, 10, 20, 30),
        (66, 5, 6, 20, 30),
        (60, 2, 5, 20, 30),
        (40, 2, 5, 2, 30),
        (39, 2, 5, 1, 30),
    ] {
        let AdaptedPlan { plan, notes } = read(SMALL, duration);
        let phases = plan.phases();
        let got = (phases.warmup, phases.baseline, plan.faults()[0].lasts, phases.observe, phases.duration);
        assert_eq!(got, (s(warmup), s(baseline), Some(s(fault)), s(observe), s(duration)), "{notes:?}");
        assert_eq!(notes.is_empty(), duration >= 70, "{notes:?}");
        // What was resolved replays the run.
        let replayed = parse(&plan.to_toml().unwrap(), "x.toml", Path::new(""), &Overrides::default()).unwrap();
        assert_eq!(replayed, plan);
    }
    insta::assert_snapshot!(read(SMALL, 40).notes.join("\n"), @"--duration 40s leaves less time: warm-up 2s instead of 5s, baseline 5s instead of 10s, fault 2s instead of 20s");
    let no_fault = read(SMALL.split("[[fault]]").next().unwrap(), 8);
    assert_eq!((no_fault.plan.phases().warmup, no_fault.plan.phases().baseline), (s(3), s(5)), "{:?}", no_fault.notes);
}

#[test]
fn a_profile_begins_with_the_rate_and_excludes_surges() {
    let text = |profile: &str, fault: &str| {
        format!("name = \"t\"\n[target]\nurl = \"http://h/\"\n[load]\nrate = 300\nprofile = {profile}\n{fault}")
    };
    let read = |text: &str| parse(text, "x.toml", Path::new(""), &Overrides::default());
    let plan = read(&text("\"300@30s,150..10\"", "")).unwrap();
    assert_eq!(plan.rate().at(Instant::START), 300.0);
    assert_eq!(plan.rate().at(Instant::START.plus(Time::from_secs(30))), 150.0);
    assert_eq!(read(&plan.to_toml().unwrap()).unwrap(), plan);
    let error = |text: &str| read(text).unwrap_err().to_string();
    insta::assert_snapshot!(error(&text("\"200@30s,150\"", "")));
    insta::assert_snapshot!(error(&text("\"300@30s,150\"", "[[fault]]\nkind = \"surge\"\nfactor = 2\nfor = \"5s\"\n")));
    insta::assert_snapshot!(error(&text("\"300@30h,150\"", "")));
}
