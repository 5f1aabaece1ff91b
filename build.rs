//! Lua's C modules (`cjson`, LuaSocket) look up the Lua API in the program that loads them. So every program exports
//! it.
fn main() {
    println!("cargo:rustc-link-arg=-rdynamic");
    println!("cargo:rerun-if-changed=build.rs");
}
