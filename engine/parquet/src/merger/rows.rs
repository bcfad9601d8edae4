//! Merges the rows of three files into one, on a thread of its own: walked over once, in the order of the key.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_merge::{Conflict, ConflictId, Resolution, RowTotals, Strategy};
use anabranch_rows::scan::{self, FILE_COLUMN, POSITION_COLUMN, RowStream, merge_next, with_positions};
use anabranch_rows::schema::{MergedSchema, reconcile};
use anabranch_rows::{MergeOptions, MergeReport, PerSide, RowBatches, RowDelta, RowMerge, Side, key_columns};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::dropped;
use super::layout::properties;
use super::metadata::{self, ARROW_SCHEMA, Clash, Columns, Joined, Pairs, Unjoined};
use super::order::{KeyOrder, Placing, RowOrder, number, order_of};
use super::schema::{MergedColumns, join};
use super::sides::{OpenFile, OpenFiles, Unopened};
use super::stop::{self, Stop};
use super::write::FileWriter;
use crate::sorted::{Unsorted, sorted};
use crate::{BATCH_ROWS, RowMeans, conflicts};

/// The sorts that may stand beside each other: one for each side, and one for the result.
const SORTS: usize = 4;

/// What part of the memory the rows of one key may take.
const PARTS_FOR_A_KEY: usize = 4;

/// What is merged, and how. Refers to nothing of the merge, so that it can go to another thread.
pub(super) struct Job {
    pub(super) root: String,
    pub(super) files: PerSide<Option<Unopened>>,
    /// As `merge.toml` says it.
    pub(super) options: MergeOptions,
    pub(super) resolutions: Vec<Resolution>,
    pub(super) prefer: Option<Strategy>,
    pub(super) means: RowMeans,
}

/// A merged file.
#[derive(Debug)]
pub(super) struct MergedFile {
    /// Its bytes; none: it is the one of ours.
    pub(super) bytes: Option<Bytes>,
    pub(super) totals: RowTotals,
    pub(super) notes: Vec<String>,
}

/// Merges the rows of the sides.
pub(super) async fn run(job: Job) -> Result<MergedFile, Stop> {
    let memory = job.means.budget.memory_bytes;
    let PerSide { base, ours, theirs } = job.files.clone();
    let open = async |file: Option<Unopened>| match file {
        Some(file) => file.open(memory).await.map(Some),
        None => Ok(None),
    };
    let files = PerSide { base: open(base).await?, ours: open(ours).await?, theirs: open(theirs).await? };
    let merged = join_schemas(&job.root, &files)?;
    if let Some(name) =
        [FILE_COLUMN, POSITION_COLUMN].into_iter().find(|name| merged.rows.index_of(name).is_ok())
    {
        return Err(Stop::Whole(format!(
            "a column {name} cannot be told from the one that says where a row stands"
        )));
    }
    let columns = PerSide::from_fn(|side| files.get(side).as_ref().map(|file| file.columns.clone()));
    let columns = join(&columns, &merged).map_err(Stop::Whole)?;
    let mut open: Vec<Conflict> =
        columns.clashes.iter().map(|column| stop::of_column_metadata(&job.root, column)).collect();
    open.extend(dropped::conflicts(&job.root, &files, &merged, &job.options.identity, &job.means).await?);
    let pairs = match join_pairs(&job, &files, &columns) {
        Ok(joined) => joined,
        Err(Unjoined::Apart(why)) => return Err(Stop::Whole(why)),
        Err(Unjoined::Clashes(clashes)) => {
            open.extend(clashes.iter().map(|clash| stop::of_metadata(&job.root, clash)));
            Joined::default()
        }
    };
    Merging { job: &job, files: &files, merged: &merged, columns: &columns }.finish(pairs, open).await
}

/// The rows of a stream in the order of their keys, within a part of the means.
pub(super) async fn by_key(
    rows: RowStream,
    schema: &SchemaRef,
    key: &[usize],
    means: &RowMeans,
) -> Result<RowStream, Stop> {
    sorted(rows, schema, key, means, SORTS).await.map_err(|unsorted| match unsorted {
        Unsorted::TooLarge(share) => Stop::limit(format!(
            "the rows of a file take more than {share} bytes of memory, and no folder is set up for what does not fit"
        )),
        Unsorted::Engine(error) => error.into(),
    })
}

