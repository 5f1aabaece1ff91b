use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value};

use super::allocator::FreeListAllocator;
use super::errors::raised;
use super::{Script, ScriptError, modules, net};
use crate::target::Target;

/// What a script is told about the run.
#[derive(Clone, Debug)]
pub struct Environment<'a> {
    pub target: &'a Target,
    /// Put into `wrk.headers` before the script runs.
    pub headers: &'a [(String, String)],
    /// Given to `init(args)`, behind the URL.
    pub args: &'a [String],
    /// A number of this state's own, for scripts that want repeatable randomness: `wrk.seed`.
    pub seed: u64,
}

/// The script that every state has.
pub const OWN: &str = "wrk.lua";

/// A Lua state in which the script was loaded: what a thread's and the main one have in common.
pub struct State {
    /// Goes first: it serves `lua`.
    _memory: FreeListAllocator,
    pub lua: Lua,
    /// The script's.
    pub name: String,
    pub wrk: Table,
    /// The functions that `wrk.lua` gives the program to call.
    calls: Table,
}

impl State {
    /// Opens a state and loads the script (or none).
    ///
    /// # Errors
    /// [`ScriptError::Lua`] where it doesn't load or raises an error.
    pub fn open(script: Option<&Script>, environment: &Environment<'_>) -> Result<State, ScriptError> {
        let name = script.map_or(OWN, |script| &script.name);
        let open = || {
            // SAFETY: `ffi`, `debug` and C modules can break the state. A script is trusted like any program the user runs.
            #[allow(unsafe_code)]
            let lua = unsafe { Lua::unsafe_new_with(StdLib::ALL, LuaOptions::new().catch_rust_panics(false)) };
            let memory = FreeListAllocator::install(&lua)?;
            modules::install(&lua)?;
            let wrk = wrk_table(&lua, environment)?;
            let calls = lua.load(include_str!("../../lua/wrk.lua")).set_name(format!("={OWN}")).eval()?;
            if let Some(script) = script {
                lua.load(&script.text).set_name(format!("@{}", script.name)).exec()?;
            }
            Ok(State { _memory: memory, lua, name: name.to_owned(), wrk, calls })
        };
        open().map_err(|error| raised(name, None, &error))
    }

    /// A global of the script.
    pub fn global(&self, name: &str) -> Result<Value, ScriptError> {
        self.lua.globals().get(name).map_err(|error| raised(&self.name, None, &error))
    }

    /// The script has a function of this name.
    pub fn has(&self, name: &str) -> bool {
        matches!(self.global(name), Ok(Value::Function(_)))
    }

    /// One of the functions that `wrk.lua` gives the program to call.
    pub fn call(&self, name: &str) -> Result<Function, ScriptError> {
        self.calls.get(name).map_err(|error| raised(&self.name, None, &error))
    }
}

/// The `wrk` table as far as the program fills it; `wrk.lua` does the rest.
fn wrk_table(lua: &Lua, environment: &Environment<'_>) -> mlua::Result<Table> {
    let target = environment.target;
    let wrk = lua.create_table()?;
    wrk.set("scheme", target.scheme.as_str())?;
    wrk.set("host", target.host.as_str())?;
    // A string, as in wrk: scripts compare it.
    wrk.set("port", target.port.map(|port| port.to_string()))?;
    wrk.set("authority", target.authority.as_str())?;
    wrk.set("path", target.path.as_str())?;
    // Doubles hold 53 bits, and randomseed takes a double.
    wrk.set("seed", (environment.seed & ((1 << 53) - 1)) as f64)?;
    let headers = lua.create_table()?;
    for (name, value) in environment.headers {
        headers.set(name.as_str(), value.as_str())?;
    }
    wrk.set("headers", headers)?;
    wrk.set("time_us", lua.create_function(|_, ()| Ok(modules::since_epoch().as_micros() as f64))?)?;
    wrk.set("lookup", lua.create_function(net::lookup)?)?;
    wrk.set("connect", lua.create_function(net::connect)?)?;
    lua.globals().set("wrk", &wrk)?;
    lua.globals().set("url", target.url.as_str())?;
    Ok(wrk)
}
