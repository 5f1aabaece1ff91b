use super::*;
use crate::target::Target;

fn vm(text: &str) -> Result<Vm, ScriptError> {
    vm_with(text, &[], &[])
}

fn vm_with(text: &str, headers: &[(String, String)], args: &[String]) -> Result<Vm, ScriptError> {
    let target = Target::parse("http://localhost:8080/index?a=b").unwrap();
    let script = Script { name: "test.lua".into(), text: text.into() };
    begun(Vm::load(Some(&script), &Environment { target: &target, headers, args, seed: 3 })?)
}

fn begun(mut vm: Vm) -> Result<Vm, ScriptError> {
    vm.init().map(|()| vm)
}

fn request(vm: &Vm) -> Result<String, ScriptError> {
    let mut bytes = Vec::new();
    vm.request(&mut bytes, &mut Vec::new())?;
    Ok(String::from_utf8(bytes).unwrap())
}

#[test]
fn without_a_script_the_url_is_got() {
    let vm = vm("").unwrap();
    assert!(vm.is_fixed() && !vm.wants_responses());
    assert_eq!(request(&vm).unwrap(), "GET /index?a=b HTTP/1.1\r\nHost: localhost:8080\r\n\r\n");
}

#[test]
fn wrk_fields_shape_the_request() {
    let vm = vm(r#"wrk.method = "POST"; wrk.body = "x=1"; wrk.headers["Host"] = "other""#).unwrap();
    assert_eq!(request(&vm).unwrap(), "POST /index?a=b HTTP/1.1\r\nHost: other\r\nContent-Length: 3\r\n\r\nx=1");
}

#[test]
fn headers_of_the_command_line_are_in_wrk_headers() {
    let vm = vm_with("", &[("X-A".into(), "1".into())], &[]).unwrap();
    assert!(request(&vm).unwrap().contains("\r\nX-A: 1\r\n"));
}

#[test]
fn format_passes_absolute_urls_through() {
    let vm =
        vm(r#"request = function() return wrk.format("PUT", "http://localhost:8080/p", {A = 1}, "b") end"#).unwrap();
    assert!(!vm.is_fixed());
    assert_eq!(
        request(&vm).unwrap(),
        "PUT http://localhost:8080/p HTTP/1.1\r\nHost: localhost:8080\r\nA: 1\r\nContent-Length: 1\r\n\r\nb"
    );
}

#[test]
fn init_gets_the_url_and_the_arguments() {
    let text = r#"function init(args) wrk.path = args[0] .. "|" .. args[1] .. #args end"#;
    let vm = vm_with(text, &[], &["one".into()]).unwrap();
    assert!(request(&vm).unwrap().starts_with("GET http://localhost:8080/index?a=b|one1 HTTP/1.1"));
}

#[test]
fn response_sees_status_headers_and_body() {
    let vm = vm(r#"
        function response(status, headers, body) wrk.path = "/" .. status .. headers["X"] .. body end
        function request() return wrk.format() end"#)
    .unwrap();
    assert!(vm.wants_responses());
    vm.response(204, &[("X".into(), b"-x-".to_vec())], b"body").unwrap();
    assert!(request(&vm).unwrap().starts_with("GET /204-x-body HTTP/1.1"));
}

#[test]
fn the_built_in_socket_tells_the_time() {
    let vm = vm(r#"
        local socket = require("socket")
        assert(socket.gettime() > 1.7e9 and require "socket" == socket)
        socket.sleep(-1)
        assert(math.abs(wrk.time_us() / 1e6 - socket.gettime()) < 60)"#);
    assert!(vm.is_ok(), "{:?}", vm.err());
}

#[test]
fn ffi_bit_and_jit_are_there() {
    let vm = vm(r#"assert(require("ffi").sizeof("int") == 4 and bit.bor(1, 2) == 3 and jit.version)"#);
    assert!(vm.is_ok(), "{:?}", vm.err());
}

#[test]
fn errors_name_the_script_and_the_line() {
    let error = |text: &str| match vm(text) {
        Err(error) => error.to_string(),
        Ok(vm) => request(&vm).unwrap_err().to_string(),
    };
    assert_eq!(error("\nlocal x = = 1"), "test.lua:2: unexpected symbol near '='");
    assert_eq!(error("\n\nerror('oops')"), "test.lua:3: oops");
    assert_eq!(error("function init() error('in init') end"), "test.lua:1: in init (in init)");
    assert_eq!(error("request = function()\n error('later') end"), "test.lua:2: later");
    assert!(error("request = function() end").starts_with("test.lua: request() returned nil, no string"));
    assert!(error("request = function() return {} end").contains("returned a table, no string"));
    assert!(error("request = function() return 'x' end").contains("returned no HTTP request: it ends in the middle"));
}

#[test]
fn compose_post_makes_the_form_that_the_social_network_takes() {
    let target = Target::parse("http://127.0.0.1:8080/wrk2-api/post/compose").unwrap();
    let environment = Environment { target: &target, headers: &[], args: &[], seed: 1 };
    let vm = begun(Vm::load(Script::built_in("compose-post").as_ref(), &environment).unwrap()).unwrap();
    for _ in 0..200 {
        let text = request(&vm).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST http://127.0.0.1:8080/wrk2-api/post/compose HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("Content-Type: application/x-www-form-urlencoded"));
        let names: Vec<&str> = body.split('&').map(|field| field.split_once('=').unwrap().0).collect();
        assert_eq!(names, ["username", "user_id", "text", "media_ids", "media_types", "post_type"]);
        assert!(body.contains("%40username_") && body.contains("+http%3A%2F%2F"));
    }
}

#[test]
fn compose_post_repeats_with_the_seed() {
    let target = Target::parse("http://127.0.0.1:8080/").unwrap();
    let first = |seed| {
        let environment = Environment { target: &target, headers: &[], args: &[], seed };
        request(&begun(Vm::load(Script::built_in("compose-post").as_ref(), &environment).unwrap()).unwrap()).unwrap()
    };
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

#[test]
fn a_script_is_named_whatever_it_raises() {
    for (text, says) in [("error('no')", "test.lua:1: no"), ("error({})", "test.lua:1: table: ")] {
        let error = vm(text).err().unwrap().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}
