//! Refs, and what differs between two.

use anabranch_app::{BranchInfo, DiffItem, TagInfo};
use anabranch_merge::Change;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Metadata, Pagination, PathType, seconds};

/// A branch or a tag, and its commit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Ref {
    /// Its name.
    pub id: String,
    /// The commit that it names.
    pub commit_id: String,
}

impl From<BranchInfo> for Ref {
    fn from(branch: BranchInfo) -> Self {
        Ref { id: branch.name.to_string(), commit_id: branch.head.to_hex() }
    }
}

impl From<TagInfo> for Ref {
    fn from(tag: TagInfo) -> Self {
        Ref { id: tag.name.to_string(), commit_id: tag.commit.to_hex() }
    }
}

/// A page of branches or tags, in order of name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RefList {
    /// Which page.
    pub pagination: Pagination,
    /// The refs.
    pub results: Vec<Ref>,
}

/// What happened to a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiffType {
    /// It is there and was not.
    Added,
    /// It was there and is not.
    Removed,
    /// It is another.
    Changed,
    /// Something below the prefix differs.
    PrefixChanged,
}

/// One line of a diff.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Diff {
    /// What happened.
    pub r#type: DiffType,
    /// The path, or the common prefix.
    pub path: String,
    /// Which of the two.
    pub path_type: PathType,
    /// The size of the object that is there, or was; none for a prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// The object on the right side, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<DiffObjectStat>,
}

/// What is known of an object on the right side of a diff.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DiffObjectStat {
    /// Its checksum, as in its stat.
    pub checksum: String,
    /// When it was written, in seconds since the Unix epoch.
    pub mtime: i64,
    /// Its media type.
    pub content_type: String,
    /// User metadata.
    #[serde(default)]
    pub metadata: Metadata,
}

impl Diff {
    /// The line for the wire; with the right side's object if `with_right`.
    pub(crate) fn new(item: DiffItem, with_right: bool) -> Self {
        let (r#type, path_type) = match (item.common_prefix, item.change) {
            (true, _) => (DiffType::PrefixChanged, PathType::CommonPrefix),
            (false, Change::Added) => (DiffType::Added, PathType::Object),
            (false, Change::Removed) => (DiffType::Removed, PathType::Object),
            (false, Change::Modified) => (DiffType::Changed, PathType::Object),
        };
        let size_bytes = item.after.as_ref().or(item.before.as_ref()).map(|entry| entry.size);
        let right = item.after.filter(|_| with_right).map(|entry| DiffObjectStat {
            checksum: entry.etag(),
            mtime: seconds(entry.modified_ms),
            content_type: entry.content_type,
            metadata: entry.metadata,
        });
        Diff { r#type, path: item.path, path_type, size_bytes, right }
    }
}

/// A page of a diff, in order of path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DiffList {
    /// Which page.
    pub pagination: Pagination,
    /// The lines.
    pub results: Vec<Diff>,
}
