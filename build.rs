//! Lua's C modules (`cjson`, LuaSocket) look for Lua's API in the program that loads them: whatever is linked exports it.
fn main() {
    println!("cargo:rustc-link-arg=-rdynamic");
    println!("cargo:rerun-if-changed=build.rs");
}
