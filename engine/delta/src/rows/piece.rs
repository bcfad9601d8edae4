//! The rows of one range of keys, of all three sides, in the order of their keys, as often as they are wanted.

use std::sync::Arc;

use anabranch_parquet::BATCH_ROWS;
use anabranch_rows::range::KeyRange;
use anabranch_rows::scan::{self, Held, RowStream, SortBudget};
use anabranch_rows::sort::key_array;
use anabranch_rows::{PerSide, RowCodec, Side};
use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use futures::stream::{StreamExt, TryStreamExt};

use super::files::read_file;
use super::partition::Partitions;
use super::sides::SideFile;
use super::{Failed, RowMeans};

/// What part of the memory the unsorted rows of one side may take: beside them stand, at most, the sorted ones of the others
/// and two copies of them.
const PARTS_OF_MEMORY: usize = 5;

/// See the module. Refers to nothing of the merge, so that it can go to another thread.
pub(super) struct Piece {
    pub(super) files: PerSide<Vec<SideFile>>,
    pub(super) range: KeyRange,
    /// The rows, without where they stand.
    pub(super) rows: SchemaRef,
    /// The rows with where they stand.
    pub(super) placed: SchemaRef,
    pub(super) key: Vec<usize>,
    pub(super) partitions: Arc<Partitions>,
    /// What this piece may use.
    pub(super) means: RowMeans,
    /// Whether rows that fit into memory stay there between two walks.
    pub(super) keeps: bool,
    pub(super) kept: PerSide<Option<Kept>>,
}

/// Rows in memory.
pub(super) struct Kept {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    /// Counts them.
    _held: Held,
}

impl Piece {
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
            return Ok(futures::stream::iter(kept.batches.clone().into_iter().map(Ok)).boxed());
        }
        let (first, rest) = self.beginning(side).await?;
        if let (true, None) = (self.keeps, &rest) {
            let batches =
                anabranch_rows::sort::sort_batches(&self.placed, &self.key, &first.batches, BATCH_ROWS)?;
            *self.kept.get_mut(side) = Some(Kept { batches: batches.clone(), ..first });
            return Ok(futures::stream::iter(batches.into_iter().map(Ok)).boxed());
        }
        self.keeps = false;
        let budget = &self.means.budget;
        let Some(folder) = budget.folder.clone() else {
            return Err(Failed::TooLarge(format!(
                "the rows that both sides may have changed take more than {} bytes of memory, and no folder is set up for \
                 what does not fit",
                budget.memory_bytes
            )));
        };
        let memory_bytes = budget.memory_bytes / Side::ALL.len();
        let sort = SortBudget {
            memory_bytes,
            folder,
            disk_bytes_max: budget.disk_bytes / Side::ALL.len() as u64,
            batch_rows: scan::batch_rows(memory_bytes, first.rows, first.bytes, BATCH_ROWS),
            meter: self.means.meter.clone(),
        };
        let all = futures::stream::iter(first.batches.into_iter().map(Ok));
        let all = all.chain(rest.unwrap_or_else(|| futures::stream::empty().boxed())).boxed();
        Ok(scan::sort(self.placed.clone(), &self.key, all, &sort)?.boxed())
    }

    /// The first rows of a side: all that fit into its part of the memory where rows are kept, else one batch. And those
    /// that follow; none: there are no more.
    async fn beginning(&self, side: Side) -> Result<(Kept, Option<RowStream>), Failed> {
        let most = if self.keeps { self.means.budget.memory_bytes / PARTS_OF_MEMORY } else { 0 };
        let (mut batches, mut rows, mut bytes) = (Vec::new(), 0_usize, 0_usize);
        let mut unsorted = self.unsorted(side)?;
        let rest = loop {
            let Some(batch) = unsorted.try_next().await? else { break None };
            bytes = bytes.saturating_add(batch.get_array_memory_size());
            rows = rows.saturating_add(batch.num_rows());
            batches.push(batch);
            if bytes > most {
                break Some(unsorted);
            }
        };
        Ok((Kept { batches, rows, bytes, _held: self.means.meter.hold(bytes) }, rest))
    }

    /// The rows of a side in the order of its files.
    fn unsorted(&self, side: Side) -> Result<RowStream, Failed> {
        let files = self.files.get(side).clone();
        let (rows, key, partitions) = (self.rows.clone(), self.key.clone(), self.partitions.clone());
        let codec = Arc::new(RowCodec::new(&self.placed)?);
        let range = self.range.clone();
        let streams = futures::stream::iter(files).then(move |SideFile { scan, partition, reaches_out }| {
            let (rows, key, partitions) = (rows.clone(), key.clone(), partitions.clone());
            let (codec, range) = (codec.clone(), range.clone());
            async move {
                let stream = read_file(scan, rows, &key, partitions, partition).await?;
                let cut = stream.map(
                    move |batch| {
                        if reaches_out { within(&codec, &key, &range, &batch?) } else { batch }
                    },
                );
                Ok::<_, anabranch_rows::Error>(cut)
            }
        });
        Ok(streams.try_flatten().boxed())
    }
}

/// The rows of a batch whose keys are in a range: the others are sorted elsewhere.
fn within(
    codec: &RowCodec,
    key: &[usize],
    range: &KeyRange,
    batch: &RecordBatch,
) -> Result<RecordBatch, anabranch_rows::Error> {
    let keys = key_array(codec, key, batch)?;
    let is_in = |key: Option<&[u8]>| Some(range.contains(key.unwrap_or_default()));
    let kept: BooleanArray = keys.as_binary::<i64>().iter().map(is_in).collect();
    let step = "leaving out rows beyond a range of keys";
    filter_record_batch(batch, &kept).map_err(|source| anabranch_rows::Error::Arrow { step, source })
}
