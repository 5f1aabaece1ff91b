//! From arguments to load plans. Pure, except that the caller reads the script.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

use super::args::{Args, LoadOptions};
use crate::byte_text::ByteText;
use crate::input;
use crate::load::plan::{LoadPlan, LoadSettings, MAX_DURATION, SchedulePart, TlsSettings, WhenBusy};
use crate::load::write_options;
use crate::record::OutputFile;
use crate::script::Script;
use crate::units::Time;

/// wrk2 calibrates for 10 s, and excludes them from its histograms. Shorter loads have no warm-up.
const WARMUP: Time = Time::from_secs(10);

impl Args {
    /// One plan for each URL, in their order. `read_script` reads the script of a given name.
    ///
    /// # Errors
    /// If an option is invalid, or options exclude each other.
    pub fn plans(&self, read_script: impl FnOnce(&Path) -> anyhow::Result<Script>) -> anyhow::Result<Vec<LoadPlan>> {
        let (urls, args) = self.positionals()?;
        if let Some((_, message)) = self.conflicts().into_iter().find(|(is_conflict, _)| *is_conflict) {
            bail!(message);
        }
        let Some(rate) = self.load.rate.clone() else {
            bail!("Throughput MUST be specified with the --rate or -R option");
        };
        let headers = self.load.header.iter().map(|text| parse_header(text)).collect::<anyhow::Result<_>>()?;
        let Args { load, pacing, connection, failure, latency, threshold, dsb, .. } = self;
        let body = load.body().context("cannot read the body of the requests")?;
        let defaults = LoadSettings::new("", rate);
        let settings = LoadSettings {
            threads: load.threads,
            connections: load.connections,
            duration: load.duration,
            arrivals: dsb.dist.unwrap_or_default(),
            seed: pacing.seed,
            script: load.script.as_deref().map(read_script).transpose()?,
            args,
            method: load.method.clone().or_else(|| body.as_ref().map(|_| "POST".to_owned())),
            body,
            headers,
            when_busy: pacing.when_busy,
            max_connections: connection.max_connections.unwrap_or(defaults.max_connections.max(load.connections)),
            catch_up: pacing.catch_up,
            timeout: failure.timeout,
            on_timeout: failure.on_timeout,
            retries: failure.retries.unwrap_or_default(),
            slo: threshold.slo,
            drain: failure.drain.unwrap_or(defaults.drain.min(failure.timeout)),
            warmup: latency.warmup.unwrap_or(if load.duration > WARMUP { WARMUP } else { Time::ZERO }),
            ahead: !pacing.no_ahead,
            batch_latency: latency.batch,
            spin: pacing.spin,
            slack: pacing.slack,
            timestamps: latency.timestamps,
            tls: TlsSettings {
                verify: connection.verify || connection.cacert.is_some(),
                authorities: connection.cacert.clone(),
                certificate: connection.cert.clone(),
                key: connection.key.clone(),
                server_name: connection.sni.clone(),
            },
            unix_socket: connection.unix_socket.clone(),
            streams: connection.streams.unwrap_or(defaults.streams),
            http2: connection.http2,
            ..defaults
        };
        let settings = match load.max_requests {
            None => settings,
            Some(count) => limit_requests(settings, count)?,
        };
        let Ok(of) = u16::try_from(urls.len()) else { bail!("too many URLs: {}, at most 65535", urls.len()) };
        let plan = |(index, url): (u16, &str)| {
            let part = SchedulePart { index, of };
            LoadPlan::new(LoadSettings { url: url.to_owned(), part, ..settings.clone() }).map_err(with_flags)
        };
        (0..of).zip(urls).map(plan).collect()
    }

    /// The URLs, and the arguments of the script. The first positional is always a URL, even if it does not look like one.
    fn positionals(&self) -> anyhow::Result<(Vec<&str>, Vec<ByteText>)> {
        let (first, before, after) = match (self.url.as_slice(), self.args.as_slice()) {
            ([first, before @ ..], after) => (Some(first), before, after),
            ([], [first, after @ ..]) => (Some(first), &[][..], after),
            ([], []) => (None, &[][..], &[][..]),
        };
        let (urls, args): (Vec<&OsString>, Vec<&OsString>) = before.iter().partition(|text| has_scheme(text));
        let urls = first.into_iter().chain(urls).map(url_text).collect::<anyhow::Result<_>>()?;
        Ok((urls, args.into_iter().chain(after).map(|arg| arg.clone().into()).collect()))
    }

