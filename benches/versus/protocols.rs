//! HTTPS and HTTP/2, with nginx as the server.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use crate::measure::{Bench, Series, children_cpu, run};
use crate::nginx::Nginx;
use crate::peers::{Kind, Peer};
use crate::{CONNECTIONS, unreachable_rate};

/// Connections and streams per connection over HTTP/2.
const HTTP2: (usize, usize) = (5, 10);

/// CPU time per request over HTTPS.
pub fn https(bench: &Bench) -> io::Result<()> {
    let nginx = start()?;
    let others = [Kind::Wrk, Kind::Wrk2];
    compare(bench, "HTTPS", "wrk", &others, |peer, rate| {
        peer.at_full_speed(&nginx.https, CONNECTIONS, rate, bench.time())
    })
}

/// CPU time per request over HTTP/2.
pub fn http2(bench: &Bench) -> io::Result<()> {
    let nginx = start()?;
    let (connections, streams) = HTTP2;
    compare(bench, "HTTP/2", "h2load", &[Kind::H2load], |peer, rate| {
        peer.over_http2(&nginx.http2, connections, streams, rate, bench.time())
    })
}

fn start() -> io::Result<Nginx> {
    let program = std::env::var_os("NGINX").unwrap_or_else(|| OsString::from("nginx"));
    Nginx::start(&program, 1).map_err(|error| {
        let name = program.display();
        io::Error::other(format!("cannot start {name}: {error}. Install nginx, or name it with NGINX=path."))
    })
}

/// Compares ours with those of `others` that the environment names, at full speed.
fn compare(
    bench: &Bench,
    protocol: &str,
    to: &str,
    others: &[Kind],
    command: impl Fn(&Peer, &str) -> Command,
) -> io::Result<()> {
    let is_compared = |peer: &&Peer| others.contains(&peer.kind);
    let ours = bench.peers.iter().filter(|peer| peer.kind == Kind::Ours);
    // The others tell how many requests ours should try to send.
    let peers: Vec<_> = bench.peers.iter().filter(is_compared).chain(ours).collect();
    let mut rate = "-R1000000".to_owned();
    let mut user = Series::default();
    let cpu = bench.measure(&peers, |peer| {
        let before = children_cpu()?;
        let text = run(command(peer, &rate))?;
        let (after, answers) = (children_cpu()?, peer.answers(&text));
        let Some(answers) = answers.filter(|answers| *answers > 0.0) else { return Ok(None) };
        if peer.kind != Kind::Ours {
            rate = unreachable_rate(answers, bench.time());
        }
        user.0.entry(peer.name).or_default().push((after.0 - before.0) * 1e6 / answers);
        Ok(Some((after.0 - before.0 + after.1 - before.1) * 1e6 / answers))
    })?;
    cpu.show(&format!("CPU per request over {protocol} at full speed, us (user + system)"), &peers, to);
    user.show("of this in user space, us", &peers, to);
    Ok(())
}
