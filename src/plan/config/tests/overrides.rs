//! Flags that change the settings of an experiment file.

use super::*;

#[test]
fn flags_change_settings_and_are_named_in_errors() {
    let with = |overrides: Overrides| parse(SMALL, "x.toml", Path::new(""), &overrides);
    let plan = with(Overrides {
        name: Some("n".into()),
        rate: Some(200.0),
        connections: Some(20_000),
        seed: Some(9),
        outage: Some(Time::from_secs(40)),
        ..Overrides::default()
    })
    .unwrap();
    let load = plan.load_settings("http://x/");
    assert_eq!((load.rate, load.connections, load.max_connections, load.seed), (200.0.into(), 20_000, 20_000, 9));
    assert_eq!((plan.name(), plan.phases().observe), ("n", Time::from_secs(120)), "H = 3 x outage");

    let no_fault = with(Overrides { outage: Some(Time::ZERO), ..Overrides::default() }).unwrap();
    assert!(no_fault.faults().is_empty());
    assert_eq!(no_fault.phases().duration, Time::from_secs(75));

    let short = with(Overrides { duration: Some(Time::from_secs(120)), ..Overrides::default() }).unwrap();
    assert_eq!((short.phases().duration, short.phases().observe), (Time::from_secs(120), Time::from_secs(39)));

    for (overrides, says) in [
        (Overrides { rate: Some(-1.0), ..Overrides::default() }, "--rate: must be between 0.001 and 1000000"),
        (Overrides { duration: Some(Time::from_secs(38)), ..Overrides::default() }, "--duration: must be at least 39s"),
        (
            Overrides {
                duration: Some(Time::from_secs(40)),
                outage: Some(Time::from_secs(20)),
                ..Overrides::default()
            },
            "--duration: must be at least 58s",
        ),
        (Overrides { outage: Some(Time::from_secs(90_000)), ..Overrides::default() }, "--outage: "),
        (
            Overrides { connections: Some(0), ..Overrides::default() },
            "--connections: must be at least threads (1), not 0",
        ),
        (Overrides { name: Some(String::new()), ..Overrides::default() }, "--name: "),
    ] {
        let got = with(overrides).unwrap_err().to_string();
        assert!(got.starts_with(says), "{got}");
    }
}

#[test]
fn url_slo_and_profile_replace_those_of_the_file() {
    let parsed = |text: &str, overrides: &Overrides| parse(text, "x.toml", Path::new(""), overrides);
    let overrides = Overrides {
        url: Some("http://other:81/".into()),
        slo: Some(Time::from_millis(200)),
        profile: Some("50..300@1m,100".parse().unwrap()),
        ..Overrides::default()
    };
    let plan = parsed(DOCKER, &overrides).unwrap();
    let System::Target { url, engine } = plan.system() else { panic!() };
    assert_eq!((url.as_str(), engine.clone()), ("http://other:81/", Some(EngineAddress::Environment)));
    assert_eq!((plan.slo(), plan.load().rate), (Some(Time::from_millis(200)), 50.0));
    assert_eq!(plan.load_settings("http://x/").rate.to_string(), "50..300@60s,100");
    assert_eq!(read(&plan.to_toml().unwrap()).unwrap(), plan);
    let url = |url: &str| Overrides { url: Some(url.into()), ..Overrides::default() };
    let profile = |text: &str| Overrides { profile: Some(text.parse().unwrap()), ..Overrides::default() };
    let no_slo = Overrides { slo: Some(Time::ZERO), ..Overrides::default() };
    for (text, overrides, says) in [
        (DOCKER, url("ftp://x/"), "--url: "),
        (
            SMALL,
            url("http://x/"),
            "--url: x.toml starts a testbed. Give a file with a [target]: `metawrk init --url URL`",
        ),
        (DOCKER, no_slo, "--slo: must be above 0"),
        (DOCKER, profile("0.0001..9@1m"), "--profile: must be between 0.001 and 1000000 requests/s, not 0.0001"),
        (DOCKER, profile("90@2h,100"), "--profile: the rate `100` begins at "),
    ] {
        let got = parsed(text, &overrides).unwrap_err().to_string();
        assert!(got.starts_with(says), "{got}");
    }
}
