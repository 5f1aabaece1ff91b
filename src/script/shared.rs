use std::ffi::c_void;

use mlua::{Lua, Value};

use super::ScriptError;
use super::errors::describe;

/// Tables may lie in one another so many deep; a list linked through its elements should be an array.
const DEPTH: usize = 200;

/// A value on its way from one Lua state to another.
#[derive(Clone, Debug, PartialEq)]
pub enum Shared {
    Nil,
    Boolean(bool),
    Number(f64),
    String(Vec<u8>),
    /// Keys and values, in no order.
    Table(Vec<(Shared, Shared)>),
}

impl Shared {
    /// Copies a value out of a state. `name` is what the script calls it.
    ///
    /// # Errors
    /// [`ScriptError::NotShared`] says which part of it can't be copied.
    pub(super) fn copied(name: &str, value: &Value) -> Result<Shared, ScriptError> {
        copied(value, &mut Way { names: vec![name.to_owned()], tables: Vec::new() })
    }

    /// Puts a copy into a state.
    pub(super) fn put(&self, lua: &Lua) -> mlua::Result<Value> {
        Ok(match self {
            Shared::Nil => Value::Nil,
            Shared::Boolean(is) => Value::Boolean(*is),
            Shared::Number(n) => Value::Number(*n),
            Shared::String(bytes) => Value::String(lua.create_string(bytes)?),
            Shared::Table(entries) => {
                let table = lua.create_table_with_capacity(0, entries.len())?;
                for (key, value) in entries {
                    table.raw_set(key.put(lua)?, value.put(lua)?)?;
                }
                Value::Table(table)
            }
        })
    }
}

/// The way from a global to the value being copied: `global.key[3]`, and the tables that it leads through.
struct Way {
    names: Vec<String>,
    tables: Vec<*const c_void>,
}

impl Way {
    fn refuse(&self, what: impl Into<String>) -> ScriptError {
        ScriptError::NotShared { place: self.names.concat(), what: what.into() }
    }
}

fn copied(value: &Value, way: &mut Way) -> Result<Shared, ScriptError> {
    Ok(match value {
        Value::Nil => Shared::Nil,
        Value::Boolean(is) => Shared::Boolean(*is),
        Value::Integer(n) => Shared::Number(*n as f64),
        Value::Number(n) => Shared::Number(*n),
        Value::String(text) => Shared::String(text.as_bytes().to_vec()),
        Value::Table(table) => {
            if way.tables.contains(&table.to_pointer()) {
                return Err(way.refuse("a table that holds itself"));
            }
            if way.tables.len() == DEPTH {
                return Err(way.refuse(format!("a table more than {DEPTH} tables deep")));
            }
            way.tables.push(table.to_pointer());
            let mut entries = Vec::new();
            for entry in table.pairs::<Value, Value>() {
                let (key, value) = entry.map_err(|error| way.refuse(format!("a table that can't be read: {error}")))?;
                way.names.push(step(&key));
                entries.push((copied(&key, way)?, copied(&value, way)?));
                way.names.pop();
            }
            way.tables.pop();
            Shared::Table(entries)
        }
        other => return Err(way.refuse(describe(other))),
    })
}

/// How Lua writes the step from a table to what it has under `key`.
fn step(key: &Value) -> String {
    match key {
        Value::String(name) => format!(".{}", name.to_string_lossy()),
        Value::Integer(n) => format!("[{n}]"),
        Value::Number(n) => format!("[{n}]"),
        Value::Boolean(is) => format!("[{is}]"),
        other => format!("[{}]", describe(other)),
    }
}
