//! References to rows of other tables: of the rows that the merge brings, and to the rows that it takes away.
//!
//! A row that refers to nothing before and after the merge is not the merge's doing. So the keys are looked at of which
//! rows come to the table, or rows go from the other one.

use std::sync::Arc;

use anabranch_merge::{ACCEPT_CHOICE, Choice, ConflictKind, UnitView};
use anabranch_rows::PerSide;
use futures::stream::StreamExt;
use serde_json::{Value, json};

use super::columns::Columns;
use super::files::{FileRows, may_share_as, rows_beyond, rows_shared};
use super::keys::{Group, Wanted, each_key};
use super::options::Reference;
use super::scan::{Places, Scan};
use super::shared::too_large;
use crate::action::Metadata;
use crate::plan::Finding;
use crate::rows::mapping::names_in_log;
use crate::rows::sorted::sorted;
use crate::rows::{Failed, RowMeans, source};
use crate::snapshot::{LiveFiles, Snapshot};

/// How many keys are shown one by one.
const SHOWN_MAX: usize = 100;

/// A table before a merge and after it.
pub(super) struct Versions<'a> {
    pub(super) before: Option<&'a Snapshot>,
    pub(super) after: Option<&'a Snapshot>,
    pub(super) views: [&'a dyn UnitView; 2],
}

impl Versions<'_> {
    fn files(&self) -> [LiveFiles; 2] {
        let of = |state: Option<&Snapshot>| state.map(|state| state.files.clone()).unwrap_or_default();
        [of(self.before), of(self.after)]
    }

    fn any(&self) -> Option<&Snapshot> {
        self.after.or(self.before)
    }

    fn places<'p>(
        &'p self,
        none: &'p std::collections::BTreeMap<String, anabranch_types::Entry>,
    ) -> Places<'p> {
        let [before, after] = self.views;
        Places { views: PerSide { base: before, ours: after, theirs: before }, new: none }
    }
}

/// The rows that a reference is about, by files.
struct Parts {
    /// Rows that come to the table, and those that were there.
    brought: Vec<FileRows>,
    standing: Vec<FileRows>,
    /// Rows that go from it: of those that come, most were there before in another file.
    left: Vec<FileRows>,
    /// Rows that the other table has, and those that go from it.
    there: Vec<FileRows>,
    gone: Vec<FileRows>,
}

/// Finds the rows that refer to none.
pub(super) async fn broken(
    reference: &Reference,
    table: &Versions<'_>,
    other: &Versions<'_>,
    means: &RowMeans,
) -> Result<Vec<Finding>, Failed> {
    match find(reference, table, other, means).await {
        Ok(broken) => Ok(broken.findings(reference)),
        Err(Failed::Unmergeable(why)) => {
            let name = reference.columns.join(", ");
            let message =
                format!("whether {name} refers to rows of {} cannot be checked: {why}", reference.table);
            let finding = Finding::table(ConflictKind::ConstraintUnverifiable, "references", message);
            Ok(vec![finding.column(&name).choices(choices())])
        }
        Err(failed) => Err(failed),
    }
}

fn choices() -> Vec<Choice> {
    vec![Choice { id: ACCEPT_CHOICE.into(), label: "merge all the same".into() }]
}

async fn find(
    reference: &Reference,
    table: &Versions<'_>,
    other: &Versions<'_>,
    means: &RowMeans,
) -> Result<Broken, Failed> {
    let Some(state) = table.after else { return Ok(Broken::default()) };
    let Some(other_state) = other.any() else {
        return Err(Failed::Unmergeable(format!("there is no table {}", reference.table)));
    };
    let parts = parts(reference, table, other);
    if parts.brought.is_empty() && (parts.gone.is_empty() || parts.standing.is_empty()) {
        return Ok(Broken::default());
    }
    let pair =
        Columns::paired([&*state.metadata, &*other_state.metadata], [&reference.columns, &reference.to]);
    let [columns, other_columns] = pair.map_err(Failed::Unmergeable)?;
    let key: Vec<usize> = (0..columns.rows.fields().len()).collect();
    let (files, answers) = source::files();
    let work = async {
        let none = Default::default();
        let mut scan = Scan::new(table.places(&none), &files, &columns)?;
        for rows in parts.brought.iter().chain(&parts.standing).chain(&parts.left) {
            scan.open(rows).await?;
        }
        let own = parts.brought.len().saturating_add(parts.standing.len());
        let first = own.saturating_add(parts.left.len());
        let mut other_scan = Scan::new(other.places(&none), &files, &other_columns)?.numbered_from(first);
        for rows in parts.there.iter().chain(&parts.gone) {
            other_scan.open(rows).await?;
        }
        let (schema, names) = (scan.schema(), scan.names());
        let rows = scan.rows(&key).chain(other_scan.rows(&key)).boxed();
        let rows = sorted(rows, &schema, &key, means, 1).await.map_err(too_large)?;
        let mut broken = Broken::default();
        each_key(rows, &schema, &key, Wanted::Below(own), |group| broken.take(group, &names, &parts)).await?;
        Ok(broken)
    };
    // An entry is read alike through every view of one merge.
    let [_, after] = table.views;
    answers.while_running([after, after, after], work).await
}

