//! A key that a side has more than once: its rows are one multiset, taken whole from a side or in conflict.

use std::cmp::Ordering;

use super::{Settler, misfit, row_json, rows_json};
use crate::conflict::{Choice, RowConflict, RowConflictKind};
use crate::cursor::RowRef;
use crate::error::Result;
use crate::groups::Group;
use crate::output::{Gone, origin_of};
use crate::plan::{Mode, OpenRows, Plan};
use crate::side::{PerSide, Side};
use crate::totals::RowDelta;

impl Settler {
    pub(super) fn settle_group(&mut self, plan: &Plan, group: &Group) -> Result<()> {
        let sorted = PerSide::from_fn(|side| {
            let mut rows = group.rows.get(side).clone();
            rows.sort_by(|a, b| a.compare(b, &plan.values));
            rows
        });
        let same = |left: &[RowRef], right: &[RowRef]| {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a.same(b, &plan.values))
        };
        if plan.mode == Mode::RowId && sorted.base.is_empty() {
            return self.emit_rows(plan, &sorted, &[Side::Ours, Side::Theirs]);
        }
        let unchanged = same(&sorted.base, &sorted.theirs) || same(&sorted.ours, &sorted.theirs);
        if unchanged {
            return self.emit_rows(plan, &sorted, &[Side::Ours]);
        }
        if same(&sorted.base, &sorted.ours) {
            return self.emit_rows(plan, &sorted, &[Side::Theirs]);
        }
        self.group_conflict(plan, group, &sorted)
    }

    fn group_conflict(&mut self, plan: &Plan, group: &Group, sorted: &PerSide<Vec<RowRef>>) -> Result<()> {
        let choice = self.choice(plan, || {
            let show = |rows: &Vec<RowRef>| (!rows.is_empty()).then(|| rows_json(plan, rows)).transpose();
            Ok(RowConflict {
                kind: match sorted.base.is_empty() {
                    true => RowConflictKind::DuplicateKey,
                    false => RowConflictKind::RowConflict,
                },
                key: group.first().map_or(Ok(serde_json::Value::Null), |row| row_json(plan, row, true))?,
                column: None,
                base: show(&sorted.base)?,
                ours: show(&sorted.ours)?,
                theirs: show(&sorted.theirs)?,
                policy: None,
                message: "several rows share this key, and both sides changed them, differently".to_owned(),
            })
        })?;
        let sides: &[Side] = match choice {
            None if plan.open_rows == OpenRows::LeftOut => &[],
            None | Some(Choice::Ours) => &[Side::Ours],
            Some(Choice::Theirs) => &[Side::Theirs],
            Some(Choice::Base) => &[Side::Base],
            Some(Choice::Both) => &[Side::Ours, Side::Theirs],
            Some(Choice::Value(_)) => {
                return Err(misfit(plan, group.first(), "several rows share the key: choose a side"));
            }
        };
        self.emit_rows(plan, sorted, sides)
    }

    /// Writes the rows of some sides; those that ours has are ours' own.
    fn emit_rows(&mut self, plan: &Plan, sorted: &PerSide<Vec<RowRef>>, sides: &[Side]) -> Result<()> {
        let mut result: Vec<(RowRef, Side)> = Vec::new();
        for side in sides {
            result.extend(sorted.get(*side).iter().map(|row| (row.clone(), *side)));
        }
        result.sort_by(|(a, _), (b, _)| a.compare(b, &plan.values));
        self.report.rows += result.len() as u64;
        let rows = || result.iter().map(|(row, _)| row);
        count(plan, &mut self.report.from_base, &sorted.base, rows());
        count(plan, &mut self.report.from_ours, &sorted.ours, rows());

        let mut ours = sorted.ours.iter().peekable();
        for (row, side) in &result {
            while let Some(gone) = ours.next_if(|o| o.compare(row, &plan.values) == Ordering::Less) {
                self.output.push_gone(gone, Gone::Removed);
            }
            match ours.next_if(|o| o.same(row, &plan.values)) {
                Some(kept) => self.output.push(kept, origin_of(Side::Ours)),
                None => self.output.push(row, origin_of(*side)),
            }
        }
        ours.for_each(|gone| self.output.push_gone(gone, Gone::Removed));
        Ok(())
    }
}

/// Counts what two sorted multisets do not share.
fn count<'a>(
    plan: &Plan,
    delta: &mut RowDelta,
    before: &[RowRef],
    after: impl ExactSizeIterator<Item = &'a RowRef>,
) {
    let mut before = before.iter().peekable();
    for row in after {
        while before.next_if(|b| b.compare(row, &plan.values) == Ordering::Less).is_some() {
            delta.removed += 1;
        }
        if before.next_if(|b| b.same(row, &plan.values)).is_none() {
            delta.added += 1;
        }
    }
    delta.removed += before.count() as u64;
}
