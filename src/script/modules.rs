//! Modules that `require` finds: those that the distribution installed, and a `socket` where none is.

use std::env::consts::ARCH;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mlua::{Lua, Result, Table, Value};

/// Adds where distributions install modules to what LuaJIT (and `LUA_PATH`, `LUA_CPATH`) says, and `socket` behind it.
pub fn install(lua: &Lua) -> Result<()> {
    let package: Table = lua.globals().get("package")?;
    let append = |field: &str, places: &str| {
        let before: String = package.get(field)?;
        package.set(field, format!("{before};{places}"))
    };
    append("path", "/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua")?;
    // Debian's, Fedora's, and everybody else's.
    append("cpath", &format!("/usr/lib/{ARCH}-linux-gnu/lua/5.1/?.so;/usr/lib64/lua/5.1/?.so;/usr/lib/lua/5.1/?.so"))?;
    install_socket(lua, &package.get("loaders")?)
}

/// `require "socket"` with nothing installed: `gettime` and `sleep`, all that load scripts use of LuaSocket. It stands
/// behind every other way to find `socket`, so that an installed LuaSocket is preferred.
fn install_socket(lua: &Lua, loaders: &Table) -> Result<()> {
    loaders.push(lua.create_function(|lua, name: mlua::LuaString| {
        if *name.as_bytes() != *b"socket" {
            return Ok(Value::Nil);
        }
        Ok(Value::Function(lua.create_function(|lua, _: Value| socket(lua))?))
    })?)
}

fn socket(lua: &Lua) -> Result<Table> {
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
