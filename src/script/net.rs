//! `wrk.lookup` and `wrk.connect`. An address is a string in Lua: `127.0.0.1:8080`, `[::1]:8080`.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use mlua::{Error, Lua, Result, Table, Value};

use super::errors::describe;

/// An address that doesn't answer within this is none to connect to.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a function gives Lua: a value, or why there is none. `wrk.lua` raises that as a string, with the script's line;
/// an error from here would be no string, and scripts that catch it could not handle it.
type ValueOrReason<T> = Result<(Option<T>, Option<String>)>;

fn given<T>(result: Result<T>) -> ValueOrReason<T> {
    Ok(match result {
        Ok(value) => (Some(value), None),
        Err(Error::RuntimeError(why)) => (None, Some(why)),
        Err(other) => (None, Some(other.to_string())),
    })
}

/// The addresses of a host's service (a port, or a name).
pub fn lookup(lua: &Lua, (host, service): (Value, Option<String>)) -> ValueOrReason<Table> {
    given(addresses(lua, &host, service))
}

fn addresses(lua: &Lua, host: &Value, service: Option<String>) -> Result<Table> {
    let Value::String(host) = host else {
        return Err(Error::runtime(format!("wrk.lookup takes a host's name, not {}", describe(host))));
    };
    let host = host.to_string_lossy();
    let service = service.unwrap_or_else(|| "http".to_owned());
    let fail = |why: &str| Error::runtime(format!("unable to resolve {host}:{service} {why}"));
    let port: u16 = match service.as_str() {
        "http" => 80,
        "https" => 443,
        number => number.parse().map_err(|_| fail("(give the port as a number)"))?,
    };
    let found = (host.as_str(), port).to_socket_addrs().map_err(|error| fail(&error.to_string()))?;
    lua.create_sequence_from(found.map(|address| address.to_string()))
}

/// Whether the address takes connections.
pub fn connect(_: &Lua, address: Value) -> ValueOrReason<bool> {
    given(self::address(&address).map(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok()))
}

/// An address as Lua has it.
pub fn address(value: &Value) -> Result<SocketAddr> {
    let fail = |what: &str| {
        Error::runtime(format!(
            "{what} is no address; write ip:port as in 127.0.0.1:8080, or take what wrk.lookup gives"
        ))
    };
    let Value::String(text) = value else { return Err(fail(&describe(value))) };
    let text = text.to_string_lossy();
    text.parse().map_err(|_| fail(&format!("`{text}`")))
}
