//! Tests of the plugin host against real components.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adapter;
mod attacks;
mod cache;
mod contract;
mod excerpts;
mod fixture;
mod gathered;
mod habit;
mod kept;
mod lines;
mod pool;
mod streams;
mod support;
mod weather;
