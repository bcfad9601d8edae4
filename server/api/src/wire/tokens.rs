//! Logging in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An access key to log in with. `Debug` is left out: it holds a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginInformation {
    /// The id of the key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
}

/// What a login gives. `Debug` is left out: it holds a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthenticationToken {
    /// Goes into the header `Authorization: Bearer`.
    pub token: String,
    /// When it ends, in seconds since the Unix epoch.
    pub token_expiration: i64,
}

/// Whether the server is set up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SetupState {
    /// Always `initialized`.
    pub state: String,
    /// Always false.
    pub comm_prefs_missing: bool,
}

/// A request to set the server up, which is always refused.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Setup {
    /// Without effect.
    pub username: String,
    /// Without effect.
    pub key: Option<AccessKeyCredentials>,
}

/// A key pair of a setup. `Debug` is left out: it holds a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessKeyCredentials {
    /// The id of the key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
}