fn join_schemas(root: &str, files: &OpenFiles) -> Result<MergedSchema, Stop> {
    let none = Schema::empty();
    let plain = |side: Side| files.get(side).as_ref().map_or(&none, |file| &file.columns.plain);
    reconcile(PerSide::from_fn(plain)).map_err(|findings| {
        Stop::Conflicts(findings.iter().map(|finding| stop::of_schema(root, finding)).collect())
    })
}

/// Joins what stands in the files beside their rows.
fn join_pairs(job: &Job, files: &OpenFiles, columns: &MergedColumns) -> Result<Joined, Unjoined> {
    let pairs = PerSide::from_fn(|side| files.get(side).as_ref().map(OpenFile::pairs).unwrap_or_default());
    let names = columns.shown.fields().iter().zip(&columns.from);
    let from: BTreeMap<String, Option<Side>> =
        names.map(|(field, from)| (field.name().clone(), from.as_ref().map(|(side, _)| *side))).collect();
    let are_of =
        |side: Side| files.get(side).as_ref().is_some_and(|file| columns.are_of(side, &file.columns));
    let facts = Columns { from: &from, are_ours: are_of(Side::Ours), are_theirs: are_of(Side::Theirs) };
    let decided = |clash: &Clash| {
        let id = stop::of_metadata(&job.root, clash).id();
        let decision = job.resolutions.iter().find(|resolution| resolution.conflict == id);
        match (decision.map(|decision| decision.choice.as_str()), job.prefer) {
            (Some("ours"), _) | (None, Some(Strategy::DestWins)) => Some(Side::Ours),
            (Some("theirs"), _) | (None, Some(Strategy::SourceWins)) => Some(Side::Theirs),
            (Some("base"), _) => Some(Side::Base),
            _ => None,
        }
    };
    metadata::join(PerSide { base: &pairs.base, ours: &pairs.ours, theirs: &pairs.theirs }, &facts, decided)
}

/// A merge whose files are open and whose columns are joined.
struct Merging<'a> {
    job: &'a Job,
    files: &'a OpenFiles,
    merged: &'a MergedSchema,
    columns: &'a MergedColumns,
}

