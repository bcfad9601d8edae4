//! Branches, tags, commits, staging, log, diff, merge, revert and cherry-pick.

mod ancestry;
mod blobs;
mod branches;
mod catalog;
mod chain;
mod claims;
mod commit;
mod commits;
mod delta;
mod diff;
mod diff_tables;
mod error;
mod fsck;
pub mod fuzz;
mod graph;
mod group;
mod in_the_way;
mod ledger;
mod list;
mod log;
mod merge;
mod model;
mod objects;
mod outside;
mod paging;
mod pick;
mod record;
mod refs_expr;
mod repository;
mod reset;
mod resolve;
mod rollup;
mod staged_rows;
mod staging_view;
mod tags;

pub use catalog::{Catalog, CatalogParts, StorageOpener};
pub use diff_tables::TableDiff;
pub use error::{RepositoryError, is_temporary};
pub use fsck::FsckReport;
pub use model::{
    Actor, BranchInfo, CommitInfo, CommitRequest, CreateRepository, DiffItem, DiffKind, DiffRequest, Listed,
    LogRequest, MergeAnswer, MergeRequest, MergeSummary, ObjectInfo, Paged, Paging, PickRequest,
    RepositoryInfo, ResetScope, ResolvedRef, Strategy, TableSummary, TagInfo, WriteAnswer, WriteCondition,
};
pub use objects::{ByteStream, RepositoryUpload};
pub use outside::is_outside;
pub use repository::Repository;
