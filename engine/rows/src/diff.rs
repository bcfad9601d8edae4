//! The difference of two sorted streams of rows: which were added, removed and changed, and in which columns. Like a
//! merge it is fed, and holds one batch of each version beside the rows of one key.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde_json::{Map, Value};

use crate::cursor::RowRef;
use crate::error::Result;
use crate::filter::RowFilter;
use crate::groups::{Group, Groups, Next};
use crate::json;
use crate::plan::{GROUP_BYTES_MAX, Identity, MergeOptions, Mode, Plan};
use crate::range::KeyRange;
use crate::side::{PerSide, Side};
use crate::totals::RowDelta;

/// One of the two versions that are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// The older one.
    Before,
    /// The newer one.
    After,
}

impl Version {
    fn side(self) -> Side {
        match self {
            Version::Before => Side::Base,
            Version::After => Side::Ours,
        }
    }
}

/// What to compare, and which part of the answer to list. The totals are always of everything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiffOptions {
    /// Which rows are the same row.
    pub identity: Identity,
    /// Columns that come along but are not compared.
    pub carried: Vec<String>,
    /// Only keys within this range are compared.
    pub range: KeyRange,
    /// Only changes of keys after this one are listed: the last [`DiffRow::key`] of the page before.
    pub after: Option<Vec<u8>>,
    /// Only changes whose row before or row after fulfils it are compared, counted and listed; none: all.
    pub filter: Option<RowFilter>,
    /// How many bytes the batches have that the rows of one key are in, at most; without identity there is no limit.
    pub group_bytes_max: usize,
    /// How many changes are listed. All changes of one key are on one page, so there may be a few more.
    pub limit: usize,
}

impl DiffOptions {
    /// Everything, listed without a limit.
    pub fn new(identity: Identity) -> Self {
        DiffOptions {
            identity,
            carried: Vec::new(),
            range: KeyRange::all(),
            after: None,
            filter: None,
            group_bytes_max: GROUP_BYTES_MAX,
            limit: usize::MAX,
        }
    }
}

/// What happened to a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RowChange {
    /// Only the newer version has it.
    Added,
    /// Only the older version has it.
    Removed,
    /// Both have it, with different values.
    Changed,
}

impl fmt::Display for RowChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RowChange::Added => "added",
            RowChange::Removed => "removed",
            RowChange::Changed => "changed",
        })
    }
}

/// A row where it stands.
#[derive(Clone, Debug)]
pub struct RowView(pub(crate) RowRef);

impl RowView {
    /// The batch that it is in.
    pub fn batch(&self) -> &RecordBatch {
        self.0.batch.batch()
    }

    /// Its number in the batch.
    pub fn row(&self) -> usize {
        self.0.row
    }
}

/// A row that differs.
#[derive(Clone, Debug)]
pub struct DiffRow {
    /// What happened to it.
    pub change: RowChange,
    /// Its encoded key; without identity, its encoded value.
    pub key: Vec<u8>,
    /// How many equal rows this stands for: more than one only where keys do not tell rows apart.
    pub copies: u64,
    /// Of a changed row: the columns that differ.
    pub columns: Vec<usize>,
    /// The row before.
    pub before: Option<RowView>,
    /// The row after.
    pub after: Option<RowView>,
}

impl DiffRow {
    /// The row before and the row after, as far as there are any.
    pub(crate) fn views(&self) -> impl Iterator<Item = &RowView> {
        self.before.iter().chain(&self.after)
    }

    fn is_wanted(&self) -> bool {
        self.views().any(|view| view.0.batch.is_wanted(view.0.row))
    }

    /// The row for people and programs: what happened, the key, and before and after; of a changed row only the
    /// columns that differ.
    ///
    /// # Errors
    ///
    /// A value that has no JSON form.
    pub fn to_json(&self, key: &[usize]) -> Result<Value> {
        let mut object = Map::new();
        object.insert("change".into(), self.change.to_string().into());
        if self.copies != 1 {
            object.insert("copies".into(), self.copies.into());
        }
        let show = |view: &RowView, columns: &[usize]| {
            json::row(&view.batch().schema(), view.batch().columns(), view.row(), columns)
        };
        if let Some(any) = self.after.as_ref().or(self.before.as_ref()) {
            object.insert("key".into(), show(any, key)?);
        }
        for (name, view) in [("before", &self.before), ("after", &self.after)] {
            let Some(view) = view else { continue };
            let all: Vec<usize> = (0..view.batch().num_columns()).collect();
            let columns = if self.change == RowChange::Changed { &self.columns } else { &all };
            object.insert(name.into(), show(view, columns)?);
        }
        Ok(Value::Object(object))
    }
}

