//! Key pairs, and where they are looked up.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::{Principal, Role};

/// The secret half of a key pair. Neither `Debug` nor `Display` shows it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes `secret` as it is.
    pub fn new(secret: impl Into<String>) -> Self {
        Secret(secret.into())
    }

    /// The secret itself: for deriving signing keys, and for showing a fresh pair once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares without telling by its time where the first difference is. Lengths are not hidden.
    pub fn equals(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// An access key id and its secret.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// What names the key on the wire.
    pub access_key_id: String,
    /// What proves its possession.
    pub secret: Secret,
}

impl KeyPair {
    /// A pair of these two.
    pub fn new(access_key_id: impl Into<String>, secret: impl Into<String>) -> Self {
        KeyPair { access_key_id: access_key_id.into(), secret: Secret::new(secret) }
    }
}

/// A key pair and whose it is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The key.
    pub key: KeyPair,
    /// Who calls with it.
    pub principal: Principal,
}

/// Keys could not be looked up. Says nothing about whether the key exists.
#[derive(Debug, thiserror::Error)]
#[error("access keys cannot be looked up now: {reason}")]
pub struct KeysError {
    /// What failed, without secrets.
    pub reason: String,
}

/// Where access keys are looked up.
#[async_trait::async_trait]
pub trait Keys: Send + Sync {
    /// The identity behind an access key id; `None` if there is no such key, or it was revoked.
    ///
    /// An answer may be as old as the implementation's cache, never older than its last start. Errors
    /// mean that nothing is known: the caller refuses the request and may try again.
    async fn find(&self, access_key_id: &str) -> Result<Option<Identity>, KeysError>;
}

/// A fixed set of keys: the administrator's pair.
#[derive(Clone, Debug)]
pub struct StaticKeys(Vec<Identity>);

impl StaticKeys {
    /// One administrator, named `admin`, with this key pair.
    pub fn admin(key: KeyPair) -> Self {
        StaticKeys(vec![Identity { key, principal: Principal::new("admin", Role::Admin) }])
    }

    /// These identities.
    pub fn new(identities: Vec<Identity>) -> Self {
        StaticKeys(identities)
    }
}

#[async_trait::async_trait]
impl Keys for StaticKeys {
    async fn find(&self, access_key_id: &str) -> Result<Option<Identity>, KeysError> {
        Ok(self.0.iter().find(|identity| identity.key.access_key_id == access_key_id).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_secret() {
        let keys = StaticKeys::admin(KeyPair::new("AKID", "do-not-show"));
        let shown = format!("{keys:?}");
        assert!(shown.contains("AKID") && !shown.contains("do-not-show"), "{shown}");
    }

    #[test]
    fn secrets_compare_whole() {
        let secret = Secret::new("abc");
        assert!(secret.equals("abc"));
        for other in ["", "ab", "abd", "abcd"] {
            assert!(!secret.equals(other), "{other:?}");
        }
    }
}
