//! What can go wrong with an operation on a repository.

/// An operation could not do what it was asked. Conflicts and lost races are values, not errors.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// No such repository, branch, tag, commit or object.
    #[error("{kind} {name} does not exist{hint}")]
    NotFound {
        /// `repository`, `branch`, `tag`, `commit`, `ref` or `object`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What to do, beginning with a separator; may be empty.
        hint: String,
    },
    /// It is there already.
    #[error("{kind} {name} exists already")]
    AlreadyExists {
        /// What.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The request itself cannot be meant: a bad name, path, ref expression or option.
    #[error("{message}")]
    Invalid {
        /// What is wrong, and what to do.
        message: String,
    },
    /// Nothing is staged on the branch.
    #[error("branch {branch} has no changes to commit")]
    NothingToCommit {
        /// The branch.
        branch: String,
    },
    /// What was stored is gone (a memory repository after a restart).
    #[error("{what} is gone: {reason}")]
    Gone {
        /// What.
        what: String,
        /// Why.
        reason: String,
    },
    /// The branch was written to so often that the operation's tries ran out. Nothing was published.
    #[error("branch {branch} kept moving for {tries} tries: try again")]
    Busy {
        /// The branch.
        branch: String,
        /// How often it was tried.
        tries: usize,
    },
    /// A stored object, node or record that this server cannot have written.
    #[error("{what} is damaged: {why}. Run `anabranch fsck`")]
    Damaged {
        /// Which.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The tree layer failed.
    #[error("reading or writing the tree of {what} failed")]
    Tree {
        /// Which tree.
        what: String,
        /// Why.
        source: anabranch_tree::TreeError,
    },
    /// The object storage failed.
    #[error("object storage of {repository} failed")]
    Storage {
        /// The repository.
        repository: String,
        /// Why.
        source: anabranch_storage::StorageError,
    },
    /// The ref-store failed.
    #[error("the ref-store failed while {action}")]
    Refs {
        /// What was done.
        action: &'static str,
        /// Why.
        source: anabranch_refs::RefsError,
    },
}

/// Stands where an operation is still being written.
pub(crate) fn unfinished() -> RepositoryError {
    RepositoryError::Invalid { message: "this operation is not there yet".to_owned() }
}