/// What a diff does next.
#[derive(Debug)]
pub enum DiffStep {
    /// It cannot go on before this version gets its next batch: [`RowDiff::feed`].
    Wants(Version),
    /// Some changes, in the order of their keys.
    Rows(Vec<DiffRow>),
    /// Everything is compared: [`RowDiff::finish`].
    Done,
}

/// The end of a diff.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DiffTotals {
    /// All changes, listed or not.
    pub delta: RowDelta,
    /// Whether changes follow after the last one listed.
    pub more: bool,
}

/// Listed changes are handed out in portions of this size.
const PORTION: usize = 1_024;

/// Changes of this many batches are handed out, however few they are: each change keeps its batches in memory.
const BATCHES_MAX: usize = 64;
/// The same of their bytes, for rows that are large.
const BATCHES_BYTES_MAX: usize = 128 << 20;

/// The difference of two versions, each given as batches of one schema, sorted by the bytes of its key columns.
pub struct RowDiff {
    plan: Plan,
    groups: Groups,
    after: Option<Vec<u8>>,
    limit: usize,
    listed: usize,
    rows: Vec<DiffRow>,
    /// How many batches these keep.
    batches: usize,
    /// How many bytes they have.
    batch_bytes: usize,
    totals: DiffTotals,
}

impl RowDiff {
    /// A diff of rows of one schema.
    ///
    /// # Errors
    ///
    /// The options name a column that does not exist, or a column has no equality.
    pub fn new(schema: SchemaRef, options: &DiffOptions) -> Result<RowDiff> {
        let mut merge = MergeOptions::new(options.identity.clone());
        merge.carried = options.carried.clone();
        merge.range = options.range.clone();
        merge.group_bytes_max = options.group_bytes_max;
        let mut plan = Plan::new(schema, &merge)?;
        plan.filter = options.filter.clone();
        // Rows without identity are only counted.
        let mut groups = if plan.mode == Mode::Bag { Groups::counting() } else { Groups::new() };
        groups.feed(&plan, Side::Theirs, None)?;
        Ok(RowDiff {
            plan,
            groups,
            after: options.after.clone(),
            limit: options.limit,
            listed: 0,
            rows: Vec::new(),
            batches: 0,
            batch_bytes: 0,
            totals: DiffTotals::default(),
        })
    }

    /// The columns of the key, for [`DiffRow::to_json`].
    pub fn key(&self) -> &[usize] {
        &self.plan.key
    }

    /// Gives a version its next batch; none: it has no more.
    ///
    /// # Errors
    ///
    /// The version did not want one, or the batch has another schema.
    pub fn feed(&mut self, version: Version, batch: Option<RecordBatch>) -> Result<()> {
        self.groups.feed(&self.plan, version.side(), batch)
    }

    /// Compares on until a batch is wanted or changes are to be handed out.
    ///
    /// # Errors
    ///
    /// A version is not sorted.
    pub fn step(&mut self) -> Result<DiffStep> {
        loop {
            let is_much = self.batches >= BATCHES_MAX || self.batch_bytes >= BATCHES_BYTES_MAX;
            if self.rows.len() >= PORTION || is_much {
                return Ok(self.hand_out());
            }
            match self.groups.next(&self.plan)? {
                Next::Wants(Side::Base) => return Ok(DiffStep::Wants(Version::Before)),
                Next::Wants(_) => return Ok(DiffStep::Wants(Version::After)),
                // No key is said to have too many rows.
                Next::Part => {}
                Next::Group => {
                    let mut changes = changes(&self.plan, self.groups.group());
                    changes.retain(DiffRow::is_wanted);
                    self.take(changes);
                }
                Next::End if self.rows.is_empty() => return Ok(DiffStep::Done),
                Next::End => return Ok(self.hand_out()),
            }
        }
    }

    fn hand_out(&mut self) -> DiffStep {
        (self.batches, self.batch_bytes) = (0, 0);
        DiffStep::Rows(std::mem::take(&mut self.rows))
    }

    /// The totals, after [`DiffStep::Done`].
    pub fn finish(self) -> DiffTotals {
        self.totals
    }

