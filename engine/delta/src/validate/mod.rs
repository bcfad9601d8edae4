//! What must hold of the rows that a merge brings together, and is looked at because no side could: rows of one key that
//! both sides added.

mod files;
mod keys;
mod scan;
mod shared;

pub(crate) use shared::{SharedKeys, shared_keys};
