//! What comes out of the directory: plain values, none with a secret but a fresh key pair.

use crate::{AccountName, Grant, KeyPair};

/// A user, as people see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserInfo {
    /// Its name.
    pub name: AccountName,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
}

/// A group, as people see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupInfo {
    /// Its name.
    pub name: AccountName,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// What its maker says of it.
    pub description: String,
}

/// A policy, as people see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyInfo {
    /// Its name.
    pub name: AccountName,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// What it grants.
    pub grants: Vec<Grant>,
}

/// An access key, without its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyInfo {
    /// Its id.
    pub access_key_id: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
}

/// A fresh access key: the one time that its secret is shown.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The pair.
    pub pair: KeyPair,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
}

/// What policies are attached to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Holder {
    /// A user.
    User(AccountName),
    /// A group, and so each of its members.
    Group(AccountName),
}

/// Which page of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// What the names begin with.
    pub prefix: String,
    /// The name after which the page begins.
    pub after: Option<String>,
    /// At most this many results.
    pub amount: usize,
}

/// A page of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing<T> {
    /// The results, in order of name.
    pub results: Vec<T>,
    /// Whether results follow.
    pub more: bool,
    /// The name after which the next page begins; empty without one.
    pub next: String,
}

impl<T> Listing<T> {
    /// The page of a list that is whole in memory.
    pub(super) fn cut(mut all: Vec<T>, page: &Page, name: impl Fn(&T) -> &str) -> Self {
        all.sort_by(|left, right| name(left).cmp(name(right)));
        let after = page.after.as_deref().unwrap_or_default();
        all.retain(|one| name(one).starts_with(&page.prefix) && name(one) > after);
        let more = all.len() > page.amount;
        all.truncate(page.amount);
        let next = all.last().filter(|_| more).map(|last| name(last).to_owned()).unwrap_or_default();
        Listing { results: all, more, next }
    }
}
