//! The walks over the rows of all sides: one to find conflicts and the files to rewrite, one to write. Each range of keys is
//! walked over on a thread of its own; what they find is put together in the order of the keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use anabranch_merge::MergeInput;
use anabranch_parquet::BATCH_ROWS;
use anabranch_rows::scan::{FILE_COLUMN, RowStream, merge_next};
use anabranch_rows::{
    BagSurvey, Copies, Identity, MergeOptions, MergeReport, MergedBatch, Origin, PerSide, RowBatches,
    RowMerge,
};
use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, SchemaRef};
use tokio::sync::{mpsc, oneshot};

use super::piece::Piece;
use super::write::RowWriter;
use super::{Failed, RowMeans, conflicts};

/// What part of the memory the rows of one key may take. Of all memory, not of a range's: whether a merge is refused must not
/// depend on how many ranges there are.
const PARTS_FOR_A_KEY: usize = 4;

/// How many batches of a range wait until those of the ranges before it are written.
const BATCHES_WAITING: usize = 8;

/// See the module.
pub(super) struct Walks<'a, 'b> {
    pub(super) input: &'a MergeInput<'b>,
    pub(super) options: &'a MergeOptions,
    pub(super) means: &'a RowMeans,
    /// Of rows without identity: the sums over all of them, and of which there are very many copies.
    pub(super) counted: Option<(BagSurvey, Copies)>,
}

/// The options of a merge that uses no more than these means.
pub(super) fn within(means: &RowMeans, options: MergeOptions) -> MergeOptions {
    MergeOptions { group_bytes_max: means.budget.memory_bytes / PARTS_FOR_A_KEY, ..options }
}

/// What the first walk found.
pub(super) struct Surveyed {
    pub(super) pieces: Vec<Piece>,
    /// Ours' files that lose a row.
    pub(super) rewritten: BTreeSet<i64>,
}

impl Walks<'_, '_> {
    /// Walks over all pieces without writing.
    pub(super) async fn survey(&self, pieces: Vec<Piece>) -> Result<(Surveyed, MergeReport), Failed> {
        let mut running = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let merge = self.merge(&piece)?;
            running.push(on_a_thread(survey(piece, merge))?);
        }
        let mut surveyed = Surveyed { pieces: Vec::with_capacity(running.len()), rewritten: BTreeSet::new() };
        let mut report = MergeReport::default();
        for one in running {
            let (piece, rewritten, part) = ended(one).await?;
            surveyed.pieces.push(piece);
            surveyed.rewritten.extend(rewritten);
            report = report.plus(part, self.options.conflicts_max);
        }
        Ok((surveyed, report))
    }

    /// Walks over all pieces, and writes what has to be written in the order of the keys. The batches that the writer gets
    /// do not depend on the pieces, because the files that it makes follow from them.
    pub(super) async fn write(
        &self,
        pieces: Vec<Piece>,
        rewritten: &Arc<BTreeSet<i64>>,
        rows: &SchemaRef,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), Failed> {
        let mut running = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let merge = self.merge(&piece)?;
            let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
            let columns = rows.fields().len();
            let one = on_a_thread(hand_over(piece, merge, rewritten.clone(), columns, sender))?;
            running.push((receiver, one));
        }
        let mut batches = RowBatches::new(rows.clone(), BATCH_ROWS);
        for (mut receiver, one) in running {
            while let Some(batch) = receiver.recv().await {
                batches.push(&batch)?;
                while let Some(full) = batches.take() {
                    writer.write(&full).await?;
                }
            }
            ended(one).await?;
        }
        batches.finish()?;
        while let Some(rest) = batches.take() {
            writer.write(&rest).await?;
        }
        Ok(())
    }

    fn merge(&self, piece: &Piece) -> Result<RowMerge, Failed> {
        let options = MergeOptions { range: piece.range.clone(), ..self.options.clone() };
        let options = within(self.means, options);
        let (survey, copies) = self.counted.clone().unzip();
        let merge = RowMerge::new(piece.placed.clone(), &options, survey)?;
        let merge = merge.with_copies(copies.unwrap_or_default());
        let resolver = conflicts::resolver(self.input.root, self.input.resolutions, self.input.prefer);
        Ok(match resolver.filter(|_| options.identity != Identity::Bag) {
            Some(resolver) => merge.with_resolver(resolver),
            None => merge,
        })
    }
}

/// Work on a thread, and what it comes to.
type Running<T> = oneshot::Receiver<Result<T, Failed>>;

fn on_a_thread<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failed>> + Send + 'static,
) -> Result<Running<T>, Failed> {
    let no_thread = |error| Failed::TooLarge(format!("no thread can be started to merge rows: {error}"));
    anabranch_parquet::on_a_thread(work).map_err(no_thread)
}

async fn ended<T>(running: Running<T>) -> Result<T, Failed> {
    let broken = |_| Failed::Engine(anabranch_rows::Error::Misuse("a thread that merged rows broke off"));
    running.await.map_err(broken)?
}

async fn survey(mut piece: Piece, merge: RowMerge) -> Result<(Piece, BTreeSet<i64>, MergeReport), Failed> {
    let mut walk = Walk { merge, streams: piece.sorted().await? };
    let mut rewritten = BTreeSet::new();
    while let Some(batch) = walk.next().await? {
        rewritten.extend(file_numbers(&batch.gone));
    }
    Ok((piece, rewritten, walk.merge.finish()))
}

async fn hand_over(
    mut piece: Piece,
    merge: RowMerge,
    rewritten: Arc<BTreeSet<i64>>,
    columns: usize,
    to: mpsc::Sender<RecordBatch>,
) -> Result<(), Failed> {
    let mut walk = Walk { merge, streams: piece.sorted().await? };
    while let Some(batch) = walk.next().await? {
        let rows = new_rows(&batch, &rewritten, columns)?;
        // The merge may have ended meanwhile.
        if rows.num_rows() > 0 && to.send(rows).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// One walk over the rows of all sides.
struct Walk {
    merge: RowMerge,
    streams: PerSide<RowStream>,
}

impl Walk {
    async fn next(&mut self) -> Result<Option<MergedBatch>, anabranch_rows::Error> {
        merge_next(&mut self.merge, &mut self.streams).await
    }
}

/// Which of ours' files some rows were read from.
fn file_numbers(rows: &RecordBatch) -> impl Iterator<Item = i64> {
    let numbers = rows.column_by_name(FILE_COLUMN).map(|column| column.as_primitive::<Int64Type>().clone());
    numbers.into_iter().flat_map(|numbers| numbers.iter().flatten().collect::<Vec<_>>())
}

/// The rows of a batch that have to be written: those that ours does not have, and those of files that are rewritten.
fn new_rows(
    batch: &MergedBatch,
    rewritten: &BTreeSet<i64>,
    columns: usize,
) -> Result<RecordBatch, anabranch_rows::Error> {
    let failed = |source| anabranch_rows::Error::Arrow { step: "choosing the rows to write", source };
    let numbers = batch.rows.column_by_name(FILE_COLUMN).map(|column| column.as_primitive::<Int64Type>());
    let number_of =
        |row: usize| numbers.filter(|numbers| row < numbers.len()).map(|numbers| numbers.value(row));
    let wanted: BooleanArray = batch
        .origins
        .iter()
        .enumerate()
        .map(|(row, origin)| {
            Some(*origin != Origin::Ours || number_of(row).is_some_and(|number| rewritten.contains(&number)))
        })
        .collect();
    let all: Vec<usize> = (0..columns).collect();
    let rows = batch.rows.project(&all).map_err(failed)?;
    filter_record_batch(&rows, &wanted).map_err(failed)
}
