use clap::Parser;

use super::*;
use crate::arrivals::ArrivalProcess;
use crate::load::plan::{OnTimeout, Retries, Spin};

#[derive(Debug, Parser)]
#[command(name = "wrk2")]
struct Program {
    #[command(flatten)]
    args: Args,
}

fn plans(line: &str) -> anyhow::Result<Vec<LoadPlan>> {
    let args = Program::try_parse_from(std::iter::once("wrk2").chain(line.split_whitespace()))?.args;
    args.plans(|path| Ok(Script { name: path.display().to_string(), text: ByteText::default() }))
}

fn plan(line: &str) -> LoadPlan {
    let mut plans = plans(line).unwrap();
    assert_eq!(plans.len(), 1, "{line}");
    plans.remove(0)
}

fn refusal(line: &str) -> String {
    plans(line).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_those_of_wrk2() {
    let expected = LoadSettings::new("http://h/", 100.0);
    assert_eq!(plan("-R100 http://h/"), LoadPlan::new(expected).unwrap());
}

#[test]
fn options_of_wrk2_may_be_attached_abbreviated_repeated_or_follow_the_url() {
    let expected = plan("-t 3 -c 2k -d 2m -s f.lua -H A:b -T 5 -B -R 2k -D exp -L -U -P -p -S -r http://h/");
    assert_eq!((expected.threads, expected.connections, expected.rate.clone()), (3, 2000, 2000.0.into()));
    assert_eq!((expected.duration, expected.timeout), (Time::from_secs(120), Time::from_secs(5)));
    assert_eq!((expected.arrivals, expected.batch_latency), (ArrivalProcess::Exp, true));
    assert_eq!(expected.headers, [("A".to_owned(), "b".into())]);
    for line in [
        "-t3 -c2000 -d120 -sf.lua -HA:b -T5s -BR2000 -Dexp http://h/",
        "http://h/ -t3 -c2k -d2m -s f.lua -H A:b -T5 -B -R2k -D exp -LUPpSr",
        "--threads 3 --connections 2k --duration 2m --script f.lua --header A:b --timeout 5s --batch_latency --rate 2k \
         --dist exp --latency --u_latency --separate --requests http://h/",
        "--threads=3 --connections=2k --duration=120s --script=f.lua --header=A:b --timeout=5s --rate=2k --dist=exp \
         --batch_latency -- http://h/",
        "--thr 3 --conn 2k --dur 2m --scr f.lua --head A:b --time 5 --batch --rat 2k --dist exp --lat --u_l http://h/",
        "-t9 -R1 -t3 -c2k -d2m -s f.lua -H A:b -T5 -B -R2k -D fixed -D exp http://h/",
    ] {
        assert_eq!(plan(line), expected, "{line}");
    }
}

#[test]
fn positionals_without_a_scheme_and_those_after_dashes_go_to_the_script() {
    let assert_split = |line: &str, urls: &[&str], args: &[&str]| {
        let plans = plans(line).unwrap();
        assert_eq!(plans.iter().map(|plan| plan.url.as_str()).collect::<Vec<_>>(), urls, "{line}");
        let args: Vec<ByteText> = args.iter().map(|&arg| arg.into()).collect();
        assert!(plans.iter().all(|plan| plan.args == args), "{line}: {:?}", plans[0].args);
    };
    assert_split("-R1 http://a/ one -t1 two", &["http://a/"], &["one", "two"]);
    assert_split("-R1 http://a/ -- --one -t1 http://b/", &["http://a/"], &["--one", "-t1", "http://b/"]);
    assert_split("-R1 -- http://a/ --one http://b/", &["http://a/"], &["--one", "http://b/"]);
    assert_split(
        "-R1 http://a/ http://b/ one key=http://c/ -- two",
        &["http://a/", "http://b/"],
        &["one", "key=http://c/", "two"],
    );
    assert!(refusal("-R1 one http://a/").starts_with("invalid URL: one ("));
    assert!(refusal("-R1 http://a/ ftp://b/").starts_with("invalid URL: ftp://b/ ("));
    assert!(refusal("-R1").contains("<URL>"));
}

#[test]
fn each_url_has_its_own_plan() {
    let plans = plans("-R100 -t2 -c4 http://a/ http://b/ http://c/").unwrap();
    for (index, plan) in plans.iter().enumerate() {
        assert_eq!((plan.rate.clone(), plan.threads, plan.connections), (100.0.into(), 2, 4));
        assert_eq!(plan.part, SchedulePart { index: index as u16, of: 3 });
    }
}

#[test]
fn further_options_set_the_plan() {
    let p = plan(
        "-R1 -d1m --when-busy open --max-connections 50 --warmup 0s --on-timeout abandon --retries 2@100ms --seed 7 --spin \
         --no-ahead http://h/",
    );
    assert_eq!((p.when_busy, p.max_connections, p.warmup), (WhenBusy::Open, 50, Time::ZERO));
    assert_eq!((p.on_timeout, p.retries), (OnTimeout::Abandon, Retries { count: 2, backoff: Time::from_millis(100) }));
    assert_eq!((p.seed, p.spin, p.ahead, p.http2), (7, Spin::Always, false, false));
    let p = plan("-R1 --http2 --streams 5 --cacert ca.pem https://h/");
    assert_eq!((p.http2, p.streams, p.tls.verify), (true, 5, true));
    let p = plan("-R1 --catch-up 3 --retries 1 http://h/");
    assert_eq!((p.catch_up, p.retries.count, p.retries.backoff), (Some(3.0), 1, Time::ZERO));
    assert_eq!(plan("-R1 --slack 200us http://h/").slack, Time(200_000));
    assert_eq!(plan("-R1 -c20k http://h/").max_connections, 20_000);
}

#[test]
fn the_drain_is_2_s_or_the_timeout_if_that_is_shorter() {
    for (line, ms) in [("", 2000), ("-T20s", 2000), ("-T500ms", 500), ("-T500ms --drain 5s", 5000), ("--drain 0s", 0)] {
        assert_eq!(plan(&format!("-R1 {line} http://h/")).drain, Time::from_millis(ms), "{line}");
    }
}

#[test]
fn arguments_may_be_any_bytes() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let parsed = |words: &[&[u8]]| {
        let words = [&b"wrk2"[..], b"-R1"].into_iter().chain(words.iter().copied());
        let args = Program::try_parse_from(words.map(|word| OsString::from_vec(word.to_vec()))).unwrap().args;
        args.plans(|path| Ok(Script { name: path.display().to_string(), text: ByteText::default() }))
    };
    let plan = parsed(&[b"-HX: \xe9 ", b"-s\xe9.lua", b"http://h/", b"caf\xe9"]).unwrap().remove(0);
    assert_eq!(plan.headers, [("X".to_owned(), b"\xe9".to_vec().into())]);
    assert_eq!(plan.args, [b"caf\xe9".to_vec().into()]);
    for (words, message) in [
        ([&b"http://h/\xe9"[..], b"-d1"], "invalid URL: http://h/\u{fffd} (it is not UTF-8). Write such bytes as %XX."),
        ([b"-HX: a\r\nY: b", b"http://h/"], "invalid header `X: a\\r\\nY: b`. Write -H \"Name: value\"."),
    ] {
        assert_eq!(parsed(&words).unwrap_err().to_string(), message);
    }
}

