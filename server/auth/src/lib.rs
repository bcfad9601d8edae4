//! Who is calling and what they may do: users, keys, groups and policies; SigV4, basic, tokens; grants.
//!
//! Front doors turn a request into a [`Principal`] by an [`Authenticator`], and use cases ask [`authorize`] before
//! they do anything. Deciding is pure: the time is an argument, keys are looked up behind [`Keys`], and no error, log
//! line or `Debug` output holds a secret. The [`Directory`] keeps users and keys in the ref-store, their secrets
//! encrypted.

mod attempts;
mod authenticator;
pub mod basic;
mod directory;
mod keys;
mod mac;
mod name;
mod pattern;
mod permission;
mod principal;
mod record;
mod server_key;
pub mod sigv4;
#[cfg(test)]
mod test_time;
mod token;

pub use attempts::Peer;
pub use authenticator::{Authenticator, TooManyAttempts};
pub use directory::{
    ADMIN, Directory, DirectoryError, DirectoryParts, GroupInfo, Holder, KeyInfo, Listing, NewKey, Page,
    PolicyInfo, UserInfo,
};
pub use keys::{Identity, KeyPair, Keys, KeysError, Secret, StaticKeys};
pub use name::{AccountName, InvalidAccountName};
pub use pattern::{InvalidPattern, Pattern};
pub use permission::{Action, Denied, Resource, authorize};
pub use principal::{Grant, Principal, Role};
pub use record::RecordError;
pub use server_key::{InvalidServerKey, ServerKey, ServerKeys};
pub use token::{Token, TokenError};
