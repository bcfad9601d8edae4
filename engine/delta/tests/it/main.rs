//! Tables that real engines wrote, merged.

mod conformance;
mod fixtures;
mod hostile;
mod merges;
