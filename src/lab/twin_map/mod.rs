//! `metawrk twin map`: the map that a twin predicts, as a sentence, as data and as a figure. `metawrk map --twin` draws it
//! below a measured one.

mod answer;
mod figure;

pub use answer::{TwinColumnDetails, TwinMapAnswer, format_runs};
pub use figure::{draw_twin_map, to_map_columns};

#[cfg(test)]
mod tests;