    /// Options that exclude each other: whether they do, and the message.
    fn conflicts(&self) -> [(bool, &'static str); 6] {
        let Args { pacing, connection, threshold, output, .. } = self;
        let when_busy = pacing.when_busy;
        let files: Vec<&PathBuf> = output.data_files().collect();
        let is_same = |a: &Path, b: &Path| a == b || [a, b].into_iter().all(OutputFile::is_standard_output);
        [
            (
                connection.max_connections.is_some() && when_busy != WhenBusy::Open,
                "--max-connections applies only to --when-busy open: otherwise, --connections is the limit. \
                 Remove it, or add --when-busy open.",
            ),
            (
                pacing.catch_up.is_some() && when_busy != WhenBusy::Wait,
                "--catch-up applies only to --when-busy wait: otherwise, requests do not wait for a connection. \
                 Remove one of the two options.",
            ),
            (
                connection.streams.is_some() && !connection.http2,
                "--streams applies only to HTTP/2. Remove it, or add --http2.",
            ),
            (
                files.iter().enumerate().any(|(i, file)| files[..i].iter().any(|other| is_same(file, other))),
                "--record, --json, --hgrm, --junit and --markdown cannot write to the same file. Give each one its own file.",
            ),
            (
                threshold.thresholds().needs_slo() && threshold.slo.is_none(),
                "a threshold on goodput needs --slo: the longest response time of a good answer. Add --slo, such as --slo 200ms.",
            ),
            (
                threshold.slo.is_some() && !threshold.thresholds().needs_slo(),
                "--slo applies only to a threshold on goodput. Remove it, or add one, such as --fail-if 'goodput<99%'.",
            ),
        ]
    }
}

/// The settings of a load that ends after `count` requests, or earlier at its duration.
fn limit_requests(settings: LoadSettings, count: usize) -> anyhow::Result<LoadSettings> {
    if count > MAX_REQUESTS {
        bail!("--max-requests must be at most 100M, not {count}. Use --duration instead.");
    }
    // Due times depend neither on the URL nor on TLS.
    let (url, tls) = ("http://localhost/".to_owned(), TlsSettings::default());
    let plan = LoadPlan::new(LoadSettings { url, tls, ..settings.clone() }).map_err(with_flags)?;
    let duration = match plan.time_of_requests(count as u64) {
        Some(duration) => duration,
        None if settings.duration == MAX_DURATION => {
            bail!(
                "at this rate, {count} requests are not due within {MAX_DURATION}. Lower --max-requests, or raise --rate."
            )
        }
        None => settings.duration,
    };
    let warmup = if settings.warmup == WARMUP && duration <= WARMUP { Time::ZERO } else { settings.warmup };
    Ok(LoadSettings { duration, warmup, ..settings })
}

/// Each due time is computed before the load. This takes some seconds.
const MAX_REQUESTS: usize = 100_000_000;

impl LoadOptions {
    /// The body of the requests.
    ///
    /// # Errors
    /// If its file cannot be read, or is larger than [`input::MAX_BODY`].
    fn body(&self) -> io::Result<Option<ByteText>> {
        match (&self.body, &self.body_file) {
            (Some(text), _) => Ok(Some(text.clone().into())),
            (None, Some(file)) => {
                let bytes = input::read_named(file, input::MAX_BODY);
                let named = |error| io::Error::other(format!("{}: {error}", file.display()));
                Ok(Some(bytes.map_err(named)?.into()))
            }
            (None, None) => Ok(None),
        }
    }
}

/// An error of a load, with the options that it names written as on a command line.
pub fn with_flags(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!(write_options(&error.to_string(), |name| format!("--{name}")))
}

fn url_text(url: &OsString) -> anyhow::Result<&str> {
    url.to_str()
        .ok_or_else(|| anyhow!("invalid URL: {} (it is not UTF-8). Write such bytes as %XX.", url.to_string_lossy()))
}

/// Whether `text` begins with `scheme://`.
fn has_scheme(text: &OsStr) -> bool {
    text.to_string_lossy().split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn parse_header(text: &OsStr) -> anyhow::Result<(String, ByteText)> {
    let bytes = text.as_bytes();
    let colon = bytes.iter().position(|&byte| byte == b':');
    let parts = colon.map(|colon| (bytes[..colon].trim_ascii(), bytes[colon + 1..].trim_ascii()));
    let is_valid = |name: &[u8], value: &[u8]| {
        http::HeaderName::from_bytes(name).is_ok() && !value.iter().any(|byte| b"\r\n\0".contains(byte))
    };
    match parts.filter(|(name, value)| is_valid(name, value)) {
        Some((name, value)) => Ok((String::from_utf8_lossy(name).into_owned(), value.to_vec().into())),
        None => bail!("invalid header `{}`. Write -H \"Name: value\".", text.display().to_string().escape_debug()),
    }
}

#[cfg(test)]
mod tests;
