//! The products of a run: figures, `report.html` and `summary.json` of an experiment; wrk2's text report, the JSON
//! report and the percentile spectrum of a plain load. Each product has its own file.
//!
//! Every product is a function of recorded data: a [`ReportData`], or the results of a load. Drawing a report again
//! gives the same bytes.

mod cause_advice;
pub mod ci;
mod data;
mod digest_records;
pub mod figures;
pub mod generator;
mod generator_text;
pub mod hgrm;
pub mod html;
pub mod interval_counts;
pub mod load_figures;
pub mod load_records;
pub mod load_summary;
pub mod load_totals;
pub mod parts;
pub mod phases;
mod read;
pub mod response_bounds;
mod running;
pub mod statistics;
pub mod summary;
pub mod thresholds;
pub mod warning;
mod write;
pub mod wrk2;

pub use data::{FaultWindow, Incident, ReportData};
pub use read::{ReportDataError, build_report_data, read_report_data};
pub use running::describe_running;
pub use write::{ReportError, write_report};

#[cfg(test)]
mod tests;
