//! The JSON Schemas in `schema/`.

use std::collections::BTreeSet;
use std::path::Path;

use boon::{Compiler, Schemas};
use serde_json::{Value, json};

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{name}.schema.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Fails if `document` is not as the schema `name` says. Unknown keys are errors too: readers must accept them, but this version
/// writes none.
pub fn check(name: &str, document: &Value) {
    let mut schema = read(name);
    forbid_other_keys(&mut schema);
    let mut compiler = Compiler::new();
    compiler.add_resource("schema.json", schema).unwrap();
    let mut schemas = Schemas::new();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    if let Err(error) = schemas.validate(document, index) {
        panic!("{name}: {error:#}");
    }
}

fn forbid_other_keys(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(forbid_other_keys);
            if object.get("type") == Some(&json!("object")) {
                object.insert("additionalProperties".into(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(forbid_other_keys),
        _ => {}
    }
}

/// The paths of all values of the schema `name`: `a.b`, `a[].b` for the objects of an array. Other arrays are values.
pub fn paths(name: &str) -> BTreeSet<String> {
    let (schema, mut found) = (read(name), BTreeSet::new());
    collect(&schema, &schema, "", &mut found);
    found
}

fn collect(root: &Value, schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    if let Some(target) = schema["$ref"].as_str().filter(|target| !target.ends_with("/text")) {
        return collect(root, root.pointer(&target[1..]).unwrap(), at, found);
    }
    // A value that may be null.
    let objects = schema["anyOf"].as_array().into_iter().flatten().find(|one| one["properties"].is_object());
    match (&objects.unwrap_or(schema)["properties"], &schema["items"]) {
        (Value::Object(properties), _) => properties.iter().for_each(|(key, value)| {
            let below = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            collect(root, value, &below, found);
        }),
        (_, items) if items["properties"].is_object() || items["$ref"] == "#/$defs/part" => {
            collect(root, items, &format!("{at}[]"), found);
        }
        _ => drop(found.insert(at.to_owned())),
    }
}
