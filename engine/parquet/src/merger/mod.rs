//! The merger of single Parquet files: rows by key, by the rules of `engine/rows`.
//!
//! A file is opened ([`sides`]), its columns and its metadata are joined ([`schema`], [`metadata`]; pure), its rows are
//! merged ([`rows`]) into a file that is laid out as ours is ([`layout`], [`order`], [`write`]). What is not merged is a
//! conflict ([`stop`]).

mod check;
mod diff;
mod dropped;
mod layout;
mod metadata;
mod order;
mod rows;
mod schema;
mod sides;
mod stop;
mod write;

use anabranch_merge::{
    Conflict, DiffInput, DiffOutcome, Failure, FailureReason, MergeEdit, MergeInput, MergeOutcome,
    MergeReport, Merger, MergerDescription, ObjectAttributes, RowDiffError, RowDiffPage, RowDiffRequest,
    RowSink, UnitKind, ViewError,
};
use anabranch_rows::scan::SortMeter;
use anabranch_rows::{Identity, PerSide, Side};
use anabranch_types::Entry;
use async_trait::async_trait;

use self::rows::{Job, MergedFile};
use self::sides::Unopened;
use self::stop::{Stop, of_whole};
use crate::options::{ROW_OPTIONS, row_options};
use crate::{RowBudget, RowMeans, RowTurns, on_a_thread, source};

/// Merges Parquet files that belong to no table.
#[derive(Debug, Default)]
pub struct ParquetMerger {
    means: RowMeans,
    diffs: RowTurns,
}

impl ParquetMerger {
    /// A merger that merges rows within this budget.
    pub fn with_budget(budget: RowBudget) -> Self {
        ParquetMerger { means: RowMeans { budget, ..RowMeans::default() }, diffs: RowTurns::default() }
    }

    /// What merges and diffs of rows have taken so far.
    pub fn row_meter(&self) -> &SortMeter {
        &self.means.meter
    }
}

#[async_trait]
impl Merger for ParquetMerger {
    fn description(&self) -> MergerDescription {
        MergerDescription { name: "parquet".into(), version: "1".into(), unit: UnitKind::Object }
    }

    async fn merge(&self, input: MergeInput<'_>) -> MergeOutcome {
        match self.try_merge(&input).await {
            Ok((edits, report)) => MergeOutcome::Merged { edits, report },
            Err(Stop::Failed(failure)) => MergeOutcome::Failed(failure),
            Err(Stop::Storage(error)) => {
                let message = error.to_string();
                MergeOutcome::Failed(Failure { reason: FailureReason::Storage, message })
            }
            Err(Stop::Conflicts(conflicts)) => conclude(&input, conflicts),
            Err(Stop::Whole(message)) => conclude(&input, vec![of_whole(&input, message)]),
        }
    }

    fn check_options(&self, options: &serde_json::Value) -> Result<(), String> {
        let names = options.as_object().into_iter().flat_map(|options| options.keys());
        if let Some(unknown) = names.into_iter().find(|name| !ROW_OPTIONS.contains(&name.as_str())) {
            return Err(format!(
                "option {unknown:?} is unknown: a Parquet file takes {}",
                ROW_OPTIONS.join(", ")
            ));
        }
        row_options(options).map(drop)
    }

    async fn diff(&self, input: DiffInput<'_>) -> Result<DiffOutcome, ViewError> {
        diff::diff(&input, &self.means).await
    }

    async fn diff_rows(
        &self,
        input: DiffInput<'_>,
        request: &RowDiffRequest,
    ) -> Result<RowDiffPage, RowDiffError> {
        let _turn = self.diffs.take().await;
        diff::diff_rows(&input, request, &self.means).await
    }

    async fn stream_rows(
        &self,
        input: DiffInput<'_>,
        request: &RowDiffRequest,
        sink: &dyn RowSink,
    ) -> Result<(), RowDiffError> {
        let _turn = self.diffs.take().await;
        diff::stream_rows(&input, request, &self.means, sink).await
    }
}

