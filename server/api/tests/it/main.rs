//! The REST interface in process, over memory: requests in, answers out.
//!
//! Helpers unwrap: a failure here is a failed test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod accounts;
mod bad_input;
mod branch_protection;
mod branches;
mod commits;
mod contract;
mod deleted;
mod imports;
mod merge_session_places;
mod merge_sessions;
mod merges;
mod objects;
mod permissions;
mod place_diffs;
mod previews;
mod repositories;
mod row_diffs;
mod server;
mod staging;
