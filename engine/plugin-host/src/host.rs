//! The functions that plugins call, one module per interface of the contract.

mod diffs;
mod log;
mod output;
mod snapshots;
mod table_files;
mod writers;
