//! What can go wrong with the ref-store. Lost races are no errors: they are values of `RefUpdate` and `Staged`.

/// The ref-store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RefsError {
    /// More edits than one `apply` takes.
    #[error("{count} edits in one write; at most {max} are taken")]
    TooManyEdits {
        /// How many were given.
        count: usize,
        /// How many are taken.
        max: usize,
    },
    /// A value above the limit. Larger things are immutable objects.
    #[error("value of {bytes} bytes for key {key:?}; at most {max} are taken")]
    ValueTooLarge {
        /// The key, as text where it is text.
        key: String,
        /// The size of the value.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// One `apply` names a key twice.
    #[error("key {key:?} occurs twice in one write")]
    RepeatedKey {
        /// The key.
        key: String,
    },
    /// A newer server wrote the database.
    #[error(
        "{store} has schema version {found}; this server reads up to version {known}: start a newer server on it"
    )]
    NewerSchema {
        /// Which database.
        store: String,
        /// The version it has.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The write may have landed or not, and the store could not be asked. Never a conflict.
    #[error("it is not known whether a write to {store} landed")]
    Unknown {
        /// Which database.
        store: String,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk is full. Nothing was written.
    #[error("no space left for {store}")]
    Full {
        /// Which database.
        store: String,
    },
    /// A row that this server cannot have written.
    #[error("{store} holds a damaged row: {what}")]
    Damaged {
        /// Which database.
        store: String,
        /// What is wrong, with the key.
        what: String,
    },
    /// The database does not answer: it is down, cannot be reached, or has no connection to give. Nothing was written.
    #[error("{store} does not answer ({action})")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// Which database.
        store: String,
        /// What the database, or the network, said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anything else that the database said.
    #[error("{action} in {store} failed")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// Which database.
        store: String,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
