//! The files of the three sides of a component, and how they are cut into ranges of keys.

use std::sync::Arc;

use anabranch_merge::{ConflictKind, MergeInput, UnitView};
use anabranch_parquet::BATCH_ROWS;
use anabranch_rows::range::{FileKeys, KeyRange, WorkRange};
use anabranch_rows::scan::{self, FileScan};
use anabranch_rows::schema::MergedSchema;
use anabranch_rows::{PerSide, Side};
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use futures::future::BoxFuture;
use futures::stream::{StreamExt, TryStreamExt};
use roaring::RoaringTreemap;

use super::partition::Partitions;
use super::piece::Piece;
use super::source::Files;
use super::vector::deleted_rows;
use super::{Failed, RowMeans, ranges};
use crate::action::{Add, DataPath};
use crate::limits::READS_AT_A_TIME;
use crate::plan::{Component, Finding};

/// One file of a side.
#[derive(Clone)]
pub(super) struct SideFile {
    pub(super) scan: FileScan,
    pub(super) partition: Vec<ArrayRef>,
    /// Whether it may hold rows beyond the range that it is read for.
    pub(super) reaches_out: bool,
}

/// See the module.
pub(super) struct Sides {
    files: PerSide<Vec<SideFile>>,
    /// The rows, without where they stand.
    rows: SchemaRef,
    /// The rows with where they stand.
    placed: SchemaRef,
    key: Vec<usize>,
    /// How many rows they hold, as far as the log says.
    stored_rows: u64,
    partitions: Arc<Partitions>,
}

impl Sides {
    /// Looks up the files of a component and their deletion vectors. Reads no rows yet.
    pub(super) async fn open(
        input: &MergeInput<'_>,
        component: &Component,
        schema: &MergedSchema,
        mut partitions: Partitions,
        key: Vec<usize>,
        files: &Files,
    ) -> Result<Sides, Failed> {
        let views: PerSide<&dyn UnitView> =
            PerSide { base: input.base, ours: input.ours, theirs: input.theirs };
        let adds = PerSide { base: &component.base, ours: &component.ours, theirs: &component.theirs };
        let mut opened: PerSide<Vec<SideFile>> = PerSide::default();
        let mut findings = Vec::new();
        for side in Side::ALL {
            for (number, add) in adds.get(side).iter().enumerate() {
                let partition = partitions.values_of(add).map_err(Failed::Unmergeable)?;
                match open_file(views, side, add, number, schema, files).await? {
                    Ok(scan) => {
                        opened.get_mut(side).push(SideFile { scan, partition, reaches_out: false });
                    }
                    Err(finding) => findings.push(finding),
                }
            }
        }
        if !findings.is_empty() {
            return Err(Failed::Conflicts(findings));
        }
        let all = || Side::ALL.iter().flat_map(|side| adds.get(*side).iter());
        Ok(Sides {
            files: opened,
            rows: schema.rows.clone(),
            placed: scan::with_positions(&schema.rows),
            key,
            stored_rows: all().filter_map(|add| add.live_rows()).sum(),
            partitions: Arc::new(partitions),
        })
    }

