//! Columns that `merge.toml` declares unique: no two rows are equal in all of them, where none is NULL.
//!
//! A key that ours already has more than once is not the merge's doing. So rows that ours loses are counted against
//! those that it gets: files that are written anew hold mostly rows that were there.

use anabranch_merge::ConflictKind;
use anabranch_rows::{Identity, key_columns};
use serde_json::{Value, json};

use super::columns::Columns;
use super::files::{may_share, rows_beyond, rows_shared};
use super::keys::{Group, Wanted, each_key};
use super::scan::{Places, Scan};
use super::shared::too_large;
use super::{Checked, names_in_log, violation_choices};
use crate::plan::Finding;
use crate::rows::sorted::sorted;
use crate::rows::{Failed, RowMeans, source};

/// How many keys are shown one by one.
const SHOWN_MAX: usize = 100;

/// Finds the keys that the merge makes stand more than once.
pub(super) async fn repeated(
    checked: &Checked<'_>,
    places: Places<'_>,
    columns: &[String],
    means: &RowMeans,
) -> Result<Vec<Finding>, Failed> {
    match count(checked, places, columns, means).await {
        Ok(repeated) => Ok(repeated.findings(columns)),
        Err(Failed::Unmergeable(why)) => {
            let message = format!("whether {} is unique cannot be checked here: {why}", columns.join(", "));
            let finding = Finding::table(ConflictKind::ConstraintUnverifiable, "unique", message);
            Ok(vec![finding.column(&columns.join(", ")).choices(violation_choices())])
        }
        Err(failed) => Err(failed),
    }
}

async fn count(
    checked: &Checked<'_>,
    places: Places<'_>,
    columns: &[String],
    means: &RowMeans,
) -> Result<Repeated, Failed> {
    let states = checked.states;
    let brought = rows_beyond(checked.live, &[&states.ours.files]);
    if brought.is_empty() {
        return Ok(Repeated::default());
    }
    let in_log = names_in_log(states, columns);
    let (standing, _) = may_share(rows_shared(checked.live, &states.ours.files), brought.clone(), &in_log);
    let (gone, _) = may_share(rows_beyond(&states.ours.files, &[checked.live]), brought.clone(), &in_log);
    let read = Columns::of(states.metadata(), |name| columns.iter().any(|column| column == name));
    let read = read.map_err(Failed::Unmergeable)?;
    let key = key_columns(&read.rows, &Identity::Key(columns.to_vec()), &[])?;
    let (files, answers) = source::files();
    let work = async {
        let mut scan = Scan::new(places, &files, &read)?;
        for rows in brought.iter().chain(&standing).chain(&gone) {
            scan.open(rows).await?;
        }
        let schema = scan.schema();
        let rows = sorted(scan.rows(&key), &schema, &key, means, 1).await.map_err(too_large)?;
        let parts = Parts { brought: brought.len(), standing: standing.len() };
        let mut repeated = Repeated::default();
        each_key(rows, &schema, &key, Wanted::Repeated, |group| repeated.take(group, parts)).await?;
        Ok(repeated)
    };
    answers.while_running([places.views.base, places.views.ours, places.views.theirs], work).await
}

/// Which files hold which rows, by their numbers: first those with rows that come, then those with rows that stay, then
/// those with rows that go.
#[derive(Clone, Copy)]
struct Parts {
    brought: usize,
    standing: usize,
}

impl Parts {
    fn is_brought(self, file: i64) -> bool {
        usize::try_from(file).is_ok_and(|file| file < self.brought)
    }

    fn is_standing(self, file: i64) -> bool {
        let end = self.brought.saturating_add(self.standing);
        !self.is_brought(file) && usize::try_from(file).is_ok_and(|file| file < end)
    }
}

#[derive(Default)]
struct Repeated {
    count: u64,
    shown: Vec<RepeatedKey>,
}

/// A key, and how many rows it has: nothing that depends on which files a merge writes anew, because what is said of a
/// violation has to be the same once rows in conflict are decided.
struct RepeatedKey {
    key: Value,
    ours: u64,
    merged: u64,
}

impl Repeated {
    fn take(&mut self, group: Group, parts: Parts) {
        let brought = group.count(|file| parts.is_brought(file));
        let standing = group.count(|file| parts.is_standing(file));
        let gone = group.count(|_| true).saturating_sub(brought).saturating_sub(standing);
        let (ours, merged) = (standing.saturating_add(gone), standing.saturating_add(brought));
        if group.has_null || merged < 2 || brought <= gone {
            return;
        }
        self.count = self.count.saturating_add(1);
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(RepeatedKey { key: group.key, ours, merged });
        }
    }

    fn findings(self, columns: &[String]) -> Vec<Finding> {
        let name = columns.join(", ");
        let finding = |message: String| {
            Finding::table(ConflictKind::DuplicateKey, "unique", message).choices(violation_choices())
        };
        let further = self.count.saturating_sub(self.shown.len() as u64);
        let one = |RepeatedKey { key, ours, merged }: RepeatedKey| {
            let message = format!("more than one row is equal in {name}, which merge.toml declares unique");
            let (ours, merged) = (json!({ "rows": ours }), json!({ "merged_rows": merged }));
            finding(message).key(key).values(None, Some(ours), Some(merged))
        };
        let mut findings: Vec<Finding> = self.shown.into_iter().map(one).collect();
        if further > 0 {
            let message = format!("{further} more values of {name} stand more than once than are shown");
            let count = Some(json!(further));
            findings.push(finding(message).column(&name).values(None, count.clone(), count));
        }
        findings
    }
}
