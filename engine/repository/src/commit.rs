//! Commits of a branch's staged changes.

use std::sync::Arc;

use anabranch_tree::{CommitToPack, DeltaList, Tree};
use anabranch_types::{BranchName, Commit};

use crate::group::{Done, Work};
use crate::repository::Inner;
use crate::{CommitInfo, CommitRequest, Repository, RepositoryError};

/// Who made a repository's first commit.
const FIRST_COMMITTER: &str = "anabranch";
/// What a repository's first commit says.
const FIRST_MESSAGE: &str = "Repository created";

impl Repository {
    /// Commits what is staged on the branch. Commits and merges into one branch that come at the same time share one
    /// write. Costs O(changes). Equal bytes written again are no change.
    ///
    /// Crash-safe: what was staged and acknowledged is staged or committed afterwards, never lost.
    ///
    /// # Errors
    /// [`RepositoryError::NothingToCommit`] unless the request allows an empty commit, [`RepositoryError::NotFound`] for
    /// the branch, [`RepositoryError::Busy`] when other servers kept moving it until the request's deadline.
    pub async fn commit(
        &self,
        branch: &BranchName,
        request: CommitRequest,
    ) -> Result<CommitInfo, RepositoryError> {
        check_texts(&request.message, &request.committer.0, &request.metadata)?;
        match self.join_group(branch, Work::Commit(request)).await? {
            Done::Commit(commit) => Ok(commit),
            Done::Merge(_) => Err(RepositoryError::Interrupted { branch: branch.to_string() }),
        }
    }
}

impl Inner {
    /// Gives a new repository its default branch, at a commit without objects.
    pub(crate) async fn insert_first_commit(self: &Arc<Self>) -> Result<(), RepositoryError> {
        let tree = Tree::empty();
        let commit = Commit {
            parents: Vec::new(),
            tree: tree.id(),
            generation: 1,
            created_ms: self.info.created_ms,
            committer: FIRST_COMMITTER.to_owned(),
            message: FIRST_MESSAGE.to_owned(),
            metadata: Default::default(),
        };
        let id = commit.id();
        let first = [CommitToPack { commit, tree, delta: Some(DeltaList::default()) }];
        let packed = self.pack(&self.trees.session(), &first);
        let packed = packed.map_err(RepositoryError::tree(format!("repository {}", self.info.name)))?;
        self.store_commits(packed).await?;
        self.insert_branch(&self.info.default_branch, id, false).await
    }
}

/// The longest message, committer, or name or value of the metadata, in bytes; a little below what a commit record takes.
const TEXT_BYTES_MAX: usize = 1_000_000;
/// The most pairs of metadata.
const METADATA_MAX: usize = 10_000;

/// What the names of a commit's metadata begin with that the server writes itself. Nobody else can.
pub const RESERVED_METADATA: &str = "anabranch.";

/// Refuses what a commit record does not take, and what only the server writes.
pub(crate) fn check_texts(
    message: &str,
    committer: &str,
    metadata: &std::collections::BTreeMap<String, String>,
) -> Result<(), RepositoryError> {
    if metadata.len() > METADATA_MAX {
        return Err(RepositoryError::invalid(format!(
            "a commit takes at most {METADATA_MAX} pairs of metadata"
        )));
    }
    if let Some(name) = metadata.keys().find(|name| name.starts_with(RESERVED_METADATA)) {
        return Err(RepositoryError::invalid(format!(
            "metadata {name:?}: names that begin with {RESERVED_METADATA:?} are the server's own"
        )));
    }
    let texts = metadata.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    for text in texts.chain([message, committer]) {
        if text.len() > TEXT_BYTES_MAX {
            return Err(RepositoryError::invalid(format!(
                "a text of {} bytes: messages, names and values of a commit have at most {TEXT_BYTES_MAX}",
                text.len()
            )));
        }
    }
    Ok(())
}
