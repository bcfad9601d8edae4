//! The content-addressed tree of a commit: nodes, packs, builder, diff and three-way walk.
//!
//! A [`Tree`] is an immutable map from object path to [`Entry`](anabranch_types::Entry), named by the hash of its
//! root. Equal content has an equal id, whatever the order of the edits that led there, so equal parts of two trees
//! are recognised and skipped without being read. A [`TreeStore`] reads nodes from packs and caches them; a
//! [`Session`] on top of it makes new trees and writes what is new into packs.

mod ahead;
mod apply;
mod boundary;
mod builder;
mod cache;
mod changes;
mod cursor;
mod diff;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod key;
mod list;
mod node;
mod pack;
mod scan;
mod session;
mod store;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub use apply::TreeEdit;
pub use changes::{Applied, Applier, Change};
pub use diff::{DiffCursor, Difference};
pub use error::TreeError;
pub use key::{Key, KeyRange, after_key, after_prefix};
pub use list::{ListAfter, ListItem, ListPage};
pub use node::{decode_entry, encode_entry};
pub use pack::{
    CommitRecord, CommitToPack, DeltaList, Pack, PackContents, PackedCommit, PackedCommits, SharedPack,
    new_shared_key, read_pack_index, read_shared_packs, verify_pack,
};
pub use scan::ScanCursor;
pub use session::{Session, Totals, TreeBuilder};
pub use store::{PackSource, TreeCounters, TreeParams, TreeStore};
pub use tree::{Location, NodeRef, Tree};
pub use walk::{WalkCursor, WalkItem};
