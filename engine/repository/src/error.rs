//! What can go wrong with an operation on a repository.

use anabranch_refs::RefsError;
use anabranch_storage::StorageError;
use anabranch_tree::TreeError;
use anabranch_types::RepositoryName;

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
    /// A merge could not be run at all: a tree or the rules of `merge.toml` could not be read.
    #[error("the merge into {destination} could not be run")]
    Merge {
        /// The branch.
        destination: String,
        /// Why.
        source: anabranch_merge::PipelineError,
    },
    /// The server is shutting down, or the task that worked on the branch ended. Nothing is known of the outcome.
    #[error("the work on branch {branch} was interrupted: look at the branch before trying again")]
    Interrupted {
        /// The branch.
        branch: String,
    },
    /// The object storage failed.
    #[error("object storage of {repository} failed")]
    Storage {
        /// The repository.
        repository: String,
        /// Why.
        source: anabranch_storage::StorageError,
    },
    /// The write that several requests shared failed; all of them get this.
    #[error("{message}")]
    Shared {
        /// What happened, with its causes.
        message: String,
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

impl RepositoryError {
    pub(crate) fn not_found(kind: &'static str, name: impl std::fmt::Display) -> Self {
        RepositoryError::NotFound { kind, name: name.to_string(), hint: String::new() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        RepositoryError::Invalid { message: message.into() }
    }

    pub(crate) fn refs(action: &'static str) -> impl FnOnce(RefsError) -> Self {
        move |source| RepositoryError::Refs { action, source }
    }

    pub(crate) fn tree(what: impl std::fmt::Display) -> impl FnOnce(TreeError) -> Self {
        let what = what.to_string();
        move |source| RepositoryError::Tree { what, source }
    }

    pub(crate) fn damaged(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        RepositoryError::Damaged { what: what.to_string(), why: why.to_string() }
    }

    pub(crate) fn storage(repository: &RepositoryName) -> impl FnOnce(StorageError) -> Self {
        let repository = repository.to_string();
        move |source| match source {
            StorageError::Gone { reason, .. } => {
                RepositoryError::Gone { what: format!("repository {repository}"), reason }
            }
            StorageError::Withdrawn { address, reason } => RepositoryError::Gone { what: address, reason },
            source => RepositoryError::Storage { repository, source },
        }
    }

    /// The same answer once more, for another member of the group that failed together.
    pub(crate) fn share(&self) -> Self {
        use RepositoryError::*;
        match self {
            NotFound { kind, name, hint } => NotFound { kind, name: name.clone(), hint: hint.clone() },
            AlreadyExists { kind, name } => AlreadyExists { kind, name: name.clone() },
            Invalid { message } => Invalid { message: message.clone() },
            NothingToCommit { branch } => NothingToCommit { branch: branch.clone() },
            Gone { what, reason } => Gone { what: what.clone(), reason: reason.clone() },
            Busy { branch, tries } => Busy { branch: branch.clone(), tries: *tries },
            Damaged { what, why } => Damaged { what: what.clone(), why: why.clone() },
            Tree { what, source } => Tree { what: what.clone(), source: source.clone() },
            Interrupted { branch } => Interrupted { branch: branch.clone() },
            Shared { message } => Shared { message: message.clone() },
            Merge { .. } | Storage { .. } | Refs { .. } => Shared { message: full_message(self) },
        }
    }
}

/// An error with everything that lies beneath it, in one line.
pub(crate) fn full_message(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        message.push_str(": ");
        message.push_str(&inner.to_string());
        source = inner.source();
    }
    message
}
