//! The twin: a simulation of a system and its clients that predicts what an experiment on the system would show.
//!
//! It is a discrete-event simulation: pure, without a clock, a socket or a file, and the same for the same seed. It shares
//! no code with the services of the testbed, so that each can check the other. A simulated run has the load, the phases and
//! the verdict of an experiment, and the code that judges real runs judges it too.
//!
//! | module | content |
//! |---|---|
//! | [`model`] | what a system is made of: servers, queue, costly path, and what protects it |
//! | [`simulation`] | the simulation: from due times to outcomes |
//! | [`plan`] | a twin file, resolved |
//! | [`run`] | one simulated run and its verdict |
//! | [`boundary`] | the stable rate, and the shortest outage that tips, by many simulated runs |
//! | [`map`] | the shortest outage that tips, for many rates and seeds |
//! | [`answer`] | what `metawrk twin run` says |

pub mod answer;
pub mod boundary;
pub mod map;
pub mod model;
pub mod plan;
pub mod run;
pub mod simulation;

#[cfg(test)]
mod tests;
