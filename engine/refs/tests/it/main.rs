//! Runs the conformance suites on every backend, and what only one backend can do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod durability;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod proxy;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::Arc;

use anabranch_types::Clock;
use anabranch_types::test_support::ManualClock;

/// A clock at some moment.
fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(1_700_000_000_000))
}
