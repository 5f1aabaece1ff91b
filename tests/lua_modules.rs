//! Lua's C modules find Lua's API in the program: Debian's `lua-cjson` and `lua-socket`, where they are installed.

mod support;

use std::io::{Read, Write};

use metawrk::script::{Environment, PlainValue, Script, Vm};
use metawrk::target::Target;
use support::program::{WRK2, run};

/// What a chunk leaves in the global `found`; nothing, and loudly, where a module that it requires is not installed.
fn found(text: &str) -> Option<String> {
    let target = Target::parse("http://127.0.0.1:8000/").unwrap();
    let environment = Environment { target: &target, headers: &[], args: &[], seed: 1 };
    let script = Script { name: "modules.lua".into(), text: text.into() };
    match Vm::load(Some(&script), &environment) {
        Ok(vm) => match vm.get("found").unwrap() {
            PlainValue::String(bytes) => Some(String::from_utf8(bytes).unwrap()),
            other => panic!("found is {other:?}"),
        },
        Err(error) if error.to_string().contains("' not found:") => {
            // Not through eprintln!, whose text the harness keeps to itself when a test passes.
            let why = error.to_string();
            let why = why.lines().next().unwrap_or_default();
            let notice = format!("SKIPPED: {why} To test it: apt install lua-cjson lua-socket\n");
            std::io::stderr().write_all(notice.as_bytes()).unwrap();
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// That cjson works, in words.
const CJSON: &str = r#"
    local json = require "cjson"
    found = json.encode(json.decode('{"list": [1, 2.5, "x", true, null]}').list)"#;

#[test]
fn cjson_reads_and_writes() {
    if let Some(text) = found(CJSON) {
        assert_eq!(text, r#"[1,2.5,"x",true,null]"#);
    }
}

#[test]
fn an_installed_luasocket_is_preferred_and_connects() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!(
        r#"
        require "socket.core" -- the built-in socket has none
        local socket = require "socket"
        local peer = assert(socket.connect("127.0.0.1", {port}))
        peer:send("hello")
        peer:close()
        assert(socket.gettime() > 1.7e9)
        found = socket._VERSION"#
    );
    if let Some(version) = found(&text) {
        assert!(version.starts_with("LuaSocket"), "{version}");
        let mut said = String::new();
        listener.accept().unwrap().0.read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello");
    }
}

#[test]
fn the_program_exports_luas_api() {
    if found(CJSON).is_none() {
        return;
    }
    let server = support::Server::answering(support::OK);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("json.lua"), format!("{CJSON}\nerror('found ' .. found)")).unwrap();
    let ended = run(WRK2, dir.path(), &["-R", "10", "-s", "json.lua", &server.url()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains(r#"json.lua:4: found [1,2.5,"x",true,null]"#), "{}", ended.err);
}
