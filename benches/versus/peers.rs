//! Load generators, and how each is asked for the same.

use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

/// Who makes load.
#[derive(Clone, Debug)]
pub struct Peer {
    /// As the tables call it.
    pub name: &'static str,
    pub program: OsString,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Blocking calls in a loop: this very program.
    Floor,
    /// The same for all connections at once, by an epoll.
    Loop,
    /// The first, asleep until an answer comes.
    Asleep,
    Ours,
    /// Ours with each request written down.
    Recording,
    /// Ours, never asleep.
    Spinning,
    Wrk2,
    Wrk,
    Oha,
    Hey,
}

impl Peer {
    /// Ours, and those that the environment names.
    pub fn all() -> Vec<Peer> {
        let ours = OsString::from(env!("CARGO_BIN_EXE_wrk2"));
        let itself = std::env::current_exe().expect("a path").into_os_string();
        let peer = |name, program: &OsString, kind| Peer { name, program: program.clone(), kind };
        let mut all = vec![
            peer("floor", &itself, Kind::Floor),
            peer("floor, epoll", &itself, Kind::Loop),
            peer("floor, asleep", &itself, Kind::Asleep),
            peer("ours", &ours, Kind::Ours),
            peer("ours, --record", &ours, Kind::Recording),
            peer("ours, --spin", &ours, Kind::Spinning),
        ];
        let named = [
            ("WRK2", "wrk2", Kind::Wrk2),
            ("WRK", "wrk", Kind::Wrk),
            ("OHA", "oha", Kind::Oha),
            ("HEY", "hey", Kind::Hey),
        ];
        for (variable, name, kind) in named {
            all.extend(std::env::var_os(variable).map(|program| peer(name, &program, kind)));
        }
        all
    }

    pub fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Ours | Kind::Recording | Kind::Spinning)
    }

    /// A load generator as its users start it, in no special manner.
    pub fn is_plain(&self) -> bool {
        !matches!(self.kind, Kind::Floor | Kind::Loop | Kind::Asleep | Kind::Recording | Kind::Spinning)
    }

    /// Never idle, it has no occasion to sleep or to spin: those two are measured at a constant rate only.
    pub fn runs_at_full_speed(&self) -> bool {
        !matches!(self.kind, Kind::Asleep | Kind::Spinning)
    }

    /// It has a constant rate.
    pub fn paces(&self) -> bool {
        !matches!(self.kind, Kind::Loop | Kind::Wrk)
    }

    /// As many requests as one core makes. Who has a constant rate has `more` than that, as an argument: `-R150000`.
    pub fn at_full_speed(&self, url: &str, connections: usize, more: &str, time: Duration) -> Command {
        let mut command = Command::new(&self.program);
        let (c, seconds) = (connections.to_string(), time.as_secs().to_string());
        match self.kind {
            Kind::Floor => command.args(["floor", url, &c, &seconds]),
            Kind::Loop => command.args(["loop", url, &c, &seconds]),
            Kind::Oha => command.args(["--no-tui", "-c", &c, "-z", &format!("{seconds}s"), url]),
            Kind::Hey => command.args(["-c", &c, "-z", &format!("{seconds}s"), url]),
            Kind::Wrk => command.args(["-t1", &format!("-c{c}"), &format!("-d{seconds}s"), url]),
            _ => return self.paced(url, connections, more, time),
        };
        command
    }

    /// A constant rate, as an argument: `-R2000`.
    pub fn paced(&self, url: &str, connections: usize, rate: &str, time: Duration) -> Command {
        let mut command = Command::new(&self.program);
        let (c, d) = (connections.to_string(), format!("{}s", time.as_secs()));
        let number: u64 = rate.trim_start_matches("-R").parse().unwrap_or(1);
        match self.kind {
            Kind::Floor | Kind::Asleep => {
                let how = if self.kind == Kind::Floor { "awake" } else { "asleep" };
                command.args([how, url, &c, &number.to_string(), &time.as_secs().to_string()])
            }
            Kind::Oha => {
                command.args(["--no-tui", "-c", &c, "-z", &d, "-q", &number.to_string(), "--latency-correction", url])
            }
            // Its rate is that of each worker.
            Kind::Hey => {
                let each = (number as f64 / connections as f64).to_string();
                command.args(["-c", &c, "-z", &d, "-q", &each, url])
            }
            Kind::Wrk => command.args(["-t1", &format!("-c{c}"), &format!("-d{d}"), "--latency", url]),
            kind => {
                match kind {
                    Kind::Recording => command.args(["--record", "/dev/shm/versus.parquet"]),
                    Kind::Spinning => command.arg("--spin"),
                    _ => &mut command,
                };
                command.args(["-t1", &format!("-c{c}"), &format!("-d{d}"), "-L", rate, url])
            }
        };
        command
    }

    /// The median latency that its text tells.
    pub fn median(&self, text: &str) -> Option<Duration> {
        let line = |begin: &str| text.lines().map(str::trim).find_map(|line| line.strip_prefix(begin)).map(str::trim);
        match self.kind {
            Kind::Floor | Kind::Asleep => duration(line("median")?),
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
