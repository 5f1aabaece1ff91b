use super::*;

#[test]
fn the_built_in_socket_returns_the_time() {
    let vm = vm(r#"
        package.path, package.cpath = "", ""
        local socket = require("socket")
        assert(_G.socket == socket and socket._VERSION == "built-in" and socket.gettime() > 1.7e9 and require "socket" == socket)
        socket.sleep(-1)
        assert(math.abs(wrk.time_us() / 1e6 - socket.gettime()) < 60)"#);
    assert!(vm.is_ok(), "{:?}", vm.err());
}

#[test]
fn ffi_bit_and_jit_are_available() {
    let vm = vm(r#"assert(require("ffi").sizeof("int") == 4 and bit.bor(1, 2) == 3 and jit.version)"#);
    assert!(vm.is_ok(), "{:?}", vm.err());
}

#[test]
fn modules_of_the_distribution_are_found_after_lua_path() {
    let vm = vm("path, cpath = package.path, package.cpath").unwrap();
    assert!(text_of(&vm, "path").starts_with("./?.lua;"));
    assert!(text_of(&vm, "path").ends_with(";/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua"));
    assert!(text_of(&vm, "cpath").contains("-linux-gnu/lua/5.1/?.so;"));
}
