//! What can go wrong with an operation on a repository.

use std::sync::Arc;

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
    /// The branch or tag was written to so often that the operation's tries, or its time, ran out. Nothing was published.
    #[error("{kind} {name} kept moving for {limit}: try again")]
    Busy {
        /// `branch` or `tag`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What ran out, with its unit.
        limit: String,
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
        /// Whether trying again may help: see [`is_temporary`].
        temporary: bool,
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

    /// A branch that was there when the request began.
    pub(crate) fn deleted_meanwhile(name: impl std::fmt::Display) -> Self {
        let hint = ": it was deleted while the request ran".to_owned();
        RepositoryError::NotFound { kind: "branch", name: name.to_string(), hint }
    }

    /// A branch that was there when the request began, and whose name belongs to another one now.
    pub(crate) fn replaced_meanwhile(name: impl std::fmt::Display) -> Self {
        let hint = ": it was deleted while the request ran. There is another branch of that name now: if that one \
                    is meant, try again";
        RepositoryError::NotFound { kind: "branch", name: name.to_string(), hint: hint.to_owned() }
    }

    pub(crate) fn busy(kind: &'static str, name: impl std::fmt::Display, tries: usize) -> Self {
        RepositoryError::Busy { kind, name: name.to_string(), limit: format!("{tries} tries") }
    }

    pub(crate) fn deadline_passed(branch: impl std::fmt::Display) -> Self {
        let limit = "the whole time of the request".to_owned();
        RepositoryError::Busy { kind: "branch", name: branch.to_string(), limit }
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
            Busy { kind, name, limit } => Busy { kind, name: name.clone(), limit: limit.clone() },
            Damaged { what, why } => Damaged { what: what.clone(), why: why.clone() },
            Tree { what, source } => Tree { what: what.clone(), source: source.clone() },
            Interrupted { branch } => Interrupted { branch: branch.clone() },
            Shared { message, temporary } => Shared { message: message.clone(), temporary: *temporary },
            Merge { .. } | Storage { .. } | Refs { .. } => {
                Shared { message: anabranch_merge::full_message(self), temporary: is_temporary(self) }
            }
        }
    }
}

/// Whether an error comes from a ref-store or an object storage that does not answer now, so that the same request may
/// succeed later. It may have taken place all the same, if the reply was lost.
pub fn is_temporary(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let refs =
            matches!(error.downcast_ref(), Some(RefsError::Unavailable { .. } | RefsError::Unknown { .. }));
        let storage = matches!(
            error.downcast_ref(),
            Some(StorageError::Unavailable { .. } | StorageError::Unknown { .. })
        );
        let shared = matches!(error.downcast_ref(), Some(RepositoryError::Shared { temporary: true, .. }));
        let plugins = error.downcast_ref::<anabranch_merge::PluginSourceError>().is_some();
        if refs || storage || shared || plugins {
            return true;
        }
        // A shared error is none of these itself; what it shares may be.
        let inner = error.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>();
        next = match inner {
            Some(inner) => Some(inner.as_ref()),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use anabranch_types::ObjectKey;

    use super::*;

    fn away() -> StorageError {
        StorageError::Unavailable {
            action: "reading",
            key: "k".into(),
            storage: "s3://lake".into(),
            source: "503".into(),
        }
    }

    #[test]
    fn what_may_succeed_later_is_found_however_deep_it_lies() {
        let pack = ObjectKey::new("packs/1");
        let tree = TreeError::Read { pack, source: Arc::new(away()) };
        let error = RepositoryError::tree("main")(tree);
        assert!(is_temporary(&error));
        let refs = RefsError::Unavailable { action: "reading", store: "db".into(), source: "refused".into() };
        let error = RepositoryError::refs("moving a head")(refs);
        assert!(is_temporary(&error) && is_temporary(&error.share()));
        let full = StorageError::Full { key: "k".into(), storage: "disk".into() };
        let error = RepositoryError::Storage { repository: "sales".into(), source: full };
        assert!(!is_temporary(&error) && !is_temporary(&error.share()));
    }
}
