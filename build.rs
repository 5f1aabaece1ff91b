//! Lua's C modules (`cjson`, LuaSocket) look for Lua's API in the program that loads them.
fn main() {
    println!("cargo:rustc-link-arg-bins=-rdynamic");
    println!("cargo:rerun-if-changed=build.rs");
}
