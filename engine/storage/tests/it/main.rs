//! Every storage against the conformance suites, and what is particular to each.

mod local;
mod memory;
mod s3;
mod segments;
mod wrappers;
