//! Faults on processes of this machine, one file each, and what they share.

pub mod freeze;
pub mod name;
pub mod target;
