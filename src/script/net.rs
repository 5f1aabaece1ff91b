//! `wrk.lookup` and `wrk.connect`. In Lua an address is a string: `127.0.0.1:8080`, `[::1]:8080`.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use mlua::{Error, Lua, Result, Table, Value};

use super::errors::describe_type;

/// An address that does not accept a connection within this time counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The results of a function for Lua: a value, or the reason of its failure. `wrk.lua` raises the reason as a string with
/// the line of the script. An error raised here would not be a string, and scripts that catch it could not handle it.
type ValueOrReason<T> = Result<(Option<T>, Option<String>)>;

fn to_results<T>(result: Result<T>) -> ValueOrReason<T> {
    Ok(match result {
        Ok(value) => (Some(value), None),
        Err(Error::RuntimeError(why)) => (None, Some(why)),
        Err(other) => (None, Some(other.to_string())),
    })
}

/// `wrk.lookup`: the addresses of a host and a service (a port, `http` or `https`).
pub fn look_up(lua: &Lua, (host, service): (Value, Option<String>)) -> ValueOrReason<Table> {
    to_results(resolve(lua, &host, service))
}

fn resolve(lua: &Lua, host: &Value, service: Option<String>) -> Result<Table> {
    let Value::String(host) = host else {
        return Err(Error::runtime(format!("wrk.lookup expects the name of a host, not {}", describe_type(host))));
    };
    let host = host.to_string_lossy();
    let service = service.unwrap_or_else(|| "http".to_owned());
    let fail = |why: &str| Error::runtime(format!("unable to resolve {host}:{service} {why}"));
    let port: u16 = match service.as_str() {
        "http" => 80,
        "https" => 443,
        number => number.parse().map_err(|_| fail("(the port must be a number)"))?,
    };
    let found = (host.as_str(), port).to_socket_addrs().map_err(|error| fail(&error.to_string()))?;
    lua.create_sequence_from(found.map(|address| address.to_string()))
}

/// `wrk.connect`: whether the address accepts a connection.
pub fn connect(_: &Lua, address: Value) -> ValueOrReason<bool> {
    to_results(parse_address(&address).map(|address| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).is_ok()))
}

/// Parses an address.
pub fn parse_address(value: &Value) -> Result<SocketAddr> {
    let fail = |what: &str| {
        Error::runtime(format!(
            "{what} is not an address. Use IP:PORT, as in 127.0.0.1:8080, or a result of wrk.lookup"
        ))
    };
    let Value::String(text) = value else { return Err(fail(&describe_type(value))) };
    let text = text.to_string_lossy();
    text.parse().map_err(|_| fail(&format!("`{text}`")))
}
