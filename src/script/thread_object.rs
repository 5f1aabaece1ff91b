//! The thread object: what `setup(thread)` gets in the main state, and `wrk.thread` in a thread's own.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use mlua::{Error, FromLua, MetaMethod, UserData, UserDataFields, UserDataMethods, Value, WeakLua};

use super::errors::{describe, raised};
use super::state::OWN;
use super::{PlainValue, ScriptError, net};

/// A thread of the load, as scripts reach it.
pub trait ThreadHandle {
    /// A global of the thread's state.
    ///
    /// # Errors
    /// [`ScriptError`] where it can't be had.
    fn get(&self, name: &str) -> Result<PlainValue, ScriptError>;

    /// Sets a global of the thread's state.
    ///
    /// # Errors
    /// [`ScriptError`] where it can't be set.
    fn set(&self, name: &str, value: PlainValue) -> Result<(), ScriptError>;

    /// The address that the thread connects to.
    fn address(&self) -> SocketAddr;

    /// Has the thread connect to another address from now on.
    fn set_address(&self, address: SocketAddr);

    /// Ends the thread's load.
    fn stop(&self);
}

/// The userdata around a [`ThreadHandle`].
pub struct ThreadObject(pub Box<dyn ThreadHandle>);

impl UserData for ThreadObject {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("addr", |_, thread| Ok(thread.0.address().to_string()));
        fields.add_field_method_set("addr", |_, thread, address: Value| {
            thread.0.set_address(net::address(&address)?);
            Ok(())
        });
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("get", |lua, thread, name: String| thread.0.get(&name).map_err(Error::external)?.put(lua));
        methods.add_method("set", |_, thread, (name, value): (String, Value)| {
            let value = PlainValue::copy_from(&name, &value).map_err(Error::external)?;
            thread.0.set(&name, value).map_err(Error::external)
        });
        methods.add_method("stop", |_, thread, ()| {
            thread.0.stop();
            Ok(())
        });
        methods.add_meta_method(MetaMethod::NewIndex, |lua, _, (name, _): (Value, Value)| -> mlua::Result<()> {
            let name = String::from_lua(name.clone(), lua).unwrap_or_else(|_| describe(&name));
            Err(Error::runtime(format!(
                "a thread has no field `{name}`; set a global of its state with thread:set(\"{name}\", value)"
            )))
        });
    }
}

/// The thread as its own state reaches it.
#[derive(Clone)]
pub struct LocalThread {
    lua: WeakLua,
    address: Rc<Cell<SocketAddr>>,
    stopped: Rc<Cell<bool>>,
}

impl LocalThread {
    pub fn new(lua: WeakLua, address: SocketAddr) -> LocalThread {
        LocalThread { lua, address: Rc::new(Cell::new(address)), stopped: Rc::default() }
    }

    pub fn put(&self, name: &str, value: &PlainValue) -> Result<(), ScriptError> {
        let lua = self.lua.upgrade();
        let put = || lua.globals().set(name, value.put(&lua)?);
        put().map_err(|error| raised(OWN, None, &error))
    }

    pub fn stopped(&self) -> bool {
        self.stopped.get()
    }
}

impl ThreadHandle for LocalThread {
    fn get(&self, name: &str) -> Result<PlainValue, ScriptError> {
        let value = self.lua.upgrade().globals().get(name).map_err(|error| raised(OWN, None, &error))?;
        PlainValue::copy_from(name, &value)
    }

    fn set(&self, name: &str, value: PlainValue) -> Result<(), ScriptError> {
        self.put(name, &value)
    }

    fn address(&self) -> SocketAddr {
        self.address.get()
    }

    fn set_address(&self, address: SocketAddr) {
        self.address.set(address);
    }

    fn stop(&self) {
        self.stopped.set(true);
    }
}
