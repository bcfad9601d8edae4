//! Turns what the rule says of a key's rows into rows of the result, numbers and conflicts.

mod bags;
mod copies;
mod rows;

use serde_json::Value;

use crate::bag::BagSurvey;
use crate::conflict::{Choice, Resolver, RowConflict};
use crate::cursor::RowRef;
use crate::error::{Error, Result};
use crate::groups::Group;
use crate::json;
use crate::output::Output;
use crate::plan::{Mode, Plan};
use crate::side::Side;
use crate::totals::MergeReport;

/// How many rows of one key a conflict shows per side.
const ROWS_SHOWN_MAX: usize = 20;

pub(crate) struct Settler {
    pub(crate) output: Output,
    pub(crate) report: MergeReport,
    survey: BagSurvey,
    resolver: Option<Resolver>,
}

impl Settler {
    pub(crate) fn new(survey: BagSurvey) -> Settler {
        Settler { output: Output::default(), report: MergeReport::default(), survey, resolver: None }
    }

    pub(crate) fn resolve_with(&mut self, resolver: Resolver) {
        self.resolver = Some(resolver);
    }

    /// Settles all rows of one key.
    pub(crate) fn settle(&mut self, plan: &Plan, group: &Group) -> Result<()> {
        let single = Side::ALL.into_iter().all(|side| group.rows.get(side).len() <= 1);
        match plan.mode {
            Mode::Bag => self.settle_copies(plan, group),
            Mode::Key | Mode::RowId if single => self.settle_row(plan, group),
            Mode::Key | Mode::RowId => self.settle_group(plan, group),
        }
    }

    /// What was decided about a conflict. Without a decision the conflict is counted, and kept if there is room.
    fn choice(
        &mut self,
        plan: &Plan,
        conflict: impl FnOnce() -> Result<RowConflict>,
    ) -> Result<Option<Choice>> {
        let room = self.report.conflicts.len() < plan.conflicts_max;
        if !room && self.resolver.is_none() {
            self.report.conflict_count += 1;
            return Ok(None);
        }
        let conflict = conflict()?;
        if let Some(choice) = self.resolver.as_ref().and_then(|resolver| resolver(&conflict)) {
            self.report.resolved += 1;
            return Ok(Some(choice));
        }
        self.report.conflict_count += 1;
        if room {
            self.report.conflicts.push(conflict);
        }
        Ok(None)
    }
}

/// The columns of a row that are compared, as an object in the order of the schema; or those of its key.
fn row_json(plan: &Plan, row: &RowRef, key_only: bool) -> Result<Value> {
    let mut columns = plan.key.clone();
    if !key_only {
        columns.extend(&plan.values);
        columns.sort_unstable();
        columns.dedup();
    }
    json::row(&plan.schema, row.batch.batch().columns(), row.row, &columns)
}

/// Several rows of one key, the first of them shown.
fn rows_json(plan: &Plan, rows: &[RowRef]) -> Result<Value> {
    let shown = rows.iter().take(ROWS_SHOWN_MAX).map(|row| row_json(plan, row, false));
    let shown = shown.collect::<Result<Vec<_>>>()?;
    Ok(serde_json::json!({"count": rows.len(), "rows": shown}))
}

fn misfit(plan: &Plan, row: Option<&RowRef>, why: impl Into<String>) -> Error {
    let key = row.and_then(|row| row_json(plan, row, true).ok()).unwrap_or(Value::Null);
    Error::Choice { place: key.to_string(), why: why.into() }
}
