//! What differs between two refs, and what is uncommitted.

use anabranch_merge::{Change, DiffOutcome};
use anabranch_types::BranchName;

use crate::{DiffItem, DiffKind, DiffRequest, Paged, Paging, Repository, RepositoryError};

/// A table or unit that differs between two refs.
#[derive(Clone, PartialEq, Debug)]
pub struct TableDiff {
    /// Its root.
    pub root: String,
    /// What happened to it as a whole.
    pub change: Change,
    /// Which merger compared it; none when no merger knows the format.
    pub merger: Option<String>,
    /// How many objects below the root differ.
    pub objects_changed: u64,
    /// What the merger says.
    pub outcome: DiffOutcome,
    /// Why the merger could not compare it, if it could not.
    pub failure: Option<String>,
}

impl Repository {
    /// A page of what differs between two refs, in order of path. Uncommitted changes do not count.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn diff(
        &self,
        left: &str,
        right: &str,
        request: &DiffRequest,
    ) -> Result<Paged<DiffItem>, RepositoryError> {
        let _ = (left, right, request);
        Err(crate::error::unfinished())
    }

    /// A page of a branch's uncommitted changes against its head, in order of path.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the branch.
    pub async fn diff_uncommitted(
        &self,
        branch: &BranchName,
        paging: &Paging,
        delimiter: Option<&str>,
    ) -> Result<Paged<DiffItem>, RepositoryError> {
        let _ = (branch, paging, delimiter);
        Err(crate::error::unfinished())
    }

    /// How many paths of the branch have uncommitted changes.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] for the branch.
    pub async fn uncommitted_count(&self, branch: &BranchName) -> Result<u64, RepositoryError> {
        let _ = branch;
        Err(crate::error::unfinished())
    }

    /// The tables that differ between two refs, in order of root, each compared by its merger.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn diff_tables(
        &self,
        left: &str,
        right: &str,
        kind: DiffKind,
    ) -> Result<Vec<TableDiff>, RepositoryError> {
        let _ = (left, right, kind);
        Err(crate::error::unfinished())
    }
}
