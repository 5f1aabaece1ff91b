//! `require "socket"` with nothing installed: `gettime` and `sleep`, all that load scripts use of LuaSocket.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mlua::{Lua, Result, Table, Value};

/// Adds the built-in module behind every other way to find `socket`, so that an installed LuaSocket is preferred.
pub fn install(lua: &Lua) -> Result<()> {
    let loaders: Table = lua.globals().get::<Table>("package")?.get("loaders")?;
    loaders.push(lua.create_function(|lua, name: mlua::LuaString| {
        if *name.as_bytes() != *b"socket" {
            return Ok(Value::Nil);
        }
        Ok(Value::Function(lua.create_function(|lua, _: Value| module(lua))?))
    })?)
}

fn module(lua: &Lua) -> Result<Table> {
    let socket = lua.create_table()?;
    socket.set("_VERSION", "built-in")?;
    socket.set("gettime", lua.create_function(|_, ()| Ok(since_epoch().as_secs_f64()))?)?;
    socket.set(
        "sleep",
        lua.create_function(|_, seconds: f64| {
            // Duration knows no negative or endless time, LuaSocket takes both as none.
            std::thread::sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default());
            Ok(())
        })?,
    )?;
    Ok(socket)
}

/// Time since 1970; zero on a clock set before that.
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
