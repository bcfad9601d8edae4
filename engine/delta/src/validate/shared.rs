//! Rows of one key that both sides added in files of their own.

use std::collections::BTreeSet;
use std::sync::Arc;

use anabranch_merge::{ConflictKind, MergeInput};
use anabranch_rows::{Identity, PerSide, key_columns};
use serde_json::{Value, json};

use super::columns::Columns;
use super::files::{FileRows, may_share, rows_beyond};
use super::keys::{Group, Wanted, each_key};
use super::scan::{Places, Scan};
use super::{declared, names_in_log, violation_choices};
use crate::plan::{Finding, Planned};
use crate::rows::sorted::{Unsorted, sorted};
use crate::rows::{Failed, RowMeans, States, row_options, source};

/// How many keys are shown one by one.
const SHOWN_MAX: usize = 100;

/// The keys that both sides added.
#[derive(Debug, Default)]
pub(crate) struct SharedKeys {
    /// The files that hold their rows.
    pub(crate) files: BTreeSet<Arc<str>>,
    /// How many there are.
    count: u64,
    shown: Vec<SharedKey>,
    /// Why keys could not be compared, if they could not.
    unread: Option<String>,
}

/// One of them, and the files of ours and of theirs that hold its rows.
#[derive(Debug)]
struct SharedKey {
    key: Value,
    ours: Vec<Arc<str>>,
    theirs: Vec<Arc<str>>,
}

/// Finds the keys of which both sides added rows, in files that neither side took from the other. Reads key columns alone,
/// and only those files whose statistics do not tell them apart from the other side's.
pub(crate) async fn shared_keys(
    input: &MergeInput<'_>,
    states: States<'_>,
    planned: &Planned,
    means: &RowMeans,
) -> Result<SharedKeys, Failed> {
    if !declared(input.options).map_err(Failed::Options)?.keys_apart {
        return Ok(SharedKeys::default());
    }
    let options = row_options(input.options).map_err(Failed::Options)?;
    let Identity::Key(keys) = options.identity else { return Ok(SharedKeys::default()) };
    let States { base, ours, theirs } = states;
    let Some(live) = planned.live() else { return Ok(SharedKeys::default()) };
    let undecided = planned.undecided();
    let is_undecided = |rows: &FileRows| undecided.contains(&rows.add.key);
    let mut our_rows = rows_beyond(&ours.files, &[&base.files, &theirs.files]);
    our_rows.retain(|rows| live.contains_key(&rows.add.key) || is_undecided(rows));
    // Theirs' rows come in the files that the result lists. Those need not be live on theirs: where a compaction is left out,
    // the files come that it had put together.
    let beyond_ours = |files| rows_beyond(files, &[&base.files, &ours.files]).into_iter();
    let undecided_rows = beyond_ours(&theirs.files).filter(is_undecided);
    let mut their_rows: Vec<FileRows> = beyond_ours(live).filter(|rows| !is_undecided(rows)).collect();
    their_rows.extend(undecided_rows);
    if our_rows.is_empty() || their_rows.is_empty() {
        return Ok(SharedKeys::default());
    }
    let sides = PerSide { base: &*base.metadata, ours: &*ours.metadata, theirs: &*theirs.metadata };
    let columns =
        Columns::of(sides, |name| keys.iter().any(|key| key == name)).map_err(Failed::Unmergeable)?;
    let in_log = names_in_log(states, &keys);
    let [our_rows, their_rows] = not_merged_yet(our_rows, their_rows, &undecided, &in_log);
    if our_rows.is_empty() || their_rows.is_empty() {
        return Ok(SharedKeys::default());
    }
    let places = Places {
        views: PerSide { base: input.base, ours: input.ours, theirs: input.theirs },
        new: &Default::default(),
    };
    let (files, answers) = source::files();
    let key = key_columns(&columns.rows, &Identity::Key(keys), &[])?;
    let work = find(places, &files, &columns, [&our_rows, &their_rows], &key, means);
    answers.while_running([input.base, input.ours, input.theirs], work).await
}

