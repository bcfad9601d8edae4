//! What can go wrong with users, groups, policies and keys.

use anabranch_refs::RefsError;

use crate::record::RecordError;
use crate::{InvalidAccountName, KeysError};

/// The directory could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// No such thing.
    #[error("{kind} {name} does not exist")]
    NotFound {
        /// `user`, `group`, `policy`, `access key`, `membership` or `attachment`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// It is there already.
    #[error("{kind} {name} exists already")]
    AlreadyExists {
        /// What.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The request cannot be meant.
    #[error("{message}")]
    Invalid {
        /// What is wrong, and what to do.
        message: String,
    },
    /// Others kept changing the same thing.
    #[error("{kind} {name} kept changing: try again")]
    Busy {
        /// What.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The server key is not the one that this installation's secrets are encrypted with.
    #[error(
        "the server key is not the one of this installation: all servers on one ref-store share one server key. \
         Give that of the other servers; if it is to be replaced, give the old one beside the new one"
    )]
    OtherServerKey,
    /// A secret cannot be decrypted.
    #[error(
        "the secret of access key {access_key_id} cannot be decrypted with this server's key: the server key was \
         replaced, and this server has to be started with the new one"
    )]
    Sealed {
        /// Which key.
        access_key_id: String,
    },
    /// A record that this server cannot have written.
    #[error("the record of {kind} {name} cannot be read")]
    Damaged {
        /// What.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: RecordError,
    },
    /// The ref-store failed.
    #[error("{action} failed")]
    Store {
        /// What was tried.
        action: &'static str,
        /// What the ref-store said.
        source: RefsError,
    },
}

impl DirectoryError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        DirectoryError::Invalid { message: message.into() }
    }

    pub(crate) fn not_found(kind: &'static str, name: &str) -> Self {
        DirectoryError::NotFound { kind, name: name.chars().take(150).collect() }
    }

    pub(crate) fn store(action: &'static str) -> impl Fn(RefsError) -> Self {
        move |source| DirectoryError::Store { action, source }
    }
}

impl From<InvalidAccountName> for DirectoryError {
    fn from(error: InvalidAccountName) -> Self {
        DirectoryError::invalid(error.to_string())
    }
}

impl From<DirectoryError> for KeysError {
    fn from(error: DirectoryError) -> Self {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            reason.push_str(": ");
            reason.push_str(&cause.to_string());
            source = cause.source();
        }
        KeysError { reason }
    }
}
