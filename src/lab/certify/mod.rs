//! `metawrk certify`: whether a system has two states at one load.
//!
//! Two runs on one system answer that. The first has a fault, and shows the baseline (W1) and what the fault left (W2). If
//! the system is stuck, no load is sent until its requests have left the system. The second run has the same rate and the
//! same due times, and no fault (W3). What the windows prove is in
//! [`certificate`](crate::lab::statistics::certificate).

mod answer;
mod figure;
mod question;
mod strategy;

pub use answer::{CertifyAnswer, CertifyDetails};
pub use figure::draw_certificate;
pub use question::CertifyQuestion;
pub use strategy::Certify;

#[cfg(test)]
mod tests;