/// The files that may share keys, but for keys that only files share whose rows are merged with one another anyway.
fn not_merged_yet(
    our_rows: Vec<FileRows>,
    their_rows: Vec<FileRows>,
    undecided: &BTreeSet<Arc<str>>,
    keys: &[String],
) -> [Vec<FileRows>; 2] {
    let is_merged = |rows: &FileRows| undecided.contains(&rows.add.key);
    let (our_merged, our_others): (Vec<_>, Vec<_>) = our_rows.into_iter().partition(is_merged);
    let (their_merged, their_others): (Vec<_>, Vec<_>) = their_rows.into_iter().partition(is_merged);
    let all_theirs = [their_merged, their_others.clone()].concat();
    let (mut ours, mut theirs) = may_share(our_others, all_theirs, keys);
    let (our_merged, their_others) = may_share(our_merged, their_others, keys);
    ours.extend(our_merged);
    let known: BTreeSet<Arc<str>> = theirs.iter().map(|rows| rows.add.key.clone()).collect();
    theirs.extend(their_others.into_iter().filter(|rows| !known.contains(&rows.add.key)));
    [ours, theirs]
}

async fn find(
    places: Places<'_>,
    files: &source::Files,
    columns: &Columns,
    [our_rows, their_rows]: [&[FileRows]; 2],
    key: &[usize],
    means: &RowMeans,
) -> Result<SharedKeys, Failed> {
    let mut scan = Scan::new(places, files, columns)?;
    for rows in our_rows.iter().chain(their_rows) {
        scan.open(rows).await?;
    }
    let (schema, names) = (scan.schema(), scan.names());
    let rows = sorted(scan.rows(key), &schema, key, means, 1).await.map_err(too_large)?;
    let is_ours = |file: i64| usize::try_from(file).is_ok_and(|file| file < our_rows.len());
    let mut shared = SharedKeys::default();
    each_key(rows, &schema, key, Wanted::Repeated, |group| shared.take(group, &names, is_ours)).await?;
    Ok(shared)
}

/// Why rows were not sorted, as the end of a merge.
pub(super) fn too_large(why: Unsorted) -> Failed {
    match why {
        Unsorted::TooLarge(share) => Failed::TooLarge(format!(
            "the keys that have to be compared take more than {share} bytes of memory, and no folder is set up for what does \
             not fit"
        )),
        Unsorted::Engine(error) => error.into(),
    }
}

impl SharedKeys {
    fn take(&mut self, group: Group, names: &[Arc<str>], is_ours: impl Fn(i64) -> bool) {
        let of = |wanted: bool| -> Vec<Arc<str>> {
            let files = group.files().into_iter().filter(|file| is_ours(*file) == wanted);
            files.filter_map(|file| names.get(usize::try_from(file).ok()?).cloned()).collect()
        };
        let (ours, theirs) = (of(true), of(false));
        if ours.is_empty() || theirs.is_empty() {
            return;
        }
        self.files.extend(ours.iter().chain(&theirs).cloned());
        self.count = self.count.saturating_add(1);
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(SharedKey { key: group.key, ours, theirs });
        }
    }

    /// Keys that could not be compared: why.
    pub(crate) fn unverifiable(why: String) -> SharedKeys {
        SharedKeys { unread: Some(why), ..SharedKeys::default() }
    }

    /// The violation of keys that could not be compared.
    pub(crate) fn unverifiable_finding(&self) -> Vec<Finding> {
        let finding = |why: &String| {
            let message = format!("both sides added rows, and their keys cannot be compared: {why}");
            Finding::table(ConflictKind::ConstraintUnverifiable, "keys", message).choices(violation_choices())
        };
        self.unread.iter().map(finding).collect()
    }

    /// One violation for each key, for tables whose rows cannot be merged: why.
    pub(crate) fn violations(&self, why: &str) -> Vec<Finding> {
        let names = |files: &[Arc<str>]| Some(json!({ "files": files }));
        let one = |SharedKey { key, ours, theirs }: &SharedKey| {
            let message = format!("both sides added a row of this key, and their rows are not merged: {why}");
            Finding::table(ConflictKind::DuplicateKey, "keys", message)
                .key(key.clone())
                .values(None, names(ours), names(theirs))
                .choices(violation_choices())
        };
        let mut findings: Vec<Finding> = self.shown.iter().map(one).collect();
        let further = self.count.saturating_sub(self.shown.len() as u64);
        if further > 0 {
            let message = format!("{further} more keys were added on both sides than are shown");
            let finding = Finding::table(ConflictKind::DuplicateKey, "keys-further", message);
            findings.push(
                finding.values(None, Some(further.into()), Some(further.into())).choices(violation_choices()),
            );
        }
        findings
    }
}