impl Merging<'_> {
    /// Walks over the rows, and writes the merged file unless something is open.
    async fn finish(&self, joined: Joined, mut open: Vec<Conflict>) -> Result<MergedFile, Stop> {
        let placed = with_positions(&self.merged.rows);
        let key = key_columns(&self.merged.rows, &self.job.options.identity, &[])?;
        let orders = self.orders().await?;
        let order = RowOrder::of(orders.ours, orders.theirs);
        let sides = self.streams(&placed, &key, orders).await?;
        let report = Report::default();
        let merge = self.merge(placed.clone())?;
        let placing = Placing::new(&placed, &key, order)?;
        let sort_by = placing.sort_by();
        let mut rows = merged_rows(merge, sides, placing, report.clone());
        if let Some(sort_by) = sort_by {
            rows = by_key(rows, &placed, &sort_by, &self.job.means).await?;
        }
        let mut writer =
            if open.is_empty() { Some(self.writer(&key, order == RowOrder::ByKey)?) } else { None };
        let mut batches = RowBatches::new(self.merged.rows.clone(), BATCH_ROWS);
        let failed = |source| anabranch_rows::Error::Arrow { step: "leaving out where rows stand", source };
        let all: Vec<usize> = (0..self.merged.rows.fields().len()).collect();
        while let Some(batch) = rows.try_next().await? {
            let Some(writer) = &mut writer else { continue };
            batches.push(&batch.project(&all).map_err(failed)?)?;
            while let Some(full) = batches.take() {
                writer.write(&full)?;
            }
        }
        let report = report.take()?;
        open.extend(self.open_rows(&report));
        let Some(mut writer) = writer.filter(|_| open.is_empty()) else { return Err(Stop::Conflicts(open)) };
        batches.finish()?;
        while let Some(rest) = batches.take() {
            writer.write(&rest)?;
        }
        self.file(writer, &report, joined)
    }

    fn file(&self, writer: FileWriter, report: &MergeReport, joined: Joined) -> Result<MergedFile, Stop> {
        let delta = report.from_ours;
        let totals = RowTotals {
            added: delta.added,
            removed: delta.removed,
            modified: delta.changed,
            cells: delta.cells,
        };
        let mut notes = joined.notes;
        if report.by_policy > 0 {
            notes.push(format!("{} cells were decided by a policy", report.by_policy));
        }
        if report.resolved > 0 {
            notes.push(format!("{} conflicts of rows were decided by somebody", report.resolved));
        }
        if delta == RowDelta::default() && self.is_ours(&joined.pairs) {
            return Ok(MergedFile { bytes: None, totals, notes });
        }
        let mut pairs = metadata::with_rows(joined.pairs, report.rows);
        let ours = self.files.ours.as_ref().map(OpenFile::pairs).unwrap_or_default();
        if ours.iter().any(|(key, _)| key == ARROW_SCHEMA) {
            // Readers that know this key look for the others within it.
            let known = pairs.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
            let shown = self.columns.shown.clone().with_metadata(known.collect());
            let shown = parquet::arrow::encode_arrow_schema(&shown);
            pairs.push((ARROW_SCHEMA.to_owned(), Some(shown)));
        }
        Ok(MergedFile { bytes: Some(writer.finish(pairs)?), totals, notes })
    }

    /// Whether a file with just ours' rows and these pairs is ours' file.
    fn is_ours(&self, pairs: &Pairs) -> bool {
        let Some(ours) = &self.files.ours else { return false };
        let described = |name: &String| {
            let column = |schema: &Schema| schema.field_with_name(name).map(|field| field.metadata().clone());
            let shown = column(&ours.columns.shown).map(|mut metadata| {
                metadata.remove(anabranch_rows::schema::FIELD_ID);
                metadata
            });
            shown.ok() == column(&self.columns.shown).ok()
        };
        let mut kept = ours.pairs();
        kept.retain(|(key, _)| key != ARROW_SCHEMA);
        self.columns.are_of(Side::Ours, &ours.columns)
            && kept == *pairs
            && ours.columns.shown.fields().iter().all(|field| described(field.name()))
    }

    fn open_rows(&self, report: &MergeReport) -> Vec<Conflict> {
        let root = &self.job.root;
        let further = report.conflict_count.saturating_sub(report.conflicts.len() as u64);
        let listed = report.conflicts.iter().cloned().map(|conflict| stop::of_row(root, conflict));
        listed.chain((further > 0).then(|| stop::of_further_rows(root, further))).collect()
    }

    /// In which order of the key the rows of each side are: reads the columns of the key.
    async fn orders(&self) -> Result<PerSide<KeyOrder>, Stop> {
        let names = match &self.job.options.identity {
            anabranch_rows::Identity::Key(names) => names.clone(),
            _ => return Err(Stop::broken("rows of a file are merged by a key".to_owned())),
        };
        // The key as the merged file has it: a side may have it narrower.
        let fields = self.merged.rows.fields().iter().filter(|field| names.contains(field.name()));
        let keys = Schema::new(fields.cloned().collect::<Vec<_>>());
        let mut orders = PerSide::from_fn(|_| KeyOrder::BOTH);
        for side in Side::ALL {
            let Some(file) = self.files.get(side) else { continue };
            let projection = self.merged.projections.get(side);
            let own = |field: &arrow::datatypes::FieldRef| {
                let name = projection.source_of(field.name())?;
                file.columns.plain.field_with_name(name).ok().cloned()
            };
            let own = Schema::new(keys.fields().iter().filter_map(own).collect::<Vec<_>>());
            let part = reconcile(PerSide { base: &own, ours: &keys, theirs: &keys });
            let part =
                part.map_err(|_| Stop::broken("the key of a side is not that of the file".to_owned()))?;
            let key = key_columns(&part.rows, &self.job.options.identity, &[])?;
            let found =
                part.rows.fields().iter().filter(|f| part.projections.base.source_of(f.name()).is_some());
            let is_whole = found.count() == own.fields().len();
            let scan = file.scan(&part.projections.base, None);
            let order = if is_whole { order_of(scan, &part.rows, &key).await? } else { KeyOrder::NONE };
            *orders.get_mut(side) = order;
        }
        Ok(orders)
    }

    /// The rows of the sides, in the order of their keys, each with where it stands.
    async fn streams(
        &self,
        placed: &SchemaRef,
        key: &[usize],
        orders: PerSide<KeyOrder>,
    ) -> Result<PerSide<RowStream>, Stop> {
        let mut streams = Vec::with_capacity(Side::ALL.len());
        for side in Side::ALL {
            let Some(file) = self.files.get(side) else {
                streams.push(stream::empty().boxed());
                continue;
            };
            let scan = file.scan(self.merged.projections.get(side), Some(number(side)));
            let rows = scan::read(scan, self.merged.rows.clone(), key).await?;
            streams.push(match orders.get(side).ascending {
                true => rows,
                false => by_key(rows, placed, key, &self.job.means).await?,
            });
        }
        let mut streams = streams.into_iter();
        let mut next = || streams.next().unwrap_or_else(|| stream::empty().boxed());
        Ok(PerSide { base: next(), ours: next(), theirs: next() })
    }

    fn merge(&self, placed: SchemaRef) -> Result<RowMerge, Stop> {
        let options = MergeOptions {
            carried: vec![FILE_COLUMN.to_owned(), POSITION_COLUMN.to_owned()],
            group_bytes_max: self.job.means.budget.memory_bytes / PARTS_FOR_A_KEY,
            ..self.job.options.clone()
        };
        let merge = RowMerge::new(placed, &options, None)?;
        let root = self.job.root.clone();
        let id_of = move |conflict: &anabranch_rows::RowConflict| -> ConflictId {
            stop::of_row(&root, conflict.clone()).id()
        };
        Ok(match conflicts::resolver(id_of, &self.job.resolutions, self.job.prefer) {
            Some(resolver) => merge.with_resolver(resolver),
            None => merge,
        })
    }

    fn writer(&self, key: &[usize], stays_sorted: bool) -> Result<FileWriter, Stop> {
        let footers = PerSide::from_fn(|side| self.files.get(side).as_ref().map(|file| &*file.footer));
        let stored = &self.columns.stored;
        let leaf_of = |column: &usize| {
            (0..stored.num_columns()).find(|leaf| stored.get_column_root_idx(*leaf) == *column)
        };
        let sorted_by: Option<Vec<usize>> = key.iter().map(leaf_of).collect();
        let sorted_by = sorted_by.filter(|_| stays_sorted);
        let properties = properties(self.columns, &footers, sorted_by.as_deref());
        FileWriter::new(self.columns, &self.merged.rows, properties, self.job.means.budget.memory_bytes)
    }
}

/// What a merge has found, once its stream has ended.
#[derive(Clone, Default)]
struct Report(Arc<Mutex<Option<MergeReport>>>);

impl Report {
    fn put(&self, report: MergeReport) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    fn take(&self) -> Result<MergeReport, Stop> {
        let report = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        report.ok_or_else(|| Stop::broken("the rows were not merged to their end".to_owned()))
    }
}

/// The rows of the result, with where they stand. Where something is open, no more rows come, and the merge goes on to find
/// the rest.
fn merged_rows(merge: RowMerge, sides: PerSide<RowStream>, placing: Placing, report: Report) -> RowStream {
    let next = |(mut merge, mut sides, mut placing, report): (
        RowMerge,
        PerSide<RowStream>,
        Placing,
        Report,
    )| async move {
        while let Some(batch) = merge_next(&mut merge, &mut sides).await? {
            if merge.conflict_count() == 0 && batch.rows.num_rows() > 0 {
                let rows: RecordBatch = placing.place(&batch)?;
                return Ok(Some((rows, (merge, sides, placing, report))));
            }
        }
        report.put(merge.finish());
        Ok(None)
    };
    stream::try_unfold((merge, sides, placing, report), next).boxed()
}