fn parts(reference: &Reference, table: &Versions<'_>, other: &Versions<'_>) -> Parts {
    let ([before, after], [other_before, other_after]) = (table.files(), other.files());
    let in_log = |table: &Versions<'_>, columns: &[String]| {
        let states: Vec<&Metadata> =
            [table.after, table.before].into_iter().flatten().map(|state| &*state.metadata).collect();
        names_in_log(&states, columns)
    };
    let (columns, to) = (&in_log(table, &reference.columns), &in_log(other, &reference.to));
    let brought = rows_beyond(&after, &[&before]);
    let (left, _) = may_share_as(rows_beyond(&before, &[&after]), brought.clone(), columns, columns);
    let gone = rows_beyond(&other_before, &[&other_after]);
    // Rows that were there matter where what they refer to may be gone.
    let (standing, gone) = may_share_as(rows_shared(&after, &before), gone, columns, to);
    let all: Vec<FileRows> = other_after.values().map(FileRows::all).collect();
    let asking: Vec<FileRows> = brought.iter().chain(&standing).cloned().collect();
    let (_, there) = may_share_as(asking, all, columns, to);
    Parts { brought, standing, left, there, gone }
}

#[derive(Default)]
struct Broken {
    keys: u64,
    shown: Vec<BrokenKey>,
}

/// A key that no row of the other table has, and the rows that refer to it.
struct BrokenKey {
    key: Value,
    rows: u64,
    files: Vec<Arc<str>>,
    is_gone: bool,
}

impl Broken {
    fn take(&mut self, group: Group, names: &[Arc<str>], parts: &Parts) {
        let brought = parts.brought.len();
        let own = brought.saturating_add(parts.standing.len());
        let first = own.saturating_add(parts.left.len());
        let there = first.saturating_add(parts.there.len());
        let place = |file: i64| usize::try_from(file).unwrap_or(usize::MAX);
        let count = |from: usize, to: usize| group.count(|file| (from..to).contains(&place(file)));
        let rows = count(0, own);
        let is_gone = count(there, usize::MAX) > 0;
        let comes = count(0, brought) > count(own, first);
        if group.has_null || count(first, there) > 0 || !(comes || (rows > 0 && is_gone)) {
            return;
        }
        self.keys = self.keys.saturating_add(1);
        if self.shown.len() < SHOWN_MAX {
            let files = group.files().into_iter().filter(|file| place(*file) < own);
            let files = files.filter_map(|file| names.get(place(file)).cloned()).collect();
            self.shown.push(BrokenKey { key: group.key, rows, files, is_gone });
        }
    }

    fn findings(self, reference: &Reference) -> Vec<Finding> {
        let (table, name) = (&reference.table, reference.columns.join(", "));
        let finding = |message: String| {
            Finding::table(ConflictKind::ReferenceViolation, "references", message)
                .column(&name)
                .choices(choices())
        };
        let further = self.keys.saturating_sub(self.shown.len() as u64);
        let one = |broken: BrokenKey| {
            let noun = if broken.rows == 1 {
                "1 row refers".to_owned()
            } else {
                format!("{} rows refer", broken.rows)
            };
            let why = if broken.is_gone { "one side deleted it there" } else { "it is not there" };
            let values = Some(json!({ "rows": broken.rows, "files": broken.files }));
            finding(format!("{noun} to a row of {table} that the merge does not have: {why}"))
                .key(named(&broken.key, &reference.columns))
                .values(None, None, values)
        };
        let mut findings: Vec<Finding> = self.shown.into_iter().map(one).collect();
        if further > 0 {
            let message =
                format!("{further} more rows of {table} are referred to and not there than are shown");
            findings.push(finding(message).values(None, None, Some(json!(further))));
        }
        findings
    }
}

/// A key under the names of these columns: both tables' are in one order.
fn named(key: &Value, columns: &[String]) -> Value {
    let values = key.as_object().into_iter().flat_map(|object| object.values().cloned());
    Value::Object(columns.iter().cloned().zip(values).collect())
}
