//! The Delta merger: two branches that both changed one Delta table become one table.
//!
//! Read ([`read`](DeltaMerger)) → plan ([`plan`]) → write, then the linter ([`lint`]) and an implementation that is
//! not ours look at the result. States are compared, not version numbers; ours' log is appended to and never rewritten;
//! of theirs only data files, deletion vectors and change data travel, never an object of its log.

pub mod action;
pub mod damage;
mod diff;
pub mod limits;
pub mod lint;
mod merger;
pub mod plan;
mod read;
mod rows;
pub mod snapshot;
mod validate;
mod verify;
mod write;

pub use merger::DeltaMerger;
pub use rows::RowBudget;
