//! When a request goes, and on which connection.

pub mod dispatcher;
pub mod pool;
pub mod spin;
pub mod wake_flag;
