//! The load generators, and how each is started for the same load.

use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

/// A load generator.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its name in the tables.
    pub name: &'static str,
    pub program: OsString,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Blocking calls in a loop: this program itself.
    Floor,
    /// The same with one epoll for all connections.
    Loop,
    /// Like the first, but it sleeps until the response arrives.
    Sleeping,
    /// metawrk's wrk2.
    Ours,
    /// The same with `--record`.
    Recording,
    /// The same with `--spin`.
    Spinning,
    /// The same with `--slack`.
    Slack(&'static str),
    Wrk2,
    Wrk,
    Oha,
    Hey,
    H2load,
}

impl Peer {
    /// metawrk's wrk2, the floors, and the programs that the environment names.
    pub fn all() -> Vec<Peer> {
        let ours = OsString::from(env!("CARGO_BIN_EXE_wrk2"));
        let itself = std::env::current_exe().expect("a path").into_os_string();
        let peer = |name, program: &OsString, kind| Peer { name, program: program.clone(), kind };
        let mut all = vec![
            peer("floor", &itself, Kind::Floor),
            peer("floor, epoll", &itself, Kind::Loop),
            peer("floor, asleep", &itself, Kind::Sleeping),
            peer("ours", &ours, Kind::Ours),
            peer("ours, --record", &ours, Kind::Recording),
            peer("ours, --spin", &ours, Kind::Spinning),
            peer("slack 200us", &ours, Kind::Slack("200us")),
            peer("slack 1ms", &ours, Kind::Slack("1ms")),
        ];
        let named = [
            ("WRK2", "wrk2", Kind::Wrk2),
            ("WRK", "wrk", Kind::Wrk),
            ("OHA", "oha", Kind::Oha),
            ("HEY", "hey", Kind::Hey),
            ("H2LOAD", "h2load", Kind::H2load),
        ];
        for (variable, name, kind) in named {
            all.extend(std::env::var_os(variable).map(|program| peer(name, &program, kind)));
        }
        all
    }

    pub fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Ours | Kind::Recording | Kind::Spinning | Kind::Slack(_))
    }

    /// A load generator in its usual mode, not one of the floors or of the variants.
    pub fn is_plain(&self) -> bool {
        let is_floor = matches!(self.kind, Kind::Floor | Kind::Loop | Kind::Sleeping);
        !is_floor && (!self.is_ours() || self.kind == Kind::Ours) && self.kind != Kind::H2load
    }

    /// It is measured at full speed. How a thread waits matters only at a constant rate.
    pub fn runs_at_full_speed(&self) -> bool {
        !matches!(self.kind, Kind::Sleeping | Kind::Spinning | Kind::Slack(_) | Kind::H2load)
    }

    /// It can send at a constant rate.
    pub fn paces(&self) -> bool {
        !matches!(self.kind, Kind::Loop | Kind::Wrk | Kind::H2load)
    }

    /// The command for full speed. A generator with a constant rate gets `rate`, an argument like `-R150000`, which is more
    /// than a core can send.
    pub fn at_full_speed(&self, url: &str, connections: usize, rate: &str, time: Duration) -> Command {
        let mut command = Command::new(&self.program);
        let (c, seconds) = (connections.to_string(), time.as_secs().to_string());
        match self.kind {
            Kind::Floor => command.args(["floor", url, &c, &seconds]),
            Kind::Loop => command.args(["loop", url, &c, &seconds]),
            Kind::Oha => command.args(["--no-tui", "-c", &c, "-z", &format!("{seconds}s"), url]),
            Kind::Hey => command.args(["-c", &c, "-z", &format!("{seconds}s"), url]),
            Kind::Wrk => command.args(["-t1", &format!("-c{c}"), &format!("-d{seconds}s"), url]),
            _ => return self.paced(url, connections, rate, time),
        };
        command
    }

    /// The command for a constant rate. `rate` is an argument like `-R2000`.
    pub fn paced(&self, url: &str, connections: usize, rate: &str, time: Duration) -> Command {
        let mut command = Command::new(&self.program);
        let (c, d) = (connections.to_string(), format!("{}s", time.as_secs()));
        let number: u64 = rate.trim_start_matches("-R").parse().unwrap_or(1);
        match self.kind {
            Kind::Floor | Kind::Sleeping => {
                let mode = if self.kind == Kind::Floor { "spin" } else { "sleep" };
                command.args([mode, url, &c, &number.to_string(), &time.as_secs().to_string()])
            }
            Kind::Oha => {
                command.args(["--no-tui", "-c", &c, "-z", &d, "-q", &number.to_string(), "--latency-correction", url])
            }
            // Its rate is per connection.
            Kind::Hey => {
                let each = (number as f64 / connections as f64).to_string();
                command.args(["-c", &c, "-z", &d, "-q", &each, url])
            }
            Kind::Wrk => command.args(["-t1", &format!("-c{c}"), &format!("-d{d}"), "--latency", url]),
            kind => {
                match kind {
                    Kind::Recording => command.args(["--record", "/dev/shm/versus.parquet"]),
                    Kind::Spinning => command.arg("--spin"),
                    Kind::Slack(time) => command.args(["--slack", time]),
                    _ => &mut command,
                };
                command.args(["-t1", &format!("-c{c}"), &format!("-d{d}"), "-L", rate, url])
            }
        };
        command
    }

    /// The command for full speed over HTTP/2, with `streams` requests at a time on each connection.
    pub fn over_http2(&self, url: &str, connections: usize, streams: usize, rate: &str, time: Duration) -> Command {
        let (c, m, seconds) = (connections.to_string(), streams.to_string(), time.as_secs().to_string());
        if self.kind == Kind::H2load {
            let mut command = Command::new(&self.program);
            command.args(["-t1", "-c", &c, "-m", &m, "-D", &seconds, url]);
            return command;
        }
        let mut command = self.paced(url, connections, rate, time);
        command.args(["--http2", "--streams", &m]);
        command
    }

    /// The number of answers in its output.
    pub fn answers(&self, text: &str) -> Option<f64> {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        text.lines().map(words).find_map(|words| match self.kind {
            // `requests: 274820 total, 274870 started, 274820 done, 274820 succeeded, ...`
            Kind::H2load if words.first()? == "requests:" => words.get(5)?.parse().ok(),
            // `  274820 requests in 3.00s, 41.93MB read`
            Kind::H2load => None,
            _ if words.get(1)? == "requests" => words[0].parse().ok(),
            _ => None,
        })
    }

    /// The median latency in its output.
    pub fn median(&self, text: &str) -> Option<Duration> {
        let line = |begin: &str| text.lines().map(str::trim).find_map(|line| line.strip_prefix(begin)).map(str::trim);
        match self.kind {
            Kind::Floor | Kind::Sleeping => duration(line("median")?),
            Kind::Oha => duration(&line("50.00% in")?.replace(" secs", "s").replace(' ', "")),
            Kind::Hey => duration(&line("50% in")?.replace(" secs", "s").replace(' ', "")),
            Kind::Wrk => duration(line("50%")?),
            _ => duration(line("50.000%")?),
        }
    }
}

/// `57.00us`, `0.88ms`, `0.0009s`
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" | "secs" | "sec" => 1.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * scale))
}
