//! Pacing: which request is sent next, when, and on which connection.

pub mod dispatcher;
pub mod pacer;
pub mod pool;
pub mod spin;
pub mod timer;
pub mod wake_flag;
