//! Parquet files, merged and compared.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "these are tests")]
mod budget;
mod cases;
mod columns;
mod conformance;
mod diff;
mod hostile;
mod layout;
mod metadata;
mod model;
mod spark;
mod support;
