//! Branches, tags, commits, staging, log, diff, merge, revert and cherry-pick.

mod branches;
mod catalog;
mod commit;
mod diff;
mod error;
mod fsck;
mod graph;
mod list;
mod merge;
mod model;
mod objects;
mod pick;
mod repository;
mod reset;
mod resolve;
mod tags;

pub use catalog::{Catalog, CatalogParts, StorageOpener};
pub use diff::TableDiff;
pub use error::RepositoryError;
pub use fsck::FsckReport;
pub use model::{
    Actor, BranchInfo, CommitInfo, CommitRequest, CreateRepository, DiffItem, DiffKind, DiffRequest, Listed,
    LogRequest, MergeAnswer, MergeRequest, MergeSummary, ObjectInfo, Paged, Paging, PickRequest,
    RepositoryInfo, ResetScope, ResolvedRef, Strategy, TableSummary, TagInfo, WriteAnswer, WriteCondition,
};
pub use objects::{ByteStream, RepositoryUpload};
pub use repository::Repository;
