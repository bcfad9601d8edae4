//! REST: the lakeFS-compatible surface and our own, and its OpenAPI document.
//!
//! One resource is one file of handlers here and one of wire types in [`wire`]. A handler extracts, makes one
//! call into the application, and maps the answer. `source` is theirs and `destination` is ours: this crate is
//! the one place that translates.

mod authenticate;
mod branch_protection;
mod branches;
mod commits;
mod config;
mod download;
mod error;
mod extract;
mod groups;
mod imports;
mod lines;
mod links;
mod login;
mod merge_sessions;
mod merges;
mod objects;
mod page;
mod plugins;
mod policies;
mod previews;
mod refs;
mod report;
mod repositories;
mod request_id;
mod router;
mod row_diffs;
mod staging;
mod statements;
mod table_diffs;
mod tags;
mod time;
mod upload;
mod users;
pub mod wire;

pub use router::{Options, openapi, router};
pub use time::utc;
