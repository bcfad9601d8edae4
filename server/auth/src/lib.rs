//! Who is calling and what they may do: key pairs, SigV4, basic.
//!
//! Front doors turn a request into a [`Principal`] here, and use cases ask [`authorize`] before they
//! do anything. Deciding is pure: the time is an argument, keys are looked up behind [`Keys`], and no
//! error, log line or `Debug` output holds a secret.

pub mod basic;
mod keys;
mod pattern;
mod permission;
mod principal;
pub mod sigv4;
#[cfg(test)]
mod test_time;

pub use keys::{Identity, KeyPair, Keys, KeysError, Secret, StaticKeys};
pub use pattern::{InvalidPattern, Pattern};
pub use permission::{Action, Denied, Resource, authorize};
pub use principal::{Grant, Principal, Role};
