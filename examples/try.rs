use metawrk::load::*;
use metawrk::record::*;
use metawrk::units::Time;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let g = |k: &str, d: &str| a.iter().position(|x| x == k).map(|i| a[i + 1].clone()).unwrap_or(d.into());
    let mut s = LoadSettings {
        url: g("-u", "http://127.0.0.1:8000/"),
        threads: g("-t", "1").parse().unwrap(),
        connections: g("-c", "50").parse().unwrap(),
        duration: g("-d", "5s").parse().unwrap(),
        rate: metawrk::units::parse_number(&g("-R", "1000")).unwrap(),
        arrivals: Default::default(),
        seed: 1,
        script: None,
        args: vec![],
        headers: vec![],
        when_busy: if g("-b", "wait") == "open" { plan::WhenBusy::Open } else { plan::WhenBusy::Wait },
        max_connections: 10000,
        catch_up: 2.0,
        timeout: Time::from_secs(2),
        on_timeout: Default::default(),
        retries: Default::default(),
        drain: Time::from_secs(2),
        warmup: Time::ZERO,
        ahead: true,
    };
    let f = g("-s", "");
    if f == "compose-post" {
        s.script = metawrk::script::Script::built_in("compose-post");
    } else if !f.is_empty() {
        s.script = Some(metawrk::script::Script { text: std::fs::read_to_string(&f).unwrap(), name: f });
    }
    if g("-D", "fixed") == "exp" {
        s.arrivals = metawrk::arrivals::Process::Exp;
    }
    let plan = LoadPlan::new(s).unwrap();
    struct W(std::fs::File);
    impl tape::Keep for W {
        fn keep(&mut self, b: &[RequestRecord]) -> std::io::Result<()> {
            use std::io::Write;
            self.0.write_all(bytemuck::cast_slice(b))
        }
    }
    let rec = (g("-o", "") != "")
        .then(|| tape::Recorder::start(vec![Box::new(W(std::fs::File::create(g("-o", "")).unwrap()))]).unwrap());
    let p = match Prepared::new(plan, rec.as_ref()) {
        Ok(p) => p,
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1)
        }
    };
    let r = p.start(Clock::starting_in(Time::from_millis(1)));
    let l = r.finish().unwrap();
    if let Some(r) = rec {
        r.finish().unwrap();
    }
    let a = l.account();
    let h = l.latencies();
    println!("{a:?} balances {}", a.balances());
    println!(
        "in time {} cpu/request {:.2} us  lag p50 {} p99 {} max {} ns  resp p50 {} p99 {} max {} us  service p50 {}",
        l.threads.iter().map(|t| t.in_time.0).sum::<u64>(),
        l.generator().cpu_ns as f64 / 1e3 / a.attempts as f64,
        h.send_lag.value_at_quantile(0.5),
        h.send_lag.value_at_quantile(0.99),
        h.send_lag.max(),
        h.response.value_at_quantile(0.5),
        h.response.value_at_quantile(0.99),
        h.response.max(),
        h.service.value_at_quantile(0.5)
    );
    println!("{:?} {:?}", l.generator(), l.failure());
}
