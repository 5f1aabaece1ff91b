/// The name of [`TEXT`] in error messages.
pub const NAME: &str = "wrk.lua";

/// The embedded Lua text that defines the `wrk` table. Every state runs it before the script.
pub const TEXT: &str = include_str!("../../lua/wrk.lua");
