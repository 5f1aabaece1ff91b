//! The thread object: what `setup(thread)` gets in the main state, and `wrk.thread` in a thread's own.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use mlua::{Error, FromLua, MetaMethod, UserData, UserDataFields, UserDataMethods, Value, WeakLua};

use super::errors::{describe, raised};
use super::state::OWN;
use super::{ScriptError, Shared, net};

/// A thread of the load, as scripts reach it.
pub trait Peer {
    /// A global of the thread's state.
    ///
    /// # Errors
    /// [`ScriptError`] where it can't be had.
    fn get(&self, name: &str) -> Result<Shared, ScriptError>;

    /// Sets a global of the thread's state.
    ///
    /// # Errors
    /// [`ScriptError`] where it can't be set.
    fn set(&self, name: &str, value: Shared) -> Result<(), ScriptError>;

    /// The address that the thread connects to.
    fn address(&self) -> SocketAddr;

    /// Has the thread connect to another address from now on.
    fn set_address(&self, address: SocketAddr);

    /// Ends the thread's load.
    fn stop(&self);
}

/// The userdata around a [`Peer`].
pub struct Thread(pub Box<dyn Peer>);

impl UserData for Thread {
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
            let value = Shared::copied(&name, &value).map_err(Error::external)?;
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
pub struct Own {
    lua: WeakLua,
    address: Rc<Cell<SocketAddr>>,
    stopped: Rc<Cell<bool>>,
}

impl Own {
    pub fn new(lua: WeakLua, address: SocketAddr) -> Own {
        Own { lua, address: Rc::new(Cell::new(address)), stopped: Rc::default() }
    }

    pub fn put(&self, name: &str, value: &Shared) -> Result<(), ScriptError> {
        let lua = self.lua.upgrade();
        let put = || lua.globals().set(name, value.put(&lua)?);
        put().map_err(|error| raised(OWN, None, &error))
    }

    pub fn stopped(&self) -> bool {
        self.stopped.get()
    }
}

impl Peer for Own {
    fn get(&self, name: &str) -> Result<Shared, ScriptError> {
        let value = self.lua.upgrade().globals().get(name).map_err(|error| raised(OWN, None, &error))?;
        Shared::copied(name, &value)
    }

    fn set(&self, name: &str, value: Shared) -> Result<(), ScriptError> {
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
