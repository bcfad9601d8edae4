//! Tables that real engines wrote, merged.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "these are tests")]
mod conformance;
mod fixtures;
mod hostile;
mod merges;
mod row_diff;
mod rows;
mod staged;
mod validation;
