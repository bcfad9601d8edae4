//! Users, their keys, groups and policies, kept in the ref-store, and who a key belongs to.
//!
//! What may be done with them is decided before: nothing here asks who is calling. Names that were checked come in,
//! plain values go out; a secret leaves once, when its key is made.

mod built_in;
mod error;
mod groups;
mod keys;
mod lookup;
mod model;
mod policies;
mod store;
#[cfg(test)]
mod tests;
mod users;

use std::fmt;
use std::sync::Arc;

use anabranch_refs::RefsBackend;
use anabranch_types::{Clock, IdSource};

pub use built_in::ADMIN;
pub use error::DirectoryError;
pub use model::{GroupInfo, Holder, KeyInfo, Listing, NewKey, Page, PolicyInfo, UserInfo};

use crate::server_key::TokenKey;
use crate::{KeyPair, ServerKeys};
use lookup::Cache;
use store::Store;

/// What a directory works with.
pub struct DirectoryParts {
    /// Where the records are.
    pub refs: Arc<dyn RefsBackend>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where ids and secrets come from.
    pub ids: Arc<dyn IdSource>,
    /// What secrets are encrypted with.
    pub server_keys: ServerKeys,
    /// The administrator's key pair of this server's configuration. It always works and stands in no record.
    pub admin: KeyPair,
}

/// Users, keys, groups and policies.
pub struct Directory {
    store: Store,
    clock: Arc<dyn Clock>,
    server_keys: ServerKeys,
    admin: KeyPair,
    cache: Cache,
}

impl Directory {
    /// Opens the directory: proves that the server key is that of the installation, encrypts secrets anew if the key
    /// was replaced, and makes the built-in groups and policies once.
    ///
    /// # Errors
    /// [`DirectoryError::OtherServerKey`] if the installation has another server key.
    pub async fn open(parts: DirectoryParts) -> Result<Self, DirectoryError> {
        let DirectoryParts { refs, clock, ids, server_keys, admin } = parts;
        let store = Store { refs, ids };
        built_in::check_server_key(&store, &server_keys).await?;
        built_in::make_once(&store, clock.now_ms()).await?;
        Ok(Directory { store, clock, server_keys, admin, cache: Cache::default() })
    }

    pub(crate) fn token_key(&self) -> TokenKey {
        self.server_keys.current.token_key()
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}
