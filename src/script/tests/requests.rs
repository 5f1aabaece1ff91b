use super::*;
use crate::units::Time;

#[test]
fn without_a_script_the_request_gets_the_url() {
    let vm = vm("").unwrap();
    assert!(vm.is_fixed() && !vm.has_response());
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
fn response_can_have_all_values_of_a_header() {
    let vm = vm(r#"
        function response(status, headers, body, all)
            local names = {}
            for name, value in pairs(headers) do names[#names + 1] = name .. "=" .. value end
            table.sort(names)
            wrk.path = "/" .. table.concat(names, ",") .. ";" .. table.concat(all("SET-COOKIE"), "+") .. ";" .. #all("none")
        end
        function request() return wrk.format() end"#)
    .unwrap();
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let headers = vec![header("Set-Cookie", "a"), header("Set-Cookie", "b"), header("set-cookie", "c")];
    vm.response(200, headers, b"").unwrap();
    let (mut bytes, mut parts) = (Vec::new(), Vec::new());
    vm.request(&mut bytes, &mut parts).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("GET /Set-Cookie=b,set-cookie=c;a+b+c;0 HTTP/1.1"), "as wrk2 gives it, and all: {text}");
}

#[test]
fn response_sees_status_headers_and_body() {
    let vm = vm(r#"
        function response(status, headers, body) wrk.path = "/" .. status .. headers["X"] .. body end
        function request() return wrk.format() end"#)
    .unwrap();
    assert!(vm.has_response());
    vm.response(204, vec![("X".into(), b"-x-".to_vec())], b"body").unwrap();
    assert!(request(&vm).unwrap().starts_with("GET /204-x-body HTTP/1.1"));
}

#[test]
fn format_adds_what_is_missing_and_does_not_change_its_arguments() {
    let vm = vm(r#"
        early = wrk.format()
        function init()
            local headers = { X = 1.5, Y = true, ["Content-Length"] = 7 }
            wrk.headers.A = "1"
            made = wrk.format(nil, "/p", { Host = "other" }, "") .. wrk.format("GET", "/", headers)
            assert(headers.Host == nil and headers["Content-Length"] == 7)
            wrk.body = "own"
            made = made .. wrk.format("GET", "/", {})
        end"#)
    .unwrap();
    assert_eq!(text_of(&vm, "early"), "GET /index?a=b HTTP/1.1\r\nHost: localhost:8080\r\n\r\n");
    let made = text_of(&vm, "made");
    assert!(
        made.starts_with("GET /p HTTP/1.1\r\nHost: other\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n"),
        "{made}"
    );
    assert!(made.contains("\r\nX: 1.5\r\n") && made.contains("\r\nY: true\r\n"), "{made}");
    assert!(!made.contains("Content-Length: 7") && !made.contains("A: 1"), "{made}");
    assert!(made.ends_with("Host: localhost:8080\r\nContent-Length: 3\r\n\r\nown"), "{made}");
}

#[test]
fn names_of_headers_are_equal_in_any_case() {
    let headers = [("host", "example.org"), ("content-type", "a/b"), ("CONTENT-LENGTH", "7"), ("accept", "x")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.into()));
    let lines = |text: &str| {
        let mut lines: Vec<String> =
            request(&vm_with(text, &headers, &[]).unwrap()).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines.concat()
    };
    let get = "GET /index?a=b HTTP/1.1";
    assert_eq!(lines(""), format!("{get}Host: example.orgaccept: xcontent-type: a/b"));
    let changed = r#"wrk.headers["Content-Type"] = "c/d" wrk.headers.HOST = "other" wrk.headers.Accept = nil
        assert(wrk.headers["CONTENT-type"] == "c/d" and wrk.headers.None == nil)"#;
    assert_eq!(lines(changed), format!("{get}Host: othercontent-type: c/d"));
    let own = r#"function request() return wrk.format(nil, nil, { HOST = "own", ["content-length"] = 9, X = 1 }, "body") end"#;
    assert_eq!(lines(own), format!("Content-Length: 4{get}Host: ownX: 1body"));
    let plain = r#"wrk.headers = { ["hOST"] = "plain" } function request() return wrk.format(nil, nil, { X = 1 }) end"#;
    assert_eq!(lines(plain), format!("{get}Host: plainX: 1"));
    assert_eq!(lines("wrk.headers = {}"), format!("{get}Host: localhost:8080"));
}

#[test]
fn scripts_arguments_and_headers_may_be_any_bytes() {
    let text = b"\xef\xbb\xbf-- caf\xe9\r\nfunction init(args)\r\n  wrk.path = '/\xe9' .. args[1]\r\nend\r\n".to_vec();
    let script = Script { name: "latin1.lua".into(), text: text.into() };
    let target = target();
    let (headers, args) = ([("X".to_owned(), b"\xfc".to_vec().into())], [b"\xe0".to_vec().into()]);
    let environment =
        Environment { target: &target, headers: &headers, args: &args, method: None, body: None, seed: 3 };
    let vm = initialized(Vm::load(Some(&script), &environment).unwrap()).unwrap();
    let (mut bytes, mut parts) = (Vec::new(), Vec::new());
    vm.request(&mut bytes, &mut parts).unwrap();
    assert_eq!(bytes, b"GET /\xe9\xe0 HTTP/1.1\r\nHost: localhost:8080\r\nX: \xfc\r\n\r\n");
    let broken = Script { text: b"\xef\xbb\xbf\r\n\r\nx = = 1 -- \xe9".to_vec().into(), ..script };
    let error = Vm::load(Some(&broken), &environment).err().unwrap().to_string();
    assert!(error.starts_with("latin1.lua:3: "), "{error}");
}

#[test]
fn the_target_is_in_wrk_and_may_be_changed_there() {
    let text = r#"
        assert(wrk.scheme == "http" and wrk.host == "localhost" and wrk.port == "8080" and wrk.path == "/index?a=b")
        assert(url == "http://localhost:8080/index?a=b" and wrk.thread == nil)
        wrk.host, wrk.port = "::1", nil"#;
    assert!(request(&vm(text).unwrap()).unwrap().contains("\r\nHost: [::1]\r\n"));
}

#[test]
fn the_requests_of_a_pipeline_are_found() {
    let vm = vm(r#"
        local get, head = wrk.format("GET", "/?a"), wrk.format("HEAD", "/?b")
        function request() return get .. head .. wrk.format("POST", "/?c", nil, "body") end"#)
    .unwrap();
    let (text, parts) = pipeline(&vm).unwrap();
    assert_eq!(parts.iter().map(|part| part.is_head).collect::<Vec<_>>(), [false, true, false]);
    assert!(text[parts[0].end..].starts_with("HEAD /?b") && text[parts[1].end..].starts_with("POST /?c"));
    assert_eq!(parts[2].end, text.len());
    assert_eq!(pipeline(&vm).unwrap(), (text, parts));
}

#[test]
fn a_request_without_an_end_is_named_by_its_call_and_its_first_line() {
    let vm = vm(r#"
        local n = 0
        function request()
            n = n + 1
            local path = n == 3 and "/two words" or "/" .. n
            local length = n == 5 and 9 or 4
            return wrk.format("GET", path) .. "POST " .. path .. " HTTP/1.1\r\nContent-Length: " .. length .. "\r\n\r\nbody"
        end"#)
    .unwrap();
    for _ in 0..4 {
        assert_eq!(pipeline(&vm).unwrap().1.len(), 2, "odd requests are sent");
    }
    insta::assert_snapshot!(
        request(&vm).unwrap_err(),
        @"test.lua: request() returned an invalid HTTP request in call 5, `POST /5 HTTP/1.1`: it ends within a body (is Content-Length too great?)"
    );
}

#[test]
fn request_may_return_different_pipelines() {
    let vm = vm(r#"
        local n, one = 0, wrk.format("GET", "/")
        function request()
            n = n + 1
            if n % 7 == 0 then return "no request" end
            return one:rep(1 + math.floor(n / 2) % 2)
        end"#)
    .unwrap();
    let counts: Vec<usize> = (0..9).map(|_| pipeline(&vm).map_or(0, |(_, parts)| parts.len())).collect();
    assert_eq!(counts, [1, 2, 2, 1, 1, 2, 0, 1, 1]);
}

#[test]
fn functions_may_be_replaced_while_the_script_runs() {
    let vm = vm(r#"
        function request() return wrk.format("GET", "/login") end
        function response()
            function request() return wrk.format("GET", "/next") end
            response = nil
        end"#)
    .unwrap();
    assert!(request(&vm).unwrap().starts_with("GET /login "));
    vm.response(200, vec![], b"").unwrap();
    vm.response(200, vec![], b"").unwrap();
    assert!(request(&vm).unwrap().starts_with("GET /next "));
}

#[test]
fn delays_are_in_ms_and_never_negative() {
    let delay = |value: &str| vm(&format!("function delay() return {value} end")).unwrap().delay().unwrap();
    assert_eq!(
        [delay("10"), delay("0.25"), delay("'3'")],
        [Time::from_millis(10), Time(250_000), Time::from_millis(3)]
    );
    assert_eq!([delay("-5"), delay("nil"), delay("0/0")], [Time::ZERO; 3]);
    assert!(delay("math.huge") > Time::from_secs(1 << 30));
    let vm = vm("function delay() return {} end").unwrap();
    assert!(vm.has_delay());
    assert!(vm.delay().unwrap_err().to_string().starts_with("test.lua: delay() returned a table, not a number"));
}

#[test]
fn globals_with_the_name_of_a_function_are_ignored() {
    let vm = vm("delay, response, init, setup, done = 10, {}, 'x', true, 5").unwrap();
    assert!(vm.is_fixed() && !vm.has_response() && !vm.has_delay());
    vm.response(200, vec![], b"").unwrap();
}
