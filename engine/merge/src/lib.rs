//! The vocabulary and laws of a merge, the `Merger` trait, the registry, the pipeline and the object-wise fallback.

mod conflict;
mod merger;
mod outcome;
mod three_way;

pub use conflict::{Choice, Conflict, ConflictId, ConflictKind, ConflictValue, Resolution};
pub use merger::{
    DiffInput, DiffOutcome, EntryChange, EntryMerge, Merger, MergerDescription, MergeInput, NewObject, ObjectAttributes,
    UnitKind, UnitView, UnitWriter, ViewError,
};
pub use outcome::{Failure, FailureReason, MergeEdit, MergeOutcome, MergeReport, RowTotals, Verification};
pub use three_way::{Change, Decision, ThreeWay};
