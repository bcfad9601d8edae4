//! Every storage against the conformance suites, and what is particular to each.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's verdict is a panic"
)]

mod azure;
mod disk_full;
mod kill;
mod local;
mod memory;
mod model;
mod plain_folder;
mod proxy;
mod s3;
mod segments;
mod wrappers;
