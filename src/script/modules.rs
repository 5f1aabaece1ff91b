//! The modules that `require` finds: those of the distribution, and a built-in `socket` if none is installed.

use std::env::consts::ARCH;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mlua::{Lua, Result, Table, Value};

/// Appends the module folders of distributions to the search paths of LuaJIT (`LUA_PATH`, `LUA_CPATH`), and then the
/// built-in `socket`.
pub fn install(lua: &Lua) -> Result<()> {
    let package: Table = lua.globals().get("package")?;
    let append = |field: &str, places: &str| {
        let before: String = package.get(field)?;
        package.set(field, format!("{before};{places}"))
    };
    append("path", "/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua")?;
    // Debian, Fedora, and other distributions.
    append("cpath", &format!("/usr/lib/{ARCH}-linux-gnu/lua/5.1/?.so;/usr/lib64/lua/5.1/?.so;/usr/lib/lua/5.1/?.so"))?;
    install_socket(lua, &package.get("loaders")?)
}

/// Adds a `socket` module with `gettime` and `sleep`, the functions of LuaSocket that load scripts use. It is the last
/// loader, so that an installed LuaSocket is preferred.
fn install_socket(lua: &Lua, loaders: &Table) -> Result<()> {
    loaders.push(lua.create_function(|lua, name: mlua::LuaString| {
        if *name.as_bytes() != *b"socket" {
            return Ok(Value::Nil);
        }
        Ok(Value::Function(lua.create_function(|lua, _: Value| create_socket(lua))?))
    })?)
}

fn create_socket(lua: &Lua) -> Result<Table> {
    let socket = lua.create_table()?;
    socket.set("_VERSION", "built-in")?;
    socket.set("gettime", lua.create_function(|_, ()| Ok(since_epoch().as_secs_f64()))?)?;
    socket.set(
        "sleep",
        lua.create_function(|_, seconds: f64| {
            // As in LuaSocket, a negative or infinite time is zero.
            std::thread::sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default());
            Ok(())
        })?,
    )?;
    // As LuaSocket 2 does. Scripts of DeathStarBench use the global.
    lua.globals().set("socket", &socket)?;
    Ok(socket)
}

/// The time since 1970; zero if the clock is set to an earlier time.
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
