//! The laboratory: from single runs to an answer that states its confidence.

pub mod campaign;
pub mod certify;
pub mod compare;
pub mod map;
pub mod search;
pub mod stable;
pub mod statistics;
pub mod sweep;
pub mod twin_map;
