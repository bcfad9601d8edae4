//! What a merge plugin for Anabranch is written with.
//!
//! A plugin that merges single objects implements [`ObjectPlugin`], which is a few pure functions over bytes, and says
//! [`export_object_plugin!`]. Reading the three sides within a limit, an object that one side removed, what people decided,
//! paging and writing are done here:
//!
//! ```ignore
//! use anabranch_plugin::{About, Changes, Conflicts, DiffReport, Failure, Json, Merged, ObjectPlugin, Sides};
//!
//! struct Numbers;
//!
//! impl ObjectPlugin for Numbers {
//!     fn about() -> About { /* name, patterns, options */ }
//!     fn merge(sides: &Sides, options: &Json, conflicts: &mut dyn Conflicts) -> Result<Merged, Failure> { /* … */ }
//!     fn diff(before: &[u8], after: &[u8], options: &Json, changes: &mut Changes<'_>) -> Result<DiffReport, Failure> { /* … */ }
//! }
//!
//! anabranch_plugin::export_object_plugin!(Numbers);
//! ```
//!
//! A plugin for folders, or one that streams, implements the traits of [`bindings::exports`] itself and says
//! [`export_plugin!`]: they are the contract, word for word. [`pages`] and [`run`] help there.
//!
//! Helpers, all pure: [`sequence`] merges lists and orders, [`lines`] texts, [`records`] rows, [`json`] JSON by path
//! without touching the formatting of what did not change. [`testing`] runs a plugin natively, in a unit test.

// What the generator writes is not linted.
#[allow(clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#[allow(missing_docs)]
#[rustfmt::skip]
pub mod bindings;
mod conflict;
mod diff;
pub mod json;
pub mod lines;
pub mod pages;
mod plugin;
pub mod records;
pub mod run;
pub mod sequence;
pub mod testing;

pub use bindings::anabranch::merge::diffs::Change;
pub use bindings::anabranch::merge::output::{Choice, Conflict};
pub use bindings::anabranch::merge::types::{ChangeKind, Failure, RowTotals, Side, Value};
pub use conflict::{Conflicts, Decision};
pub use diff::{Changes, DiffReport, Totals};
pub use json::Json;
pub use plugin::{About, Merged, ObjectPlugin, Sides};
