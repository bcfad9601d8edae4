//! Users, groups, policies and credentials.

use std::collections::BTreeMap;

use anabranch_auth::{GroupInfo, KeyInfo, NewKey, UserInfo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Pagination, seconds};

/// A person or program with keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Its name.
    pub id: String,
    /// When it was made, in seconds since the Unix epoch.
    pub creation_date: i64,
    /// Its name, to be shown.
    pub friendly_name: String,
    /// The most that it may do anywhere: `read-only`, `read-write` or `admin`; only of the caller itself. Of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

impl From<UserInfo> for User {
    fn from(info: UserInfo) -> Self {
        User {
            id: info.name.to_string(),
            creation_date: seconds(info.created_ms),
            friendly_name: info.name.to_string(),
            role: None,
        }
    }
}

/// Who is calling.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CurrentUser {
    /// The caller.
    pub user: User,
}

/// A user to be made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserCreation {
    /// Its name: letters, digits and `_+=.,@-`.
    pub id: String,
}

/// Users, in order of name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    /// Which page this is.
    pub pagination: Pagination,
    /// The users.
    pub results: Vec<User>,
}

/// A group of users.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its name.
    pub id: String,
    /// The same.
    pub name: String,
    /// What its maker says of it.
    pub description: String,
    /// When it was made, in seconds since the Unix epoch.
    pub creation_date: i64,
}

impl From<GroupInfo> for Group {
    fn from(info: GroupInfo) -> Self {
        Group {
            id: info.name.to_string(),
            name: info.name.to_string(),
            description: info.description,
            creation_date: seconds(info.created_ms),
        }
    }
}

/// A group to be made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct GroupCreation {
    /// Its name: letters, digits and `_+=.,@-`.
    pub id: String,
    /// What it is for.
    pub description: Option<String>,
}

/// Groups, in order of name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct GroupList {
    /// Which page this is.
    pub pagination: Pagination,
    /// The groups.
    pub results: Vec<Group>,
}

/// What may be done with what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Statement {
    /// `allow`; `deny` is refused.
    pub effect: String,
    /// `*`, or `arn:lakefs:fs:::repository/PATTERN`, `…/PATTERN/*`, `…/PATTERN/branch/PATTERN`.
    pub resource: String,
    /// `fs:Read*` and `fs:List*` for read-only, `fs:*` for read-write, `*` or `auth:*` for admin.
    pub action: Vec<String>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<BTreeMap<String, BTreeMap<String, Vec<String>>>>,
}

/// A policy. What is read is the same as what was written, not always in the same words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// Its name: letters, digits and `_+=.,@-`.
    pub id: String,
    /// When it was made, in seconds since the Unix epoch; without effect in a request.
    pub creation_date: Option<i64>,
    /// What it grants.
    pub statement: Vec<Statement>,
}

/// Policies, in order of name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PolicyList {
    /// Which page this is.
    pub pagination: Pagination,
    /// The policies.
    pub results: Vec<Policy>,
}

/// An access key, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Credentials {
    /// Its id.
    pub access_key_id: String,
    /// When it was made, in seconds since the Unix epoch.
    pub creation_date: i64,
}

impl From<KeyInfo> for Credentials {
    fn from(info: KeyInfo) -> Self {
        Credentials { access_key_id: info.access_key_id, creation_date: seconds(info.created_ms) }
    }
}

/// Access keys, in order of id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CredentialsList {
    /// Which page this is.
    pub pagination: Pagination,
    /// The keys.
    pub results: Vec<Credentials>,
}

/// A fresh access key. `Debug` is left out: it holds a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CredentialsWithSecret {
    /// Its id.
    pub access_key_id: String,
    /// Its secret, shown this once.
    pub secret_access_key: String,
    /// When it was made, in seconds since the Unix epoch.
    pub creation_date: i64,
}

impl From<NewKey> for CredentialsWithSecret {
    fn from(made: NewKey) -> Self {
        CredentialsWithSecret {
            access_key_id: made.pair.access_key_id,
            secret_access_key: made.pair.secret.expose().to_owned(),
            creation_date: seconds(made.created_ms),
        }
    }
}
