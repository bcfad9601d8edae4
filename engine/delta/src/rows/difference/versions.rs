//! The rows of the files in which two states differ.

use std::sync::Arc;

use anabranch_merge::{DiffInput, RowDiffError, UnitView};
use anabranch_parquet::BATCH_ROWS;
use anabranch_parquet::difference::Comparison;
use anabranch_rows::Side;
use anabranch_rows::range::KeyRange;
use anabranch_rows::scan::{FileScan, RowMask, RowStream};
use anabranch_rows::schema::Projection;
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use roaring::RoaringTreemap;

use crate::action::{Add, DataPath};
use crate::plan::changed_files;
use crate::rows::files::read_files;
use crate::rows::partition::Partitions;
use crate::rows::source;
use crate::rows::vector::deleted_rows;
use crate::snapshot::{LiveFiles, Snapshot};

/// The rows of one state, in files.
struct Version {
    files: Vec<(FileScan, Vec<ArrayRef>)>,
    partitions: Arc<Partitions>,
}

/// See the module.
pub(super) struct Versions([Version; 2]);

/// A state whose files are being looked up.
struct Opening<'a> {
    view: &'a dyn UnitView,
    side: Side,
    name: &'static str,
    files: &'a source::Files,
    projection: &'a Projection,
    partitions: Partitions,
    opened: Vec<(FileScan, Vec<ArrayRef>)>,
}

impl Versions {
    /// Looks up the files that differ, and their deletion vectors. Reads no rows yet.
    pub(super) async fn open(
        input: &DiffInput<'_>,
        [before, after]: [Option<&Snapshot>; 2],
        comparison: &Comparison,
        [old, new]: [Partitions; 2],
        files: &source::Files,
    ) -> Result<Versions, RowDiffError> {
        let schema = comparison.schema();
        let opening = |view, side, name, partitions| {
            let projection = schema.projections.get(side);
            Opening { view, side, name, files, projection, partitions, opened: Vec::new() }
        };
        let mut old = opening(input.before, Side::Base, "before", old);
        let mut new = opening(input.after, Side::Ours, "after", new);
        let none = LiveFiles::new();
        let live_before = before.map_or(&none, |state| &state.files);
        let live_after = after.map_or(&none, |state| &state.files);
        for (was, is) in changed_files(live_before, live_after).into_values() {
            let hidden_before = old.hidden(was.as_deref()).await?;
            let hidden_after = new.hidden(is.as_deref()).await?;
            match (was, is) {
                (Some(was), None) => old.open(&was, hidden_before.map(all_but)).await?,
                (None, Some(is)) => new.open(&is, hidden_after.map(all_but)).await?,
                (Some(was), Some(is)) => {
                    // Rows that the other state does not hide are in both. Where it hides none, nothing is left.
                    if let Some(other) = hidden_after.clone() {
                        old.open(&was, Some(only_of(other, hidden_before.clone()))).await?;
                    }
                    if let Some(other) = hidden_before {
                        new.open(&is, Some(only_of(other, hidden_after))).await?;
                    }
                }
                (None, None) => {}
            }
        }
        Ok(Versions([old.done(), new.done()]))
    }

    /// The rows of both states, in the order of their files.
    pub(super) fn unsorted(self, comparison: &Comparison) -> [RowStream; 2] {
        let Versions(versions) = self;
        versions.map(|version| version.unsorted(&comparison.schema().rows, comparison.key()))
    }
}

/// Leaves out the rows that are hidden.
fn all_but(hidden: RoaringTreemap) -> RowMask {
    Arc::new(move |row| hidden.contains(row))
}

/// Leaves out all rows but those that the other state hides and this one does not.
fn only_of(other: RoaringTreemap, hidden: Option<RoaringTreemap>) -> RowMask {
    Arc::new(move |row| !other.contains(row) || hidden.as_ref().is_some_and(|hidden| hidden.contains(row)))
}

impl Opening<'_> {
    async fn hidden(&self, add: Option<&Add>) -> Result<Option<RoaringTreemap>, RowDiffError> {
        let Some(add) = add else { return Ok(None) };
        deleted_rows(self.view, add).await?.map_err(|why| {
            let name = self.name;
            RowDiffError::Damaged(format!("the deletion vector of {} {name} cannot be read: {why}", add.key))
        })
    }

    async fn open(&mut self, add: &Add, deleted: Option<RowMask>) -> Result<(), RowDiffError> {
        let DataPath::Relative(path) = &add.path else {
            let why =
                format!("{} is named by an absolute path: it may lie outside of the repository", add.key);
            return Err(RowDiffError::Unsupported(why));
        };
        let Some(entry) = self.view.stat(path).await? else {
            let why = format!("the log {} lists the file {path}, and there is no such object", self.name);
            return Err(RowDiffError::Damaged(why));
        };
        let partition = self.partitions.values_of(add).map_err(RowDiffError::Damaged)?;
        let scan = FileScan {
            source: self.files.source(self.side, path, entry),
            projection: self.projection.clone(),
            deleted,
            range: KeyRange::all(),
            number: None,
            batch_rows: BATCH_ROWS,
        };
        self.opened.push((scan, partition));
        Ok(())
    }

    fn done(self) -> Version {
        Version { files: self.opened, partitions: Arc::new(self.partitions) }
    }
}

impl Version {
    /// The rows in the order of their files.
    fn unsorted(self, rows: &SchemaRef, key: &[usize]) -> RowStream {
        read_files(self.files, rows, key, &self.partitions)
    }
}
