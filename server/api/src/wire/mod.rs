//! What goes over the wire, as the lakeFS clients know it; fields of our own are named as such.
//!
//! These types are not the domain's: the conversions are written by hand, beside each type.

mod accounts;
mod branch_protection;
mod branches;
mod commits;
mod config;
mod conflicts;
mod imports;
mod merge_sessions;
mod merges;
mod objects;
mod page;
mod plugins;
mod previews;
mod refs;
mod repositories;
mod row_diffs;
mod staging;
mod tables;
mod tags;
mod tokens;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use accounts::{
    Credentials, CredentialsList, CredentialsWithSecret, CurrentUser, Group, GroupCreation, GroupList,
    Policy, PolicyList, Statement, User, UserCreation, UserList,
};
pub use branch_protection::BranchProtectionRule;
pub(crate) use branches::pick_input;
pub use branches::{
    BranchCreation, CherryPickCreation, CommitOverrides, ResetCreation, ResetType, RevertCreation,
};
pub use commits::{Commit, CommitCreation, CommitList};
pub use config::{Config, StatsEvent, StatsEventsList, StorageConfig, VersionConfig};
pub use conflicts::{Conflict, ConflictChoice, ConflictClass, count_conflicts};
pub use imports::{ImportCreation, ImportCreationResponse, ImportLocation, ImportStatus};
pub use merge_sessions::{
    AlreadyDecided, ConflictChoiceCreation, ConflictChoicesCreation, ConflictChoicesMade, Decided,
    MergeSession, MergeSessionBegun, MergeSessionCompletion, MergeSessionCreation, MergeSessionList,
    SessionConflict, SessionConflictList,
};
pub use merges::{FindMergeBaseResult, Merge, MergeConflict, MergeRefused, MergeResult, MergeSummary};
pub use objects::{
    ObjectCopyCreation, ObjectError, ObjectErrorList, ObjectStats, ObjectStatsList, PathList, PathType,
    UnderlyingObjectProperties,
};
pub use page::Pagination;
pub use plugins::{Plugin, PluginClaims, PluginList};
pub use previews::{MergePreview, MergeReport, StalePreview, Verdict};
pub use refs::{Diff, DiffList, DiffObjectStat, DiffType, Ref, RefList};
pub use repositories::{
    FsckReport, Repository, RepositoryCreation, RepositoryList, RepositoryMetadataKeys, RepositoryMetadataSet,
};
pub use row_diffs::{
    ChangedRow, ChangedRows, FileTotals, PartitionDiff, PartitionDiffs, PlaceChange, PlaceChanges, RowChange,
    TableRowDiff,
};
pub use staging::{ObjectStageCreation, StagingLocation, StagingMetadata, UpdateObjectUserMetadata};
pub use tables::{RowTotals, TableChange, TableDiff, TableDiffList, TableSummary, Verification};
pub use tags::TagCreation;
pub use tokens::{AccessKeyCredentials, AuthenticationToken, LoginInformation, Setup, SetupState};

/// User metadata: names and values.
pub type Metadata = BTreeMap<String, String>;

/// Every error.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Error {
    /// What is wrong, and what to do.
    pub message: String,
}

/// Whole seconds of a time in milliseconds: what lakeFS clients read.
pub(crate) fn seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1000)
}
