//! The vocabulary and laws of a merge, the `Merger` trait, the registry, the pipeline and the object-wise fallback.

mod attributes;
mod conflict;
#[cfg(any(test, feature = "test-support"))]
pub mod conformance;
mod demands;
mod input_hasher;
mod merger;
mod outcome;
mod pipeline;
mod plugins;
mod registry;
mod roots;
mod row_diff;
mod rules;
#[cfg(any(test, feature = "test-support"))]
pub mod test_support;
mod text;
mod three_way;
mod transaction;
mod views;

pub use attributes::ObjectAttributes;
pub use conflict::{
    ACCEPT_CHOICE, Choice, Conflict, ConflictId, ConflictKind, ConflictValue, OBJECT_CHOICE, Resolution,
};
pub use demands::{Demands, UnitOpener, UnitStates, ViolationsInput};
pub use input_hasher::InputHasher;
pub use merger::{
    DiffInput, DiffOutcome, EntryChange, EntryMerge, MergeInput, Merger, MergerDescription, NewObject,
    PARTITIONS_MAX, PartitionDiff, UnitKind, UnitUpload, UnitView, UnitWriter, ViewError,
};
pub use outcome::{Failure, FailureReason, MergeEdit, MergeOutcome, MergeReport, RowTotals, Verification};
pub use pipeline::{
    Labels, Mode, ObjectTotals, PipelineError, PipelineInput, PipelineOutcome, PipelineReport, Strategy,
    UnitDecision, UnitReport, merge_over_bases, merge_trees,
};
pub use plugins::{PluginMergers, PluginSource, PluginSourceError};
pub use registry::Registry;
pub use roots::{TableFormat, delta_version, folder_prefix, folders_above, table_folders_above};
pub use row_diff::{
    ChangedRow, ChangesPage, RowChange, RowDiffError, RowDiffPage, RowDiffRequest, RowSink, Sample,
};
pub use rules::{OBJECT_WISE, OnFailure, RULES_BYTES_MAX, RULES_PATH, Rule, Rules, plugin_merger};
pub use text::TextMerger;
pub use three_way::{Change, Decision, ThreeWay};
pub use transaction::{LogProblem, check_log_union};
pub use views::{ObjectReader, ReadError, TreeUnitView, full_message};
