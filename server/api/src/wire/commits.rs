//! Commits.

use anabranch_app::{CommitInfo, CommitInput};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Metadata, Pagination, seconds};

/// A commit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Commit {
    /// Its id: 64 hexadecimal characters.
    pub id: String,
    /// The ids of the commits it was made from; the first is the branch it was made on.
    pub parents: Vec<String>,
    /// Who made it.
    pub committer: String,
    /// What it says.
    pub message: String,
    /// When it was made, in seconds since the Unix epoch.
    pub creation_date: i64,
    /// The id of its tree: equal trees have equal ids.
    pub meta_range_id: String,
    /// What its maker attached.
    #[serde(default)]
    pub metadata: Metadata,
    /// One more than the largest generation of its parents.
    #[serde(default)]
    pub generation: u64,
    /// The version of lakeFS's commit record that this answers to.
    #[serde(default)]
    pub version: u8,
}

impl From<CommitInfo> for Commit {
    fn from(info: CommitInfo) -> Self {
        let commit = info.commit;
        Commit {
            id: info.id.to_hex(),
            parents: commit.parents.iter().map(|parent| parent.to_hex()).collect(),
            committer: commit.committer,
            message: commit.message,
            creation_date: seconds(commit.created_ms),
            meta_range_id: commit.tree.to_hex(),
            metadata: attached(commit.metadata),
            generation: commit.generation,
            version: 1,
        }
    }
}

/// A page of commits, newest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CommitList {
    /// Which page.
    pub pagination: Pagination,
    /// The commits.
    pub results: Vec<Commit>,
}

/// A commit to be made of what is staged.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CommitCreation {
    /// What it says.
    pub message: String,
    /// What its maker attaches.
    pub metadata: Option<Metadata>,
    /// Its time, if not now; seconds since the Unix epoch.
    pub date: Option<i64>,
    /// Whether a commit without changes is made.
    pub allow_empty: Option<bool>,
    /// Accepted and without effect.
    pub force: Option<bool>,
}

impl From<CommitCreation> for CommitInput {
    fn from(creation: CommitCreation) -> Self {
        CommitInput {
            message: creation.message,
            metadata: creation.metadata.unwrap_or_default(),
            allow_empty: creation.allow_empty.unwrap_or(false),
            date_ms: creation.date.map(|date| date.saturating_mul(1000)),
        }
    }
}

/// What people attached to a commit; what the server notes there has operations of its own.
fn attached(mut metadata: Metadata) -> Metadata {
    metadata.retain(|name, _| !name.starts_with(anabranch_app::RESERVED_METADATA));
    metadata
}
