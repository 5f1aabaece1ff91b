use super::*;

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
    assert!(error("request = function() end").starts_with("test.lua: request() returned nil, not a string"));
    assert!(error("request = function() return {} end").contains("returned a table, not a string"));
    assert!(
        error("request = function() return 'x' end")
            .contains("returned an invalid HTTP request in call 1, `x`: it ends within a head")
    );
}

#[test]
fn an_error_of_any_type_names_the_script() {
    for (text, says) in [("error('no')", "test.lua:1: no"), ("error({})", "test.lua:1: table: ")] {
        let error = vm(text).err().unwrap().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn errors_of_the_program_have_the_line_of_the_script() {
    for (text, says) in [
        ("\nwrk.lookup('no such host', 80)", "test.lua:2: unable to resolve no such host:80 "),
        ("\nwrk.lookup('localhost', 'no-such-service')", "test.lua:2: unable to resolve localhost:no-such-service "),
        ("wrk.connect('x')", "test.lua:1: `x` is not an address. Use IP:PORT"),
        ("\n\nwrk.format(nil, {})", "test.lua:3: wrk.lua:"),
        ("\nrequire 'nothing.of.this.name'", "test.lua:2: module 'nothing.of.this.name' not found"),
        ("\nerror('bare', 0)", "test.lua:2: bare"),
    ] {
        let error = vm(text).err().unwrap().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn errors_of_the_program_are_strings_for_scripts_that_catch_them() {
    for call in ["wrk.lookup, 'no such host', 80", "wrk.lookup, {}", "wrk.connect, 'x'"] {
        let text = format!("local fine, why = pcall({call})\nassert(not fine and type(why) == 'string', type(why))");
        vm(&text).unwrap_or_else(|error| panic!("{call}: {error}"));
    }
}

#[test]
fn the_function_that_failed_is_named() {
    let error = |result: Result<(), ScriptError>| result.unwrap_err().to_string();
    let text =
        "function init() x() end\nfunction done() x() end\nfunction delay() x() end\nfunction setup(t) t.id = 1 end";
    let main = main(text).unwrap();
    assert_eq!(error(vm(text).map(drop)), "test.lua:1: attempt to call global 'x' (a nil value) (in init)");
    assert_eq!(
        error(main.done(&DoneSummary::default(), &crate::stats::latency_histogram(), &[])),
        "test.lua:2: attempt to call global 'x' (a nil value) (in done)"
    );
    let vm = loaded(text, &[], &[]).unwrap();
    assert_eq!(error(vm.delay().map(drop)), "test.lua:3: attempt to call global 'x' (a nil value) (in delay)");
    assert_eq!(
        error(main.setup(Box::new(setup::MockThread::default()))),
        "test.lua:4: a thread has no field `id`. Set a global of its state with thread:set(\"id\", value) (in setup)"
    );
}

#[test]
fn a_shebang_line_is_counted_and_long_names_are_complete() {
    let name = format!("/home/{}/load.lua", "somebody/".repeat(10));
    for (text, says) in [
        ("#!/usr/bin/env lua\nerror('second')", ":2: second"),
        ("wrk.connect('x')", ":1: `x` is not an address. Use IP:PORT, as in 127.0.0.1:8080, or a result of wrk.lookup"),
    ] {
        let script = Script { name: name.clone(), text: text.into() };
        let environment = Environment { target: &target(), headers: &[], args: &[], method: None, body: None, seed: 3 };
        assert_eq!(Vm::load(Some(&script), &environment).err().unwrap().to_string(), format!("{name}{says}"));
    }
}
