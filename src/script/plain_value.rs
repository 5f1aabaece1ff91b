use std::ffi::c_void;

use mlua::{Lua, Value};

use super::ScriptError;
use super::errors::describe_type;

/// The greatest nesting of tables. A linked list can exceed it, and should be an array.
pub(super) const MAX_DEPTH: usize = 200;

/// A Lua value that can be copied from one state to another.
#[derive(Clone, Debug, PartialEq)]
pub enum PlainValue {
    /// `nil`.
    Nil,
    /// A boolean.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A string, which may be any bytes.
    String(Vec<u8>),
    /// Keys and values, in no particular order.
    Table(Vec<(PlainValue, PlainValue)>),
}

impl PlainValue {
    /// Copies a value from a state. `name` is the name of its global.
    ///
    /// # Errors
    /// [`ScriptError::NotCopyable`] names the part that cannot be copied.
    pub(super) fn copy_from(name: &str, value: &Value) -> Result<PlainValue, ScriptError> {
        copy_value(value, &mut CopyPath { names: vec![name.to_owned()], tables: Vec::new() })
    }

    /// Makes a copy in a state.
    pub(super) fn to_lua(&self, lua: &Lua) -> mlua::Result<Value> {
        Ok(match self {
            PlainValue::Nil => Value::Nil,
            PlainValue::Boolean(is) => Value::Boolean(*is),
            PlainValue::Number(n) => Value::Number(*n),
            PlainValue::String(bytes) => Value::String(lua.create_string(bytes)?),
            PlainValue::Table(entries) => {
                let table = lua.create_table_with_capacity(0, entries.len())?;
                for (key, value) in entries {
                    table.raw_set(key.to_lua(lua)?, value.to_lua(lua)?)?;
                }
                Value::Table(table)
            }
        })
    }
}

/// The path from the global to the current value, as in `global.key[3]`, and the tables on it.
struct CopyPath {
    names: Vec<String>,
    tables: Vec<*const c_void>,
}

impl CopyPath {
    fn refuse(&self, what: impl Into<String>) -> ScriptError {
        ScriptError::NotCopyable { place: self.names.concat(), what: what.into() }
    }
}

fn copy_value(value: &Value, path: &mut CopyPath) -> Result<PlainValue, ScriptError> {
    Ok(match value {
        Value::Nil => PlainValue::Nil,
        Value::Boolean(is) => PlainValue::Boolean(*is),
        Value::Integer(n) => PlainValue::Number(*n as f64),
        Value::Number(n) => PlainValue::Number(*n),
        Value::String(text) => PlainValue::String(text.as_bytes().to_vec()),
        Value::Table(table) => {
            if path.tables.contains(&table.to_pointer()) {
                return Err(path.refuse("a table that contains itself"));
            }
            if path.tables.len() == MAX_DEPTH {
                return Err(path.refuse(format!("a table nested more than {MAX_DEPTH} deep")));
            }
            path.tables.push(table.to_pointer());
            let mut entries = Vec::new();
            for entry in table.pairs::<Value, Value>() {
                let (key, value) =
                    entry.map_err(|error| path.refuse(format!("a table that cannot be read: {error}")))?;
                path.names.push(format_key(&key));
                entries.push((copy_value(&key, path)?, copy_value(&value, path)?));
                path.names.pop();
            }
            path.tables.pop();
            PlainValue::Table(entries)
        }
        other => return Err(path.refuse(describe_type(other))),
    })
}

/// The Lua notation for the field `key` of a table.
fn format_key(key: &Value) -> String {
    match key {
        Value::String(name) => format!(".{}", name.to_string_lossy()),
        Value::Integer(n) => format!("[{n}]"),
        Value::Number(n) => format!("[{n}]"),
        Value::Boolean(is) => format!("[{is}]"),
        other => format!("[{}]", describe_type(other)),
    }
}
