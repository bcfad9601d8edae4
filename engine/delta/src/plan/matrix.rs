//! Which pairs of operations on both sides may stand beside one another: the matrix of decisions.
//!
//! What stands here is decided by kind of operation alone. Every cell that says *apart* is still subject to the
//! files: one file changed on both sides is a conflict of its own (`files.rs`), and so is everything that one side's
//! schema, properties and features demand of the other side's rows (`metadata.rs`).
//!
//! Not decided yet, and refused as a conflict until then: a `RESTORE` beside other changes of rows, and an overwrite
//! beside a compaction.

use std::collections::BTreeSet;

use anabranch_merge::ConflictKind;
use serde_json::json;

use super::finding::Finding;
use crate::action::Commit;
use crate::snapshot::LiveFiles;

/// What a commit did, as far as merging cares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Operation {
    /// Rows were added.
    Append,
    /// Rows of some files were deleted, updated or merged.
    ChangeRows,
    /// Files were arranged anew; no row changed.
    Layout,
    /// All rows of some partitions, or all that match a predicate, were replaced.
    PartitionOverwrite,
    /// All rows were replaced.
    Overwrite,
    /// An old state came back.
    Restore,
    /// Schema, properties, transactions or domains alone.
    TableOnly,
    /// Nothing of the table's state.
    Maintenance,
}

/// What the matrix says of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cell {
    /// Both stand, as long as their files are apart.
    Apart,
    /// Both stand, as long as their partitions are apart.
    PartitionsApart,
    /// Theirs gives way where ours changed its input: layout is not worth a conflict.
    DropTheirs,
    /// A person decides.
    Refuse,
}

/// The decision for theirs' operation beside ours'.
pub fn cell(theirs: Operation, ours: Operation) -> Cell {
    use Operation::*;
    match (theirs, ours) {
        (TableOnly | Maintenance, _) | (_, TableOnly | Maintenance) => Cell::Apart,
        (Layout, _) => Cell::DropTheirs,
        (Overwrite, _) | (_, Overwrite) => Cell::Refuse,
        (Append, Append | ChangeRows | Layout | Restore) => Cell::Apart,
        (ChangeRows, Append | ChangeRows | Layout) => Cell::Apart,
        (ChangeRows, Restore) => Cell::Refuse,
        (PartitionOverwrite, Layout) => Cell::Apart,
        (PartitionOverwrite, Append | ChangeRows | PartitionOverwrite) => Cell::PartitionsApart,
        (Append | ChangeRows, PartitionOverwrite) => Cell::PartitionsApart,
        (PartitionOverwrite, Restore) | (Restore, PartitionOverwrite) => Cell::Refuse,
        (Restore, Append | Layout) => Cell::Apart,
        (Restore, ChangeRows | Restore) => Cell::Refuse,
    }
}

/// What a commit did on top of the files that were live before it.
pub fn classify(commit: &Commit, before: &LiveFiles) -> Operation {
    let operation = commit.operation().to_ascii_uppercase();
    let has_adds = commit.adds().next().is_some();
    let has_removes = commit.removes().next().is_some();
    if !has_adds && !has_removes {
        let changes_table = commit.actions.iter().any(|action| {
            use crate::action::Action::*;
            matches!(action, Protocol(_) | Metadata(_) | Txn(_) | Domain(_) | Unknown { .. })
        });
        return if changes_table { Operation::TableOnly } else { Operation::Maintenance };
    }
    if operation.contains("RESTORE") {
        return Operation::Restore;
    }
    if !commit.changes_rows() {
        return Operation::Layout;
    }
    if operation.contains("REPLACE TABLE") || operation.contains("CLONE") {
        return Operation::Overwrite;
    }
    let replaces_all = has_adds && removes_all(commit, before);
    if let Some(predicate) = overwrite_predicate(commit, &operation) {
        let partial = !predicate.is_empty() || (has_removes && !replaces_all);
        return if partial { Operation::PartitionOverwrite } else { Operation::Overwrite };
    }
    if !has_removes {
        return Operation::Append;
    }
    if replaces_all && may_overwrite(commit) { Operation::Overwrite } else { Operation::ChangeRows }
}

/// Whether a commit may have replaced all rows, going by what its writer says: it does not name an operation that
/// only changes some.
///
/// A commit that stands for others (`MERGE BRANCH`) says whether one of those may have; it does not when they are gone.
pub fn may_overwrite(commit: &Commit) -> bool {
    let operation = commit.operation().to_ascii_uppercase();
    if operation == "MERGE BRANCH" {
        let parameters: Option<serde_json::Value> =
            commit.info().and_then(|info| info.read("operationParameters").ok().flatten());
        return parameters
            .is_none_or(|parameters| parameters.get("overwrites").is_none_or(|value| value != "false"));
    }
    let only_adds = commit.removes().next().is_none();
    let names_rows = ["DELETE", "UPDATE", "MERGE", "TRUNCATE"].iter().any(|name| operation.starts_with(name));
    overwrite_predicate(commit, &operation).is_some() || !(only_adds || names_rows || !commit.changes_rows())
}