#[test]
fn the_default_warm_up_is_10_s_if_the_load_is_longer() {
    for (line, seconds) in [("-d10s", 0), ("-d11s", 10), ("-d11s --warmup 0s", 0), ("-d3s --warmup 2s", 2)] {
        assert_eq!(plan(&format!("-R1 {line} http://h/")).warmup, Time::from_secs(seconds), "{line}");
    }
}

#[test]
fn invalid_or_conflicting_options_are_refused_with_the_reason() {
    for (line, message) in [
        ("--max-connections 50", "--max-connections applies only to --when-busy open"),
        ("--when-busy open --max-connections 5", "--max-connections must be at least --connections, not 5"),
        ("--when-busy open --catch-up 3", "--catch-up applies only to --when-busy wait"),
        ("--catch-up 0.5", "--catch-up must be between 1 and"),
        ("--slack 6ms", "--slack must be at most 5ms, not 6ms"),
        ("--slack 1ms --spin", "--slack cannot be combined with --spin: "),
        ("--streams 5", "add --http2"),
        ("--http2 --when-busy pipeline", "--http2 cannot be combined with --when-busy: "),
        ("--http2 -B", "--batch_latency cannot be combined with --http2: "),
        (
            "--when-busy pipeline --on-timeout abandon",
            "--on-timeout abandon cannot be combined with --when-busy pipeline: ",
        ),
        ("--verify", "--verify needs an https URL: "),
        ("--cacert ca.pem", "--cacert needs an https URL: "),
        ("--json a --hgrm a", "cannot write to the same file"),
        ("--retries two", "`two` is not a number of retries"),
        ("--retries 2@", "`2@` is not a number of retries"),
        ("--retries 101", "--retries must be at most 100, not 101"),
        ("--warmup 11s", "--warmup must be no longer than the duration"),
        ("--dist poisson", "[possible values: fixed, exp"),
        ("--seed -1", "unexpected argument '-1'"),
    ] {
        let refusal = refusal(&format!("-R1 {line} http://h/"));
        assert!(refusal.contains(message), "{line}: {refusal}");
    }
    plan("-R1 --seed 5 http://h/");
}