    /// The schema of the rows, with where they stand.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.placed
    }

    /// The schema of the rows alone.
    pub(super) fn rows(&self) -> &SchemaRef {
        &self.rows
    }

    /// The partitions, with the spelling of each.
    pub(super) fn partitions(&self) -> &Arc<Partitions> {
        &self.partitions
    }

    /// The rows as one piece.
    pub(super) fn whole(&self, means: &RowMeans) -> Vec<Piece> {
        self.pieces(&ranges::whole(self.listed().count()), &[], means)
    }

    /// The rows in pieces that can be merged side by side, in the order of their keys. Reads footers only.
    pub(super) async fn cut(&self, means: &RowMeans) -> Result<Vec<Piece>, Failed> {
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let most = match means.ranges {
            Some(ranges) => ranges,
            None => ranges::ranges_max(self.stored_rows, means.budget.memory_bytes, threads),
        };
        if most <= 1 {
            return Ok(self.whole(means));
        }
        let footers: Vec<_> = self.listed().map(|(_, file)| self.footer(file.scan.clone())).collect();
        let keys: Vec<FileKeys> =
            futures::stream::iter(footers).buffered(READS_AT_A_TIME).try_collect().await?;
        let work = match means.ranges {
            Some(ranges) => anabranch_rows::range::cut(&keys, ranges),
            None => ranges::worthwhile(&keys, most),
        };
        Ok(self.pieces(&work, &keys, means))
    }

    fn footer(&self, scan: FileScan) -> BoxFuture<'static, Result<FileKeys, anabranch_rows::Error>> {
        let (rows, key) = (self.rows.clone(), self.key.clone());
        Box::pin(async move { scan::file_keys(&scan, &rows, &key).await })
    }

    /// All files, one side after the other.
    fn listed(&self) -> impl Iterator<Item = (Side, &SideFile)> {
        Side::ALL.into_iter().flat_map(|side| self.files.get(side).iter().map(move |file| (side, file)))
    }

    fn pieces(&self, work: &[WorkRange], keys: &[FileKeys], means: &RowMeans) -> Vec<Piece> {
        let listed: Vec<(Side, &SideFile)> = self.listed().collect();
        let means = means.share(work.len());
        let piece = |work: &WorkRange| {
            let mut files: PerSide<Vec<SideFile>> = PerSide::default();
            for index in &work.files {
                let Some((side, file)) = listed.get(*index) else { continue };
                let mut file = SideFile::clone(file);
                file.scan.range = work.range.clone();
                file.reaches_out = keys
                    .get(*index)
                    .map_or(work.range != KeyRange::all(), |keys| reaches_out(keys, &work.range));
                files.get_mut(*side).push(file);
            }
            Piece {
                files,
                range: work.range.clone(),
                rows: self.rows.clone(),
                placed: self.placed.clone(),
                key: self.key.clone(),
                partitions: self.partitions.clone(),
                means: means.clone(),
                keeps: true,
                kept: PerSide::default(),
            }
        };
        work.iter().map(piece).collect()
    }
}

/// Whether a file may hold rows beyond a range. Its keys are known by their first column.
fn reaches_out(keys: &FileKeys, range: &KeyRange) -> bool {
    let begins = |start: &[u8]| keys.least.as_deref().is_some_and(|least| least >= start);
    let ends = |end: &[u8]| {
        keys.greatest.as_deref().is_some_and(|greatest| greatest < end && !end.starts_with(greatest))
    };
    !range.start.as_deref().is_none_or(begins) || !range.end.as_deref().is_none_or(ends)
}

/// Finds the object of a file: on its side, or on another one that still has it. The inner error is a finding.
async fn open_file(
    views: PerSide<&dyn UnitView>,
    side: Side,
    add: &Add,
    number: usize,
    schema: &MergedSchema,
    files: &Files,
) -> Result<Result<FileScan, Finding>, Failed> {
    let DataPath::Relative(path) = &add.path else {
        return Err(Failed::Unmergeable(format!("{} is named by an absolute path", add.key)));
    };
    let mut found = None;
    for from in [side, Side::Base, Side::Ours, Side::Theirs] {
        if let Some(entry) = views.get(from).stat(path).await? {
            found = Some((from, entry));
            break;
        }
    }
    let Some((from, entry)) = found else {
        let message =
            format!("the log of {side} lists this object, its rows have to be merged, and no side holds it");
        return Ok(Err(Finding::file(ConflictKind::MissingDataFile, "data-file", path, message)));
    };
    let deleted = match deleted_rows(*views.get(side), add).await? {
        Ok(deleted) => deleted,
        Err(why) => {
            let message = format!("the deletion vector of this file cannot be read on {side}: {why}");
            return Ok(Err(Finding::file(ConflictKind::TableDamaged, "deletion-vector", path, message)));
        }
    };
    let mask = |deleted: RoaringTreemap| -> scan::RowMask { Arc::new(move |row| deleted.contains(row)) };
    Ok(Ok(FileScan {
        source: files.source(from, path, entry),
        projection: schema.projections.get(side).clone(),
        deleted: deleted.map(mask),
        range: KeyRange::all(),
        number: Some(i64::try_from(number).unwrap_or(i64::MAX)),
        batch_rows: BATCH_ROWS,
    }))
}