/// The predicate of an overwrite, empty when it has none; `None` when the commit is no overwrite.
fn overwrite_predicate(commit: &Commit, operation: &str) -> Option<String> {
    if !operation.starts_with("WRITE") && !operation.contains("TABLE AS SELECT") {
        return None;
    }
    let parameters: serde_json::Value = commit.info()?.read("operationParameters").ok()??;
    let text = |name: &str| parameters.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let mode = text("mode")?;
    if !mode.eq_ignore_ascii_case("overwrite") {
        return None;
    }
    let predicate =
        text("predicate").filter(|text| !matches!(text.trim(), "" | "[]" | "true" | "[\"true\"]"));
    Some(predicate.unwrap_or_default())
}

fn removes_all(commit: &Commit, before: &LiveFiles) -> bool {
    let removed: BTreeSet<_> = commit.removes().map(|remove| &remove.key).collect();
    let kept: BTreeSet<_> = commit.adds().map(|add| &add.key).collect();
    !before.is_empty() && before.keys().all(|key| removed.contains(key) && !kept.contains(key))
}

/// A partition: columns with their values.
type Partition = Vec<(String, Option<String>)>;

/// The partitions that a commit touched; `None` when one cannot be known.
fn partitions(commit: &Commit, before: &LiveFiles) -> Option<BTreeSet<Partition>> {
    let added = commit.adds().map(|add| add.partition());
    let removed = commit.removes().map(|remove| before.get(&remove.key).and_then(|add| add.partition()));
    added.chain(removed).map(|partition| partition.map(|values| values.into_iter().collect())).collect()
}

/// A commit with what it did.
pub struct Classified<'a> {
    /// The commit.
    pub commit: &'a Commit,
    /// What it did.
    pub operation: Operation,
    /// The partitions that it touched, where they can be known.
    pub partitions: Option<BTreeSet<Partition>>,
}

impl<'a> Classified<'a> {
    /// Classifies a commit on top of the files that were live before it.
    pub fn new(commit: &'a Commit, before: &LiveFiles) -> Self {
        let operation = classify(commit, before);
        let by_partition =
            matches!(operation, Operation::PartitionOverwrite | Operation::Append | Operation::ChangeRows);
        Classified {
            commit,
            operation,
            partitions: by_partition.then(|| partitions(commit, before)).flatten(),
        }
    }
}

/// The pairs that a person must decide, grouped by kind of operation.
pub fn check(theirs: &[Classified<'_>], ours: &[Classified<'_>]) -> Vec<Finding> {
    let mut refused: std::collections::BTreeMap<(Operation, Operation), (BTreeSet<u64>, BTreeSet<u64>)> =
        Default::default();
    for their in theirs {
        for our in ours {
            let stands = match cell(their.operation, our.operation) {
                Cell::Apart | Cell::DropTheirs => true,
                Cell::PartitionsApart => match (&their.partitions, &our.partitions) {
                    (Some(their), Some(our)) => their.is_disjoint(our),
                    _ => false,
                },
                Cell::Refuse => false,
            };
            if !stands {
                let (their_versions, our_versions) =
                    refused.entry((their.operation, our.operation)).or_default();
                their_versions.insert(their.commit.version);
                our_versions.insert(our.commit.version);
            }
        }
    }
    let finding = |((their, our), (their_versions, our_versions)): (_, (BTreeSet<u64>, BTreeSet<u64>))| {
        let (their, our) = (name(their), name(our));
        let message = format!("theirs {their} and ours {our}: which rows shall stand must be decided");
        let versions =
            |what: &str, versions: BTreeSet<u64>| Some(json!({"operation": what, "versions": versions}));
        Finding::table(ConflictKind::OverwriteVsChange, "matrix", message).values(
            None,
            versions(our, our_versions),
            versions(their, their_versions),
        )
    };
    refused.into_iter().map(finding).collect()
}

fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Append => "appended rows",
        Operation::ChangeRows => "changed rows",
        Operation::Layout => "arranged files anew",
        Operation::PartitionOverwrite => "replaced rows of some partitions",
        Operation::Overwrite => "replaced all rows",
        Operation::Restore => "restored an old state",
        Operation::TableOnly => "changed the table's description",
        Operation::Maintenance => "did maintenance",
    }
}
