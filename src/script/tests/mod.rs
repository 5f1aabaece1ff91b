//! Tests by what a script sees and does.

mod compose_post;
mod done;
mod errors;
mod modules;
mod plain_value;
mod requests;
mod setup;

use super::*;
use crate::byte_text::ByteText;
use crate::http1::PipelinedRequest;
use crate::target::Target;

fn script(text: &str) -> Script {
    Script { name: "test.lua".into(), text: text.into() }
}

fn target() -> Target {
    Target::parse("http://localhost:8080/index?a=b").unwrap()
}

fn loaded(text: &str, headers: &[(String, ByteText)], args: &[ByteText]) -> Result<Vm, ScriptError> {
    Vm::load(Some(&script(text)), &Environment { target: &target(), headers, args, method: None, body: None, seed: 3 })
}

/// A state that is ready to make requests.
fn vm(text: &str) -> Result<Vm, ScriptError> {
    vm_with(text, &[], &[])
}

fn vm_with(text: &str, headers: &[(String, ByteText)], args: &[ByteText]) -> Result<Vm, ScriptError> {
    initialized(loaded(text, headers, args)?)
}

fn initialized(mut vm: Vm) -> Result<Vm, ScriptError> {
    vm.init().map(|()| vm)
}

fn main(text: &str) -> Result<MainState, ScriptError> {
    MainState::load(
        &script(text),
        &Environment { target: &target(), headers: &[], args: &[], method: None, body: None, seed: 3 },
    )
}

fn request(vm: &Vm) -> Result<String, ScriptError> {
    pipeline(vm).map(|(text, _)| text)
}

fn pipeline(vm: &Vm) -> Result<(String, Vec<PipelinedRequest>), ScriptError> {
    let (mut bytes, mut parts) = (Vec::new(), Vec::new());
    vm.request(&mut bytes, &mut parts)?;
    Ok((String::from_utf8(bytes).unwrap(), parts))
}

/// The value of a global that is a string.
fn text_of(vm: &Vm, name: &str) -> String {
    match vm.get(name).unwrap() {
        PlainValue::String(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("{name} is {other:?}"),
    }
}
