use mlua::thread::ThreadStatus;
use mlua::{Function, Lua, LuaOptions, StdLib, Table, Thread, Value};

use super::allocator::FreeListAllocator;
use super::errors::{is_memory_error, memory_error, script_error};
use super::{Script, ScriptError, modules, net, wrk_lua};
use crate::byte_text::ByteText;
use crate::target::Target;

/// What a script can read about the run.
#[derive(Clone, Debug)]
pub struct Environment<'a> {
    /// The parts of the URL.
    pub target: &'a Target,
    /// The initial `wrk.headers`.
    pub headers: &'a [(String, ByteText)],
    /// The initial `wrk.method`. `GET` without it.
    pub method: Option<&'a str>,
    /// The initial `wrk.body`.
    pub body: Option<&'a ByteText>,
    /// Passed to `init(args)` after the URL.
    pub args: &'a [ByteText],
    /// `wrk.seed`, a number for repeatable randomness. Each state has another.
    pub seed: u64,
}

/// A Lua state with the loaded script: the common part of the main state and the states of threads.
pub struct State {
    /// Declared first, because it must be dropped before `lua`.
    _allocator: FreeListAllocator,
    pub lua: Lua,
    /// The name of the script.
    pub name: String,
    pub wrk: Table,
    /// The functions of `wrk.lua` that this program calls.
    functions: Table,
}

impl State {
    /// Opens a state and loads the script (or none).
    ///
    /// # Errors
    /// [`ScriptError::Lua`] if it does not load or raises an error.
    pub fn open(script: Option<&Script>, environment: &Environment<'_>) -> Result<State, ScriptError> {
        let name = script.map_or(wrk_lua::NAME, |script| &script.name);
        let open = || {
            // SAFETY: `ffi`, `debug` and C modules can corrupt the state. A script is trusted like any program of the user.
            #[allow(unsafe_code)]
            let lua = unsafe { Lua::unsafe_new_with(StdLib::ALL, LuaOptions::new().catch_rust_panics(false)) };
            let allocator = FreeListAllocator::install(&lua)?;
            modules::install(&lua)?;
            let wrk = create_wrk_table(&lua, environment)?;
            let functions = lua.load(wrk_lua::TEXT).set_name(format!("={}", wrk_lua::NAME)).eval()?;
            Ok(State { _allocator: allocator, lua, name: name.to_owned(), wrk, functions })
        };
        let state = open().map_err(|error| script_error(name, None, &error))?;
        if let Some(script) = script {
            state.run_script(script)?;
        }
        Ok(state)
    }

    /// Runs the text of the script. It runs as a coroutine: Lua keeps the stack of a coroutine that has failed, so even an
    /// error without a location, as that of a lack of memory, gets its line.
    fn run_script(&self, script: &Script) -> Result<(), ScriptError> {
        let fail = |error: mlua::Error| script_error(&self.name, None, &error);
        let chunk = self.lua.load(script.text.as_bytes()).set_name(format!("@{}", script.name));
        let chunk = chunk.into_function().map_err(fail)?;
        let main = self.lua.create_thread(chunk).map_err(fail)?;
        match main.resume::<()>(()) {
            Ok(()) if main.status() == ThreadStatus::Resumable => {
                Err(fail(mlua::Error::runtime("attempt to yield outside of a coroutine")))
            }
            Ok(()) => Ok(()),
            Err(mlua::Error::MemoryError(_)) => Err(memory_error(&self.name, None, &self.traceback(&main))),
            Err(error) => Err(fail(error)),
        }
    }

    /// The stack of a coroutine, as text.
    fn traceback(&self, coroutine: &Thread) -> String {
        let debug = self.lua.globals().get::<Table>("debug");
        let text = debug.and_then(|debug| debug.get::<Function>("traceback")?.call::<String>(coroutine));
        text.unwrap_or_default()
    }

    /// The error that a call of the script's `function` raised.
    pub fn error(&self, function: &str, error: &mlua::Error) -> ScriptError {
        if !is_memory_error(error) {
            return script_error(&self.name, Some(function), error);
        }
        // Lua has no traceback for it. The line where the function begins is known.
        let info = self.lua.globals().get::<Function>(function).map(|function| function.info());
        let begins = info.ok().and_then(|info| Some(format!("{}:{}: in ", info.short_src?, info.line_defined?)));
        memory_error(&self.name, Some(function), &begins.unwrap_or_default())
    }

    /// The value of a global.
    pub fn global(&self, name: &str) -> Result<Value, ScriptError> {
        self.lua.globals().get(name).map_err(|error| script_error(&self.name, None, &error))
    }

    /// Whether the script has a function with this name.
    pub fn has_function(&self, name: &str) -> bool {
        matches!(self.global(name), Ok(Value::Function(_)))
    }

    /// A function of `wrk.lua` that this program calls.
    pub fn function(&self, name: &str) -> Result<Function, ScriptError> {
        self.functions.get(name).map_err(|error| script_error(&self.name, None, &error))
    }
}

/// Creates the `wrk` table with the fields that come from the program. `wrk.lua` adds the rest.
fn create_wrk_table(lua: &Lua, environment: &Environment<'_>) -> mlua::Result<Table> {
    let target = environment.target;
    let wrk = lua.create_table()?;
    wrk.set("scheme", target.scheme.as_str())?;
    wrk.set("host", target.host.as_str())?;
    // A string, as in wrk: scripts compare it.
    wrk.set("port", target.port.map(|port| port.to_string()))?;
    wrk.set("authority", target.authority.as_str())?;
    wrk.set("path", target.path.as_str())?;
    wrk.set("method", environment.method.unwrap_or("GET"))?;
    wrk.set("body", environment.body.map(|body| lua.create_string(body.as_bytes())).transpose()?)?;
    // A Lua number is a double, which is exact up to 53 bits.
    wrk.set("seed", (environment.seed & ((1 << 53) - 1)) as f64)?;
    let headers = environment.headers.iter().map(|(name, value)| {
        lua.create_sequence_from([lua.create_string(name)?, lua.create_string(value.as_bytes())?])
    });
    wrk.set("headers", lua.create_sequence_from(headers.collect::<mlua::Result<Vec<_>>>()?)?)?;
    wrk.set("time_us", lua.create_function(|_, ()| Ok(modules::since_epoch().as_micros() as f64))?)?;
    wrk.set("lookup", lua.create_function(net::look_up)?)?;
    wrk.set("connect", lua.create_function(net::connect)?)?;
    lua.globals().set("wrk", &wrk)?;
    lua.globals().set("url", target.url.as_str())?;
    Ok(wrk)
}