impl ParquetMerger {
    async fn try_merge(&self, input: &MergeInput<'_>) -> Result<(Vec<MergeEdit>, MergeReport), Stop> {
        if let Some(edits) = input.fast_path() {
            let how = if edits.is_empty() { "unchanged" } else { "fast-forward" };
            return Ok((edits, MergeReport::new(how)));
        }
        let base = input.base.stat("").await?;
        let (ours, theirs) = (input.ours.stat("").await?, input.theirs.stat("").await?);
        let (Some(our_entry), Some(their_entry)) = (&ours, &theirs) else {
            let [gone, other] =
                if ours.is_none() { [input.ours, input.theirs] } else { [input.theirs, input.ours] };
            return Err(Stop::Whole(format!("removed on {}, changed on {}", gone.label(), other.label())));
        };
        let options = row_options(input.options);
        let options = options.map_err(|why| Stop::Whole(format!("its rule in merge.toml: {why}")))?;
        if options.identity == Identity::Bag {
            return Err(Stop::Whole(without_keys(input)));
        }
        let attributes = ObjectAttributes::merged(base.as_ref(), our_entry, their_entry);
        let attributes = attributes
            .ok_or_else(|| Stop::Whole("its content type or metadata were changed differently".to_owned()))?;
        let (files, answers) = source::files();
        let unopened =
            |side, view, entry: Option<&Entry>| Unopened::of(&files, side, view, input.root, entry);
        let job = Job {
            root: input.root.to_owned(),
            files: PerSide {
                base: unopened(Side::Base, input.base, base.as_ref()),
                ours: unopened(Side::Ours, input.ours, ours.as_ref()),
                theirs: unopened(Side::Theirs, input.theirs, theirs.as_ref()),
            },
            options,
            resolutions: input.resolutions.to_vec(),
            prefer: input.prefer,
            means: self.means.clone(),
        };
        let no_thread = |error| Stop::limit(format!("no thread can be started to merge rows: {error}"));
        let running = on_a_thread(rows::run(job)).map_err(no_thread)?;
        let ended = answers.while_running([input.base, input.ours, input.theirs], running).await;
        // Whatever a hostile file makes of its reader ends with the thread.
        let merged =
            ended.map_err(|_| Stop::Whole("a side cannot be read: its reader broke off".into()))??;
        publish(input, merged, attributes, our_entry).await
    }
}

/// Gives the merged file to the storage.
async fn publish(
    input: &MergeInput<'_>,
    merged: MergedFile,
    attributes: ObjectAttributes,
    ours: &Entry,
) -> Result<(Vec<MergeEdit>, MergeReport), Stop> {
    let MergedFile { bytes, totals, notes } = merged;
    let mut report = MergeReport { rows: Some(totals), notes, ..MergeReport::new("rows") };
    let path = String::new();
    let entry = match bytes {
        None if ObjectAttributes::of(ours) == attributes => return Ok((Vec::new(), report)),
        None => {
            let ObjectAttributes { content_type, mut metadata } = attributes;
            let of_bytes = ours.metadata.iter().filter(|(name, _)| {
                anabranch_types::split_attribute(name).is_some_and(|(kind, _)| kind.is_of_bytes())
            });
            metadata.extend(of_bytes.map(|(name, value)| (name.clone(), value.clone())));
            let entry = Entry { content_type, metadata, ..ours.clone() };
            return Ok((vec![MergeEdit::Link { path, entry }], report));
        }
        Some(bytes) => {
            report.bytes_written = bytes.len() as u64;
            input.writer.write(bytes, attributes).await?
        }
    };
    Ok((vec![MergeEdit::Put { path, entry }], report))
}

/// Says what to do where nobody said which row is which.
fn without_keys(input: &MergeInput<'_>) -> String {
    let what = match input.changes.first().and_then(|change| change.base.as_ref()) {
        Some(_) => "changed differently on",
        None => "added with different content on",
    };
    format!(
        "{what} {} and {}; its rows are merged once a rule for it in _anabranch/merge.toml has merge = \"parquet\" and \
         names the columns that tell them apart: options = {{ keys = [\"id\"] }}",
        input.ours.label(),
        input.theirs.label()
    )
}

/// Conflicts, or the side that somebody chose for all of them.
fn conclude(input: &MergeInput<'_>, mut conflicts: Vec<Conflict>) -> MergeOutcome {
    Conflict::sort(&mut conflicts);
    conflicts.dedup_by_key(|conflict| conflict.id());
    let all = |side: &str| {
        conflicts.iter().all(|conflict| {
            let id = conflict.id();
            let decision = input.resolutions.iter().find(|resolution| resolution.conflict == id);
            decision.is_some_and(|decision| decision.choice == side)
        })
    };
    let change = input.changes.first();
    let from = [
        ("ours", None),
        ("theirs", change.map(|change| &change.theirs)),
        ("base", change.map(|change| &change.base)),
    ];
    for (side, entry) in from {
        if !all(side) {
            continue;
        }
        let path = String::new();
        let edits = match entry {
            None => Vec::new(),
            Some(Some(entry)) => vec![MergeEdit::Link { path, entry: entry.clone() }],
            Some(None) => vec![MergeEdit::Remove { path }],
        };
        return MergeOutcome::Merged { edits, report: MergeReport::new(side) };
    }
    MergeOutcome::Conflicts { conflicts, report: MergeReport::new("rows") }
}
