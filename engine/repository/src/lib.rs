//! Branches, tags, commits, staging, log, diff, merge, revert and cherry-pick.

mod error;
mod model;

pub use error::RepositoryError;
pub use model::{
    Actor, BranchInfo, CommitInfo, CommitRequest, CreateRepository, DiffItem, DiffKind, DiffRequest, Listed, LogRequest,
    MergeAnswer, MergeRequest, MergeSummary, ObjectInfo, Paged, Paging, PickRequest, RepositoryInfo, ResetScope,
    ResolvedRef, Strategy, TableSummary, TagInfo, WriteAnswer, WriteCondition,
};
