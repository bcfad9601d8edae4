//! The mutable state of a server, behind two narrow traits: [`RefsBackend`] and [`StagingStore`].

mod backend;
mod error;
mod staging;

pub use backend::{
    EDITS_MAX, Edit, Expect, FenceMark, Operation, Page, Partition, RefUpdate, RefsBackend, ScanRange, Token, VALUE_BYTES_MAX, Version, Versioned,
    WriteId,
};
pub use error::RefsError;
pub use staging::{
    Condition, ConditionalRow, Dropped, Fence, Staged, StagedPage, StagedRow, StagedValue, StagingStore,
};
