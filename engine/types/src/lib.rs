//! Ids, paths, ref names, entries and commits; the clock and the source of ids. No I/O.
//!
//! Every id is a newtype with a checked constructor, so that a value of one of these types is
//! already validated wherever it turns up.

mod attributes;
mod clock;
mod commit;
mod entry;
mod id;
mod name;
mod path;
#[cfg(any(test, feature = "test-support"))]
pub mod test_support;

pub use attributes::{Attribute, split_attribute};
pub use clock::{Clock, IdSource};
pub use commit::{Commit, CommitDecodeError};
pub use entry::{Address, Checksum, Entry, ObjectKey};
pub use id::{CommitId, NodeId, ParseIdError};
pub use name::{BranchName, InvalidName, RepositoryName, TagName};
pub use path::{InvalidPath, ObjectPath};
