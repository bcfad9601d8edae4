//! The mutable state of a server, behind two narrow traits: [`RefsBackend`] and [`StagingStore`].
//!
//! One module and one feature per backend: [`MemoryStore`], `SqliteStore`, `PostgresStore`. Each holds both
//! traits, because a staging write is fenced by the branch record that lies beside it. What is decided
//! (preconditions, conditions, overlays) is decided once, in pure functions that all backends share.

mod backend;
mod error;
mod judge;
mod memory;
mod range;
mod staging;

#[cfg(feature = "test-support")]
pub mod conformance;
#[cfg(feature = "test-support")]
pub mod fault;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use backend::{
    EDITS_MAX, Edit, Expect, FenceMark, Operation, Page, Partition, RefUpdate, RefsBackend, ScanRange, Token,
    VALUE_BYTES_MAX, Version, Versioned, WriteId,
};
pub use error::RefsError;
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresConfig, PostgresStore};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use staging::{
    Condition, ConditionalRow, Dropped, Fence, Staged, StagedPage, StagedRow, StagedValue, StagingStore,
};
