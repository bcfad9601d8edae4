//! Which tables differ between two refs, each compared by its merger.

use anabranch_merge::{Change, DiffOutcome};

use crate::{DiffKind, Repository, RepositoryError};

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
        let _ = self.compared(left, right, kind).await?;
        Err(RepositoryError::invalid("not yet"))
    }
}