    /// Counts the changes of one key, and lists them if they are on the page.
    fn take(&mut self, changes: Vec<DiffRow>) {
        let delta = &mut self.totals.delta;
        for change in &changes {
            match change.change {
                RowChange::Added => delta.added += change.copies,
                RowChange::Removed => delta.removed += change.copies,
                RowChange::Changed => delta.changed += 1,
            }
            delta.cells += change.columns.len() as u64;
        }
        let Some(first) = changes.first() else { return };
        if self.after.as_ref().is_some_and(|after| first.key <= *after) {
            return;
        }
        if self.listed >= self.limit {
            self.totals.more = true;
            return;
        }
        self.listed += changes.len();
        for change in changes {
            let last = self.rows.last();
            let kept = |view: &RowView| {
                let of_last = last.into_iter().flat_map(DiffRow::views);
                of_last.into_iter().any(|other| Arc::ptr_eq(&other.0.batch, &view.0.batch))
            };
            for view in change.views().filter(|view| !kept(view)) {
                self.batches += 1;
                self.batch_bytes = self.batch_bytes.saturating_add(view.0.batch.bytes());
            }
            self.rows.push(change);
        }
    }
}

/// What differs among the rows of one key.
fn changes(plan: &Plan, group: &Group) -> Vec<DiffRow> {
    let (before, after) = (&group.rows.base, &group.rows.ours);
    if plan.mode == Mode::Bag {
        let PerSide { base: old, ours: new, .. } = group.counts();
        let one = match old < new {
            true => after.last().map(|row| change(plan, RowChange::Added, row, new - old)),
            false if old > new => before.last().map(|row| change(plan, RowChange::Removed, row, old - new)),
            false => None,
        };
        return one.into_iter().collect();
    }
    if let ([before], [after]) = (before.as_slice(), after.as_slice()) {
        let differs = |column: &usize| before.cell(*column) != after.cell(*column);
        let columns: Vec<usize> = plan.values.iter().copied().filter(differs).collect();
        if columns.is_empty() {
            return Vec::new();
        }
        return vec![DiffRow {
            change: RowChange::Changed,
            key: after.batch.key(after.row, &plan.key),
            copies: 1,
            columns,
            before: Some(RowView(before.clone())),
            after: Some(RowView(after.clone())),
        }];
    }
    multiset_changes(plan, before, after)
}

/// Rows that share a key are compared as a multiset.
fn multiset_changes(plan: &Plan, before: &[RowRef], after: &[RowRef]) -> Vec<DiffRow> {
    let sorted = |rows: &[RowRef]| {
        let mut rows = rows.to_vec();
        rows.sort_by(|a, b| a.compare(b, &plan.values));
        rows
    };
    let (before, after) = (sorted(before), sorted(after));
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    let mut changes: Vec<DiffRow> = Vec::new();
    let mut add = |kind: RowChange, row: &RowRef| {
        let last = changes.iter_mut().rev().find(|last| last.change == kind);
        let same = |last: &&mut DiffRow| {
            let view = last.after.as_ref().or(last.before.as_ref());
            view.is_some_and(|view| view.0.same(row, &plan.values))
        };
        match last.filter(same) {
            Some(last) => last.copies += 1,
            None => changes.push(change(plan, kind, row, 1)),
        }
    };
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.compare(new, &plan.values),
        };
        let old = before.next_if(|_| order != Ordering::Greater);
        let new = after.next_if(|_| order != Ordering::Less);
        match (old, new) {
            (Some(old), None) => add(RowChange::Removed, old),
            (None, Some(new)) => add(RowChange::Added, new),
            _ => {}
        }
    }
    changes
}

fn change(plan: &Plan, change: RowChange, row: &RowRef, copies: u64) -> DiffRow {
    let view = || Some(RowView(row.clone()));
    DiffRow {
        change,
        key: row.batch.key(row.row, &plan.key),
        copies,
        columns: Vec::new(),
        before: if change == RowChange::Removed { view() } else { None },
        after: if change == RowChange::Added { view() } else { None },
    }
}

/// Compares two versions that are at hand as batches.
///
/// # Errors
///
/// As [`RowDiff`].
pub fn diff_batches(
    schema: SchemaRef,
    options: &DiffOptions,
    before: &[RecordBatch],
    after: &[RecordBatch],
) -> Result<(Vec<DiffRow>, DiffTotals)> {
    let mut diff = RowDiff::new(schema, options)?;
    let (mut before, mut after) = (before.iter(), after.iter());
    let mut rows = Vec::new();
    loop {
        match diff.step()? {
            DiffStep::Wants(Version::Before) => diff.feed(Version::Before, before.next().cloned())?,
            DiffStep::Wants(Version::After) => diff.feed(Version::After, after.next().cloned())?,
            DiffStep::Rows(more) => rows.extend(more),
            DiffStep::Done => return Ok((rows, diff.finish())),
        }
    }
}
