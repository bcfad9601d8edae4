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
mod details;
mod diff;
mod diff_rows;
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
mod merge_times;
mod model;
mod move_branch;
mod objects;
mod outside;
mod paging;
mod pick;
mod plan;
mod preview;
mod record;
mod refs_expr;
mod repository;
mod reset;
mod resolve;
mod rollup;
mod sessions;
mod staged_rows;
mod staging_view;
mod tags;

pub use catalog::{Catalog, CatalogParts, StorageOpener};
pub use commit::RESERVED_METADATA;
pub use diff_rows::TableRowDiff;
pub use diff_tables::TableDiff;
pub use error::{RepositoryError, is_temporary};
pub use fsck::FsckReport;
pub use model::{
    Actor, BranchInfo, ChoiceAnswer, Chosen, CommitInfo, CommitRequest, ConflictFilter, CreateRepository,
    Decided, DiffItem, DiffKind, DiffRequest, Listed, LogRequest, MergeAnswer, MergeDetails, MergeRequest,
    MergeSession, MergeSummary, ObjectInfo, Paged, Paging, PickRequest, Preview, RepositoryInfo, ResetScope,
    ResolvedRef, SessionBegun, SessionConflict, Strategy, TableSummary, TagInfo, Verdict, WriteAnswer,
    WriteCondition,
};
pub use move_branch::BranchMove;
pub use objects::{ByteStream, RepositoryUpload};
pub use outside::is_outside;
pub use repository::Repository;
