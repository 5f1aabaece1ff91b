use std::ffi::c_void;

use mlua::{Lua, Value};

use super::ScriptError;
use super::errors::describe;

/// Tables may lie in one another so many deep; a list linked through its elements should be an array.
const DEPTH: usize = 200;

/// A value on its way from one Lua state to another.
#[derive(Clone, Debug, PartialEq)]
pub enum PlainValue {
    Nil,
    Boolean(bool),
    Number(f64),
    String(Vec<u8>),
    /// Keys and values, in no order.
    Table(Vec<(PlainValue, PlainValue)>),
}

impl PlainValue {
    /// Copies a value out of a state. `name` is what the script calls it.
    ///
    /// # Errors
    /// [`ScriptError::NotCopyable`] says which part of it can't be copy_value.
    pub(super) fn copy_from(name: &str, value: &Value) -> Result<PlainValue, ScriptError> {
        copy_value(value, &mut CopyPath { names: vec![name.to_owned()], tables: Vec::new() })
    }

    /// Puts a copy into a state.
    pub(super) fn put(&self, lua: &Lua) -> mlua::Result<Value> {
        Ok(match self {
            PlainValue::Nil => Value::Nil,
            PlainValue::Boolean(is) => Value::Boolean(*is),
            PlainValue::Number(n) => Value::Number(*n),
            PlainValue::String(bytes) => Value::String(lua.create_string(bytes)?),
            PlainValue::Table(entries) => {
                let table = lua.create_table_with_capacity(0, entries.len())?;
                for (key, value) in entries {
                    table.raw_set(key.put(lua)?, value.put(lua)?)?;
                }
                Value::Table(table)
            }
        })
    }
}

/// The way from a global to the value being copy_value: `global.key[3]`, and the tables that it leads through.
struct CopyPath {
    names: Vec<String>,
    tables: Vec<*const c_void>,
}

impl CopyPath {
    fn refuse(&self, what: impl Into<String>) -> ScriptError {
        ScriptError::NotCopyable { place: self.names.concat(), what: what.into() }
    }
}

fn copy_value(value: &Value, way: &mut CopyPath) -> Result<PlainValue, ScriptError> {
    Ok(match value {
        Value::Nil => PlainValue::Nil,
        Value::Boolean(is) => PlainValue::Boolean(*is),
        Value::Integer(n) => PlainValue::Number(*n as f64),
        Value::Number(n) => PlainValue::Number(*n),
        Value::String(text) => PlainValue::String(text.as_bytes().to_vec()),
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
                entries.push((copy_value(&key, way)?, copy_value(&value, way)?));
                way.names.pop();
            }
            way.tables.pop();
            PlainValue::Table(entries)
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
