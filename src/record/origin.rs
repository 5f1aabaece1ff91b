//! Where results come from, for those who want to repeat a run.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::procfs;

/// What made the results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOrigin {
    /// The version of the program.
    #[serde(default)]
    pub version: String,
    /// The command line: the program and its arguments, without secret headers. Empty if an earlier version
    /// wrote the results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The machine. `None` if an earlier version wrote the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
}

/// The machine that ran the command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its host name.
    pub name: String,
    /// The system, its version and the architecture, such as `Linux 6.12.9 x86_64`.
    pub system: String,
    /// The model of the processor. Empty if the system does not say.
    pub cpu: String,
    /// How many cores the program may use.
    pub cores: u64,
    /// Its memory.
    pub memory_bytes: u64,
}

impl RunOrigin {
    /// The origin of results of this process.
    pub fn of_this_process() -> RunOrigin {
        let command = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
        RunOrigin {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: hide_secrets(command),
            host: Some(Host::read()),
        }
    }

    /// The command line as a shell takes it. The program has no folder.
    pub fn command_text(&self) -> String {
        let name = |program: &str| program.rsplit('/').next().unwrap_or_default().to_owned();
        let words = self.command.iter().enumerate().map(|(i, word)| if i == 0 { name(word) } else { quote(word) });
        words.collect::<Vec<_>>().join(" ")
    }
}

impl Host {
    /// This machine.
    pub fn read() -> Host {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let kernel = |name: &str| read(&format!("/proc/sys/kernel/{name}")).trim().to_owned();
        Host {
            name: kernel("hostname"),
            system: format!("{} {} {}", kernel("ostype"), kernel("osrelease"), std::env::consts::ARCH),
            cpu: cpu_model(&read("/proc/cpuinfo")).unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
            memory_bytes: procfs::status_bytes(&read("/proc/meminfo"), "MemTotal").unwrap_or_default(),
        }
    }

    /// `name: Linux 6.12.9 x86_64, 2 cores of AMD EPYC 7B13, 24 GiB`
    pub fn describe(&self) -> String {
        let Host { name, system, cpu, cores, memory_bytes } = self;
        let of_cpu = if cpu.is_empty() { String::new() } else { format!(" of {cpu}") };
        let plural = if *cores == 1 { "" } else { "s" };
        let gib = *memory_bytes as f64 / f64::from(1 << 30);
        format!("{name}: {system}, {cores} core{plural}{of_cpu}, {gib:.1} GiB")
    }
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.trim_start().strip_prefix(':'));
    model.map(|model| model.trim().to_owned())
}

/// Parts of the names of headers whose values are secret.
const SECRET: [&str; 5] = ["auth", "cookie", "key", "secret", "token"];

/// Replaces the values of secret headers on a command line: results are shown to others.
fn hide_secrets(mut command: Vec<String>) -> Vec<String> {
    let mut follows = false;
    for word in command.iter_mut().skip(1) {
        let is_option = matches!(word.as_str(), "-H" | "--header");
        let attached = ["--header=", "-H"].into_iter().find(|option| word.starts_with(option));
        let at = if follows { Some(0) } else { attached.map(str::len) };
        if let Some((name, _)) =
            at.and_then(|at| word[at..].split_once(':').map(|(name, value)| (at + name.len(), value)))
            && SECRET.iter().any(|part| word[..name].to_ascii_lowercase().contains(part))
        {
            word.replace_range(name.., ": ...");
        }
        follows = is_option && !follows;
    }
    command
}

/// A word as a shell takes it.
fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(words: &[&str]) -> RunOrigin {
        let command = words.iter().map(|&word| word.to_owned()).collect();
        RunOrigin { command: hide_secrets(command), ..RunOrigin::default() }
    }

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let origin = origin(&["/usr/bin/wrk2", "-R100", "--fail-if", "p99>50ms", "it's", ""]);
        assert_eq!(origin.command_text(), r"wrk2 -R100 --fail-if 'p99>50ms' 'it'\''s' ''");
    }

    #[test]
    fn secret_headers_are_left_out() {
        let words =
            ["wrk2", "-H", "Authorization: Bearer x", "-HCookie: a=b", "--header=X-Api-Key:1", "-H", "Accept: */*"];
        let hidden =
            ["wrk2", "-H", "Authorization: ...", "-HCookie: ...", "--header=X-Api-Key: ...", "-H", "Accept: */*"];
        assert_eq!(origin(&words).command, hidden);
    }

    #[test]
    fn this_machine_has_a_description() {
        let host = Host::read();
        assert!(host.cores > 0 && host.memory_bytes > 1 << 20 && host.system.starts_with("Linux "), "{host:?}");
        let host =
            Host { name: "a".into(), system: "Linux 6.1.0 x86_64".into(), cores: 1, memory_bytes: 3 << 29, ..host };
        assert_eq!(Host { cpu: String::new(), ..host.clone() }.describe(), "a: Linux 6.1.0 x86_64, 1 core, 1.5 GiB");
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: AMD EPYC\n").as_deref(), Some("AMD EPYC"));
    }
}
