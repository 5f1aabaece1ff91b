//! C modules of Lua find the Lua API in the program. Tested with `lua-cjson` and `lua-socket` of Debian, if installed.

mod support;

use std::io::{Read, Write};

use metawrk::script::{Environment, PlainValue, Script, Vm};
use metawrk::target::Target;
use support::program::{WRK2, run};

/// Runs a script and returns its global `found`. If a module that it requires is not installed, prints a notice and
/// returns `None`.
fn run_script(text: &str) -> Option<String> {
    let target = Target::parse("http://127.0.0.1:8000/").unwrap();
    let environment = Environment { target: &target, headers: &[], args: &[], method: None, body: None, seed: 1 };
    let script = Script { name: "modules.lua".into(), text: text.into() };
    match Vm::load(Some(&script), &environment) {
        Ok(vm) => match vm.get("found").unwrap() {
            PlainValue::String(bytes) => Some(String::from_utf8(bytes).unwrap()),
            other => panic!("found is {other:?}"),
        },
        Err(error) if error.to_string().contains("' not found:") => {
            // Not with eprintln!, whose output the test harness hides if the test passes.
            let why = error.to_string();
            let why = why.lines().next().unwrap_or_default();
            let notice = format!("SKIPPED: {why} To test it: apt install lua-cjson lua-socket\n");
            std::io::stderr().write_all(notice.as_bytes()).unwrap();
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A script that uses cjson.
const CJSON: &str = r#"
    local json = require "cjson"
    found = json.encode(json.decode('{"list": [1, 2.5, "x", true, null]}').list)"#;

#[test]
fn cjson_reads_and_writes() {
    if let Some(text) = run_script(CJSON) {
        assert_eq!(text, r#"[1,2.5,"x",true,null]"#);
    }
}

#[test]
fn an_installed_luasocket_is_preferred_and_connects() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!(
        r#"
        require "socket.core" -- missing if the built-in socket is used
        local socket = require "socket"
        local peer = assert(socket.connect("127.0.0.1", {port}))
        peer:send("hello")
        peer:close()
        assert(socket.gettime() > 1.7e9)
        found = socket._VERSION"#
    );
    if let Some(version) = run_script(&text) {
        assert!(version.starts_with("LuaSocket"), "{version}");
        let mut received = String::new();
        listener.accept().unwrap().0.read_to_string(&mut received).unwrap();
        assert_eq!(received, "hello");
    }
}

#[test]
fn the_program_exports_the_lua_api() {
    if run_script(CJSON).is_none() {
        return;
    }
    let server = support::Server::answering(support::OK);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("json.lua"), format!("{CJSON}\nerror('found ' .. found)")).unwrap();
    let ended = run(WRK2, dir.path(), &["-R", "10", "-s", "json.lua", &server.url()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains(r#"json.lua:4: found [1,2.5,"x",true,null]"#), "{}", ended.err);
}
