//! What to do about the errors of a run, by their cause.

use crate::option_name::{CommandInUse, OptionName};
use crate::record::ErrorCause;

/// What to do about errors of this cause, in one sentence or two, with the options of `command`.
pub fn advice(cause: ErrorCause, command: CommandInUse) -> String {
    let connections = OptionName::Connections.of(command).unwrap_or_default();
    match cause {
        ErrorCause::Refused => "The server refuses connections: check that it runs, and that its queue of new \
            connections (the backlog) is long enough."
            .to_owned(),
        ErrorCause::Unreachable => "Check the address of the server and the network to it.".to_owned(),
        ErrorCause::ConnectTimeout => "The server accepts no connection in time: check whether its queue of new \
            connections (the backlog) is full, and whether the network loses packets."
            .to_owned(),
        ErrorCause::NoLocalPort => format!(
            "The machine of the generator has no local port left. Lower {connections}, let the server keep \
             connections open, widen net.ipv4.ip_local_port_range, or spread the load over several machines."
        ),
        ErrorCause::NoFile => format!("Raise the limit on open files (ulimit -n), or lower {connections}."),
        ErrorCause::Tls => "Check the server's TLS: its versions, its certificate, and whether it is overloaded by \
            handshakes."
            .to_owned(),
        ErrorCause::NotHttp1 => {
            let http2 = if command == CommandInUse::Load { " (--http2 for HTTP/2)" } else { "" };
            format!("These answers cannot be counted. Check that the port of the URL speaks HTTP/1.1{http2}.")
        }
        ErrorCause::NotHttp2 => {
            let http2 = if command == CommandInUse::Load { ", or leave out --http2" } else { "" };
            format!("These answers cannot be counted. Check the server's HTTP/2{http2}.")
        }
        ErrorCause::Unsolicited => "Check why the server sends responses that nobody asked for.".to_owned(),
        ErrorCause::Reset | ErrorCause::ClosedEarly => "Check in the log of the server why it ends connections: a \
            limit on connections or on requests, a timeout, or a crash."
            .to_owned(),
        ErrorCause::Http2Ended => "Check in the log of the server why it ends streams.".to_owned(),
        ErrorCause::Limit => "Let the server send smaller responses, or leave the script's response() out.".to_owned(),
        ErrorCause::Other => "The example in the report says what the system refused.".to_owned(),
    }
}
