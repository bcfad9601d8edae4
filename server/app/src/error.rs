//! What a use case answers when it cannot do what it was asked.

use anabranch_repository::{RepositoryError, is_temporary};

/// A request body broke off, or is not what its headers said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The client went away or sent a broken encoding.
    #[error("the request body broke off: {0}")]
    Broken(String),
    /// A checksum or length that the client announced does not fit the bytes.
    #[error("the request body does not fit its {what}: announced {announced}, received {received}")]
    Mismatch {
        /// Which announcement.
        what: &'static str,
        /// What was announced.
        announced: String,
        /// What arrived.
        received: String,
    },
}

/// A use case could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The principal may not do this.
    #[error(transparent)]
    Denied(#[from] anabranch_auth::Denied),
    /// A rule of the repository protects the branch from this.
    #[error(
        "branch {branch} of repository {repository} is protected by the rule {pattern:?}: {action} is refused there; \
         work on another branch and merge it"
    )]
    Protected {
        /// The branch.
        branch: String,
        /// Its repository.
        repository: String,
        /// The rule's pattern.
        pattern: String,
        /// What was to be done.
        action: anabranch_auth::Action,
    },
    /// No such thing.
    #[error("{kind} {name} does not exist{hint}")]
    NotFound {
        /// `repository`, `branch`, `tag`, `commit`, `ref`, `object` or `upload`.
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
    /// What was asked for does not fit what has happened already.
    #[error("{message}")]
    Conflict {
        /// What, and what to do.
        message: String,
    },
    /// The request cannot be meant.
    #[error("{message}")]
    Invalid {
        /// What is wrong, and what to do.
        message: String,
    },
    /// A write to a tag or a commit.
    #[error("{reference} is no branch: only branches can be written to")]
    ReadOnlyRef {
        /// The ref expression.
        reference: String,
    },
    /// Nothing is staged on the branch.
    #[error("branch {branch} has no changes to commit")]
    NothingToCommit {
        /// The branch.
        branch: String,
    },
    /// A condition of a write did not hold.
    #[error("precondition failed for {path}: {}", match actual { Some(etag) => format!("it has entity tag {etag}"), None => "it does not exist".to_owned() })]
    PreconditionFailed {
        /// The path.
        path: String,
        /// The entity tag that it has.
        actual: Option<String>,
    },
    /// A range beyond the end of an object.
    #[error("{path} has {size} bytes: the range lies outside")]
    RangeNotSatisfiable {
        /// The path.
        path: String,
        /// Its size.
        size: u64,
    },
    /// A part of an object that it does not have.
    #[error("{path} has {parts} {}: there is no part {number}", if *parts == 1 { "part" } else { "parts" })]
    NoSuchPart {
        /// The path.
        path: String,
        /// The part.
        number: u32,
        /// How many it has.
        parts: u32,
    },
    /// A part of an object whose parts are known by their number alone.
    #[error(
        "of the {parts} parts that {path} was uploaded in, the sizes were not kept: they were too many different ones, or \
         an older server wrote it. Give a range of bytes instead of a part"
    )]
    PartsUnknown {
        /// The path.
        path: String,
        /// How many it has.
        parts: u32,
    },
    /// A body or a list above the limit.
    #[error("{what} is larger than the limit of {limit}")]
    TooLarge {
        /// What.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// A part of a multipart upload that cannot be used.
    #[error("upload {upload_id}: {message}")]
    InvalidPart {
        /// The upload.
        upload_id: String,
        /// What is wrong with which part.
        message: String,
    },
    /// A part of a multipart upload that is smaller than all but the last may be.
    #[error("upload {upload_id}: {message}")]
    PartTooSmall {
        /// The upload.
        upload_id: String,
        /// Which part.
        message: String,
    },
    /// A repository that is only deleted when it is empty, and is not.
    #[error(
        "repository {repository} is not empty: it has {what}; `anabranch repo delete` deletes it with everything in it"
    )]
    NotEmpty {
        /// The repository.
        repository: String,
        /// What it has.
        what: String,
    },
    /// What was stored is gone.
    #[error("{what} is gone: {reason}")]
    Gone {
        /// What.
        what: String,
        /// Why.
        reason: String,
    },
    /// Too many writers at once.
    #[error("{kind} {name} kept moving for {limit}: try again")]
    Busy {
        /// `branch` or `tag`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What ran out, with its unit.
        limit: String,
    },
    /// Others kept changing the same thing.
    #[error("{what} kept changing: try again")]
    Contended {
        /// What.
        what: String,
    },
    /// A signed address that this server did not sign, or that has ended.
    #[error("the signed address is refused: {reason}. Ask for a new one")]
    BadLink {
        /// Why.
        reason: String,
    },
    /// The client's body failed.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The ref-store or an object storage does not answer now: trying again may help. The door logs the source and
    /// shows an id.
    #[error("the server cannot answer now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server's own fault. The door logs the source and shows an id.
    #[error("the server failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl AppError {
    /// So many tries found the branch moved each time.
    pub(crate) fn busy(branch: impl std::fmt::Display, tries: usize) -> Self {
        AppError::Busy { kind: "branch", name: branch.to_string(), limit: format!("{tries} tries") }
    }

    /// A failure of the server itself, or of what it stands on.
    pub fn internal(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        match is_temporary(&source) {
            true => AppError::Unavailable(Box::new(source)),
            false => AppError::Internal(Box::new(source)),
        }
    }
}

impl From<RepositoryError> for AppError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::NotFound { kind, name, hint } => AppError::NotFound { kind, name, hint },
            RepositoryError::AlreadyExists { kind, name } => AppError::AlreadyExists { kind, name },
            RepositoryError::Invalid { message } => AppError::Invalid { message },
            RepositoryError::NothingToCommit { branch } => AppError::NothingToCommit { branch },
            RepositoryError::Gone { what, reason } => AppError::Gone { what, reason },
            RepositoryError::Busy { kind, name, limit } => AppError::Busy { kind, name, limit },
            other => AppError::internal(other),
        }
    }
}

macro_rules! invalid {
    ($($error:ty),*) => {
        $(impl From<$error> for AppError {
            fn from(error: $error) -> Self {
                AppError::Invalid { message: error.to_string() }
            }
        })*
    };
}

invalid!(anabranch_types::InvalidName, anabranch_types::InvalidPath, anabranch_types::ParseIdError);
