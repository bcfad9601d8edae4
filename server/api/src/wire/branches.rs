//! Branches, and what is done to one: reset, revert, cherry-pick.

use anabranch_app::PickInput;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Metadata;

/// A branch to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct BranchCreation {
    /// Its name: letters, digits, underscores and hyphens.
    pub name: String,
    /// The ref at whose commit it begins.
    pub source: String,
    /// Accepted and without effect: no repository is read-only.
    pub force: Option<bool>,
    /// Whether listings leave it out.
    pub hidden: Option<bool>,
}

/// What a reset throws away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResetType {
    /// The uncommitted change of one object.
    Object,
    /// Those below a prefix.
    CommonPrefix,
    /// All of the branch.
    Reset,
}

/// A reset of uncommitted changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResetCreation {
    /// What is thrown away.
    pub r#type: ResetType,
    /// The object or the prefix, where `type` names one.
    pub path: Option<String>,
    /// Accepted and without effect.
    pub force: Option<bool>,
}

/// What a commit made by the server carries instead of its own words.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CommitOverrides {
    /// The message.
    pub message: Option<String>,
    /// The metadata.
    pub metadata: Option<Metadata>,
}

/// A commit to be undone.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RevertCreation {
    /// The commit, given by a ref.
    pub r#ref: String,
    /// What the new commit carries.
    pub commit_overrides: Option<CommitOverrides>,
    /// Which parent of a merge commit counts as the state before, from 1; 0 or left out: the commit has one.
    pub parent_number: Option<i64>,
    /// Accepted and without effect.
    pub force: Option<bool>,
    /// Whether a commit without changes is made.
    pub allow_empty: Option<bool>,
}

/// A commit to be repeated.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CherryPickCreation {
    /// The commit, given by a ref.
    pub r#ref: String,
    /// Which parent of a merge commit counts as the state before, from 1; 0 or left out: the commit has one.
    pub parent_number: Option<i64>,
    /// What the new commit carries.
    pub commit_overrides: Option<CommitOverrides>,
    /// Accepted and without effect.
    pub force: Option<bool>,
}

/// The request for the application; `None` for a parent number that no commit has.
pub(crate) fn pick_input(
    reference: String,
    parent_number: Option<i64>,
    overrides: Option<CommitOverrides>,
    allow_empty: Option<bool>,
) -> Option<PickInput> {
    let overrides = overrides.unwrap_or_default();
    Some(PickInput {
        reference,
        parent_number: usize::try_from(parent_number.unwrap_or(0)).ok()?,
        message: overrides.message.filter(|message| !message.is_empty()),
        metadata: overrides.metadata.unwrap_or_default(),
        allow_empty: allow_empty.unwrap_or(false),
    })
}
