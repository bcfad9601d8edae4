//! The engine against a plain model of it, its laws, and the equality of every type.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "these are tests"
)]

mod diff;
mod equality;
mod feed;
mod laws;
mod model;
mod policies;
mod scan;
mod support;
