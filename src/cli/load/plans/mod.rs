//! What a command line comes to: a plan for each URL, or the reason why there is none. Touches nothing outside.

use std::path::PathBuf;

use anyhow::{anyhow, bail};

use super::args::Args;
use crate::load::plan::{LoadPlan, LoadSettings, SchedulePart, TlsSettings, WhenBusy};
use crate::load::write_options;
use crate::script::Script;
use crate::units::Time;

/// wrk2 leaves its first 10 s, in which it calibrates, out of the histograms of runs that are longer.
const WARMUP: Time = Time::from_secs(10);

impl Args {
    /// A plan for each URL, in their order; `read` gets a script.
    ///
    /// # Errors
    /// Where no load can be made so, with the reason.
    pub fn plans(&self, read: impl FnOnce(&str) -> anyhow::Result<Script>) -> anyhow::Result<Vec<LoadPlan>> {
        let (urls, args) = self.positionals();
        if let Some((_, why)) = self.contradictions().into_iter().find(|(given, _)| *given) {
            bail!(why);
        }
        let Some(rate) = self.wrk2.rate.clone() else {
            bail!("Throughput MUST be specified with the --rate or -R option");
        };
        let headers = self.wrk2.header.iter().map(|text| parse_header(text)).collect::<anyhow::Result<_>>()?;
        let Args { wrk2, sending, failing, speaking, .. } = self;
        let defaults = LoadSettings::new("", rate);
        let all = LoadSettings {
            threads: wrk2.threads,
            connections: wrk2.connections,
            duration: wrk2.duration,
            arrivals: self.dsb.dist.unwrap_or_default(),
            seed: sending.seed,
            script: wrk2.script.as_deref().map(read).transpose()?,
            args,
            headers,
            when_busy: sending.when_busy,
            max_connections: sending.max_connections.unwrap_or(defaults.max_connections.max(wrk2.connections)),
            catch_up: sending.catch_up.unwrap_or(defaults.catch_up),
            timeout: wrk2.timeout,
            on_timeout: failing.on_timeout,
            retries: failing.retries.unwrap_or_default(),
            drain: wrk2.timeout,
            warmup: sending.warmup.unwrap_or(if wrk2.duration > WARMUP { WARMUP } else { Time::ZERO }),
            ahead: !sending.no_ahead,
            batch_latency: wrk2.batch_latency,
            spin: sending.spin,
            tls: TlsSettings {
                verify: speaking.verify || speaking.cacert.is_some(),
                authorities: speaking.cacert.clone(),
            },
            streams: speaking.streams.unwrap_or(defaults.streams),
            http2: speaking.http2,
            ..defaults
        };
        let Ok(of) = u16::try_from(urls.len()) else { bail!("{} URLs are too many: at most 65535", urls.len()) };
        let plan = |(index, url): (u16, &str)| {
            let plan =
                LoadPlan::new(LoadSettings { url: url.to_owned(), part: SchedulePart { index, of }, ..all.clone() });
            plan.map_err(with_flags)
        };
        (0..of).zip(urls).map(plan).collect()
    }

    /// The URLs, and the script's arguments. The first of all is a URL, even where it doesn't look like one.
    fn positionals(&self) -> (Vec<&str>, Vec<String>) {
        let (first, before, after) = match (self.url.as_slice(), self.args.as_slice()) {
            ([first, before @ ..], after) => (Some(first), before, after),
            ([], [first, after @ ..]) => (Some(first), &[][..], after),
            ([], []) => (None, &[][..], &[][..]),
        };
        let (urls, args): (Vec<&String>, Vec<&String>) = before.iter().partition(|text| has_scheme(text));
        let urls = first.into_iter().chain(urls).map(String::as_str).collect();
        (urls, args.into_iter().chain(after).cloned().collect())
    }

    /// What makes no sense together, and why.
    fn contradictions(&self) -> [(bool, &'static str); 4] {
        let Args { sending, speaking, leaving, .. } = self;
        let busy = sending.when_busy;
        let named: Vec<&PathBuf> = [&leaving.record, &leaving.json, &leaving.hgrm].into_iter().flatten().collect();
        [
            (
                sending.max_connections.is_some() && busy != WhenBusy::Open,
                "--max-connections bounds what --when-busy open opens; without it there are never more than --connections",
            ),
            (
                sending.catch_up.is_some() && busy != WhenBusy::Wait,
                "--catch-up is for --when-busy wait; otherwise requests go when they are due, and nothing is caught up",
            ),
            (speaking.streams.is_some() && !speaking.http2, "--streams are HTTP/2's; give --http2 too"),
            (
                named.iter().enumerate().any(|(i, file)| named[..i].contains(file)),
                "--record, --json and --hgrm write a file each; give them different names",
            ),
        ]
    }
}

/// An error of a load, with the options that it names written as on a command line.
pub fn with_flags(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!(write_options(&error.to_string(), |name| format!("--{name}")))
}

/// Whether `text` begins with `scheme://`.
fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn parse_header(text: &str) -> anyhow::Result<(String, String)> {
    let parts = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
    match parts.filter(|(name, _)| http::HeaderName::from_bytes(name.as_bytes()).is_ok()) {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => bail!("-H takes \"Name: value\", not `{text}`"),
    }
}

#[cfg(test)]
mod tests;
