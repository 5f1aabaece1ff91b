//! The thread object: the argument of `setup(thread)` in the main state, and `wrk.thread` in the state of a thread.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use mlua::{Error, FromLua, MetaMethod, UserData, UserDataFields, UserDataMethods, Value, WeakLua};

use super::errors::{describe_type, script_error};
use super::{PlainValue, ScriptError, net, wrk_lua};

/// Access to a thread of the load, for scripts.
pub trait ThreadHandle {
    /// The value of a global in the thread's state.
    ///
    /// # Errors
    /// [`ScriptError`] if it cannot be read or copied.
    fn get(&self, name: &str) -> Result<PlainValue, ScriptError>;

    /// Sets a global in the thread's state.
    ///
    /// # Errors
    /// [`ScriptError`] if it cannot be set.
    fn set(&self, name: &str, value: PlainValue) -> Result<(), ScriptError>;

    /// The address that the thread connects to.
    fn address(&self) -> SocketAddr;

    /// Sets the address for the next connections of the thread.
    fn set_address(&self, address: SocketAddr);

    /// Stops the load of the thread.
    fn stop(&self);
}

/// The Lua object of a [`ThreadHandle`].
pub struct ThreadObject(pub Box<dyn ThreadHandle>);

impl UserData for ThreadObject {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("addr", |_, thread| Ok(thread.0.address().to_string()));
        fields.add_field_method_set("addr", |_, thread, address: Value| {
            thread.0.set_address(net::parse_address(&address)?);
            Ok(())
        });
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods
            .add_method("get", |lua, thread, name: String| thread.0.get(&name).map_err(Error::external)?.to_lua(lua));
        methods.add_method("set", |_, thread, (name, value): (String, Value)| {
            let value = PlainValue::copy_from(&name, &value).map_err(Error::external)?;
            thread.0.set(&name, value).map_err(Error::external)
        });
        methods.add_method("stop", |_, thread, ()| {
            thread.0.stop();
            Ok(())
        });
        methods.add_meta_method(MetaMethod::NewIndex, |lua, _, (name, _): (Value, Value)| -> mlua::Result<()> {
            let name = String::from_lua(name.clone(), lua).unwrap_or_else(|_| describe_type(&name));
            Err(Error::runtime(format!(
                "a thread has no field `{name}`. Set a global of its state with thread:set(\"{name}\", value)"
            )))
        });
    }
}

/// The thread object in the thread's own state.
#[derive(Clone)]
pub struct LocalThread {
    lua: WeakLua,
    address: Rc<Cell<SocketAddr>>,
    is_stopped: Rc<Cell<bool>>,
}

impl LocalThread {
    pub fn new(lua: WeakLua, address: SocketAddr) -> LocalThread {
        LocalThread { lua, address: Rc::new(Cell::new(address)), is_stopped: Rc::default() }
    }

    pub fn set_global(&self, name: &str, value: &PlainValue) -> Result<(), ScriptError> {
        let lua = self.lua.upgrade();
        let set = || lua.globals().set(name, value.to_lua(&lua)?);
        set().map_err(|error| script_error(wrk_lua::NAME, None, &error))
    }

    pub fn is_stopped(&self) -> bool {
        self.is_stopped.get()
    }
}

impl ThreadHandle for LocalThread {
    fn get(&self, name: &str) -> Result<PlainValue, ScriptError> {
        let value =
            self.lua.upgrade().globals().get(name).map_err(|error| script_error(wrk_lua::NAME, None, &error))?;
        PlainValue::copy_from(name, &value)
    }

    fn set(&self, name: &str, value: PlainValue) -> Result<(), ScriptError> {
        self.set_global(name, &value)
    }

    fn address(&self) -> SocketAddr {
        self.address.get()
    }

    fn set_address(&self, address: SocketAddr) {
        self.address.set(address);
    }

    fn stop(&self) {
        self.is_stopped.set(true);
    }
}
