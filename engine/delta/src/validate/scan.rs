//! Reads the rows that a check looks at, wherever in the merge their files lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use anabranch_merge::{ConflictKind, UnitView};
use anabranch_parquet::BATCH_ROWS;
use anabranch_rows::range::KeyRange;
use anabranch_rows::scan::{self, FileScan, RowMask, RowStream};
use anabranch_rows::{PerSide, Side};
use anabranch_types::Entry;
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use roaring::RoaringTreemap;

use super::columns::Columns;
use super::files::FileRows;
use crate::action::{Add, DataPath};
use crate::plan::Finding;
use crate::rows::files::read_files;
use crate::rows::partition::Partitions;
use crate::rows::vector::deleted_rows;
use crate::rows::{Failed, source};

/// Where the files of a merge are.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    /// The unit on each side.
    pub(crate) views: PerSide<&'a dyn UnitView>,
    /// Objects that the merge wrote, by path.
    pub(crate) new: &'a BTreeMap<String, Entry>,
}

/// Files that are being read.
pub(crate) struct Scan<'a> {
    places: Places<'a>,
    files: &'a source::Files,
    columns: &'a Columns,
    partitions: Partitions,
    opened: Vec<(FileScan, Vec<ArrayRef>)>,
    names: Vec<Arc<str>>,
    /// The number of its first file.
    first: usize,
}

impl<'a> Scan<'a> {
    /// A scan of no file yet.
    pub(crate) fn new(
        places: Places<'a>,
        files: &'a source::Files,
        columns: &'a Columns,
    ) -> Result<Scan<'a>, Failed> {
        let partitions = Partitions::new(&columns.rows, &columns.partition.names);
        let partitions = partitions.map_err(Failed::Unmergeable)?.spelled(&columns.partition.in_log);
        Ok(Scan { places, files, columns, partitions, opened: Vec::new(), names: Vec::new(), first: 0 })
    }

    /// The same with files that are numbered from here on.
    pub(crate) fn numbered_from(self, first: usize) -> Scan<'a> {
        Scan { first, ..self }
    }

    /// Adds rows of a file. Reads its deletion vectors, and no row yet.
    pub(crate) async fn open(&mut self, rows: &FileRows) -> Result<(), Failed> {
        let add = &rows.add;
        let DataPath::Relative(path) = &add.path else {
            return Err(Failed::Unmergeable(format!("{} is named by an absolute path", add.key)));
        };
        let Some((side, entry)) = self.find(path).await? else {
            let message = "the log lists this object, its rows have to be checked, and no side holds it";
            let finding = Finding::file(ConflictKind::MissingDataFile, "data-file", path, message);
            return Err(Failed::Conflicts(vec![finding]));
        };
        let hidden = self.hidden(add).await?;
        let mut hidden_in = Vec::with_capacity(rows.hidden_in.len());
        for other in &rows.hidden_in {
            hidden_in.extend(self.hidden(other).await?);
        }
        let shown_in = match &rows.shown_in {
            Some(other) => self.hidden(other).await?,
            None => None,
        };
        let scan = FileScan {
            source: self.files.source(side, path, entry),
            projection: self.columns.projection.clone(),
            deleted: mask([hidden, shown_in], hidden_in),
            range: KeyRange::all(),
            number: Some(i64::try_from(self.first.saturating_add(self.opened.len())).unwrap_or(i64::MAX)),
            batch_rows: BATCH_ROWS,
        };
        let partition = self.partitions.values_of(add).map_err(Failed::Unmergeable)?;
        self.opened.push((scan, partition));
        self.names.push(add.key.clone());
        Ok(())
    }

    /// The schema of the rows of [`Scan::rows`].
    pub(crate) fn schema(&self) -> SchemaRef {
        scan::with_positions(&self.columns.rows)
    }

    /// The keys of the files, by their numbers.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        self.names.clone()
    }

    /// The rows in the order of their files, with where they stand.
    pub(crate) fn rows(self, key: &[usize]) -> RowStream {
        read_files(self.opened, &self.columns.rows, key, &Arc::new(self.partitions))
    }

    /// Where an object lies. Data files are never written twice, so that any side that has it will do.
    async fn find(&self, path: &str) -> Result<Option<(Side, Entry)>, Failed> {
        if let Some(entry) = self.places.new.get(path) {
            return Ok(Some((Side::Ours, entry.clone())));
        }
        for side in [Side::Ours, Side::Theirs, Side::Base] {
            if let Some(entry) = self.places.views.get(side).stat(path).await? {
                return Ok(Some((side, entry)));
            }
        }
        Ok(None)
    }

    async fn hidden(&self, add: &Add) -> Result<Option<RoaringTreemap>, Failed> {
        let mut why = String::new();
        for side in [Side::Ours, Side::Theirs, Side::Base] {
            match deleted_rows(*self.places.views.get(side), add).await? {
                Ok(hidden) => return Ok(hidden),
                Err(error) => why = error,
            }
        }
        let message = format!("the deletion vector of this file cannot be read: {why}");
        let finding = Finding::file(ConflictKind::TableDamaged, "deletion-vector", &add.key, message);
        Err(Failed::Conflicts(vec![finding]))
    }
}

/// Leaves out rows that one of two vectors hides, and those that one of the other states shows.
fn mask(hidden: [Option<RoaringTreemap>; 2], hidden_in: Vec<RoaringTreemap>) -> Option<RowMask> {
    if hidden.iter().all(Option::is_none) && hidden_in.is_empty() {
        return None;
    }
    Some(Arc::new(move |row| {
        hidden.iter().flatten().any(|hidden| hidden.contains(row))
            || hidden_in.iter().any(|other| !other.contains(row))
    }))
}
