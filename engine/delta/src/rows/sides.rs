//! The rows of the three sides of a component, in the order of their keys, as often as they are wanted.

use std::sync::Arc;

use anabranch_merge::{ConflictKind, MergeInput, UnitView};
use anabranch_rows::range::KeyRange;
use anabranch_rows::scan::{self, FileScan, RowStream, SortBudget};
use anabranch_rows::schema::MergedSchema;
use anabranch_rows::{PerSide, Side};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use futures::stream::{StreamExt, TryStreamExt};
use roaring::RoaringTreemap;

use super::partition::Partitions;
use super::source::Files;
use super::vector::deleted_rows;
use super::{Failed, RowBudget};
use crate::action::{Add, DataPath};
use crate::plan::{Component, Finding};

/// How many rows a batch has.
const BATCH_ROWS: usize = 8_192;

/// A component of this size or less (as its files are stored) is kept in memory once it is read.
const KEPT_BYTES_MAX: i64 = 64 << 20;

/// One file of a side.
struct SideFile {
    scan: FileScan,
    partition: Vec<ArrayRef>,
}

/// See the module.
pub(super) struct Sides {
    files: PerSide<Vec<SideFile>>,
    /// The rows, without where they stand.
    rows: SchemaRef,
    /// The rows with where they stand.
    placed: SchemaRef,
    key: Vec<usize>,
    budget: RowBudget,
    keeps: bool,
    kept: PerSide<Option<Vec<RecordBatch>>>,
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
        budget: RowBudget,
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
                    Ok(scan) => opened.get_mut(side).push(SideFile { scan, partition }),
                    Err(finding) => findings.push(finding),
                }
            }
        }
        if !findings.is_empty() {
            return Err(Failed::Conflicts(findings));
        }
        let sizes = Side::ALL.iter().flat_map(|side| adds.get(*side).iter()).map(|add| add.size);
        let keeps = budget.folder.is_none() || sizes.sum::<i64>() <= KEPT_BYTES_MAX;
        Ok(Sides {
            files: opened,
            rows: schema.rows.clone(),
            placed: scan::with_positions(&schema.rows),
            key,
            budget,
            keeps,
            kept: PerSide::default(),
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

    /// The rows of all sides from the beginning.
    pub(super) async fn sorted(&mut self) -> Result<PerSide<RowStream>, Failed> {
        Ok(PerSide {
            base: self.sorted_side(Side::Base).await?,
            ours: self.sorted_side(Side::Ours).await?,
            theirs: self.sorted_side(Side::Theirs).await?,
        })
    }

    async fn sorted_side(&mut self, side: Side) -> Result<RowStream, Failed> {
        if let Some(kept) = self.kept.get(side) {
            return Ok(futures::stream::iter(kept.clone().into_iter().map(Ok)).boxed());
        }
        if self.keeps {
            if let Some(batches) = self.collected(side).await? {
                let sorted =
                    anabranch_rows::sort::sort_batches(&self.placed, &self.key, &batches, BATCH_ROWS)?;
                *self.kept.get_mut(side) = Some(sorted.clone());
                return Ok(futures::stream::iter(sorted.into_iter().map(Ok)).boxed());
            }
            self.keeps = false;
        }
        let Some(folder) = self.budget.folder.clone() else {
            return Err(Failed::TooLarge(format!(
                "the rows that both sides may have changed take more than {} bytes of memory, and no folder is set up for \
                 what does not fit",
                self.budget.memory_bytes
            )));
        };
        let budget = SortBudget {
            memory_bytes: self.share(),
            folder,
            disk_bytes_max: self.budget.disk_bytes / Side::ALL.len() as u64,
            batch_rows: BATCH_ROWS,
        };
        Ok(scan::sort(self.placed.clone(), &self.key, self.unsorted(side), &budget)?.boxed())
    }

    /// What one side has of the memory.
    fn share(&self) -> usize {
        self.budget.memory_bytes / Side::ALL.len()
    }

    /// The rows of a side; none if they take more than its share.
    async fn collected(&self, side: Side) -> Result<Option<Vec<RecordBatch>>, Failed> {
        let mut batches = Vec::new();
        let mut bytes = 0_usize;
        let mut unsorted = self.unsorted(side);
        while let Some(batch) = unsorted.try_next().await? {
            bytes = bytes.saturating_add(batch.get_array_memory_size());
            if bytes > self.share() {
                return Ok(None);
            }
            batches.push(batch);
        }
        Ok(Some(batches))
    }

    /// The rows of a side in the order of its files.
    fn unsorted(&self, side: Side) -> RowStream {
        let files: Vec<(FileScan, Vec<ArrayRef>)> =
            self.files.get(side).iter().map(|file| (file.scan.clone(), file.partition.clone())).collect();
        let (rows, key, partitions) = (self.rows.clone(), self.key.clone(), self.partitions.clone());
        let streams = futures::stream::iter(files).then(move |(scan, partition)| {
            let (rows, key, partitions) = (rows.clone(), key.clone(), partitions.clone());
            async move {
                let stream = scan::read(scan, rows, &key).await?;
                let filled = stream.map(move |batch| {
                    let filled = partitions.fill(&batch?, &partition);
                    filled.map_err(|source| anabranch_rows::Error::Arrow {
                        step: "filling in partition values",
                        source,
                    })
                });
                Ok::<_, anabranch_rows::Error>(filled)
            }
        });
        streams.try_flatten().boxed()
    }
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
