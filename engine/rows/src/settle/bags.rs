//! Rows without identity: copies of one row value.

use super::{Settler, misfit, row_json};
use crate::bag::{BagVerdict, both_changes, decide_bag};
use crate::conflict::{Choice, RowConflict, RowConflictKind};
use crate::error::Result;
use crate::groups::Group;
use crate::output::{Gone, origin_of};
use crate::plan::{OpenRows, Plan};
use crate::side::{PerSide, Side};

impl Settler {
    pub(super) fn settle_copies(&mut self, plan: &Plan, group: &Group) -> Result<()> {
        let mut left = self.share_out(plan, group, group.counts())?;
        self.copy(group, &mut left);
        Ok(())
    }

    /// Decides how many copies of a row the result takes from each side, of so many that there are, and counts them. Copies are
    /// equal in every column that is compared; ours' own are kept first.
    pub(crate) fn share_out(
        &mut self,
        plan: &Plan,
        group: &Group,
        counts: PerSide<u64>,
    ) -> Result<PerSide<u64>> {
        let count = match decide_bag(&self.survey, counts) {
            BagVerdict::Count(count) => count,
            BagVerdict::Conflict(why) => self.copies_conflict(plan, group, counts, why)?,
        };
        self.report.rows += count;
        for (delta, before) in
            [(&mut self.report.from_ours, counts.ours), (&mut self.report.from_base, counts.base)]
        {
            delta.added += count.saturating_sub(before);
            delta.removed += before.saturating_sub(count);
        }
        let ours = count.min(counts.ours);
        let theirs = (count - ours).min(counts.theirs);
        Ok(PerSide { base: count - ours - theirs, ours, theirs })
    }

    /// Writes copies of a row, as many as are left to take from each side.
    pub(crate) fn copy(&mut self, group: &Group, left: &mut PerSide<u64>) {
        for side in [Side::Ours, Side::Theirs, Side::Base] {
            let left = left.get_mut(side);
            for row in group.rows.get(side) {
                if *left > 0 {
                    *left -= 1;
                    self.output.push(row, origin_of(side));
                } else if side == Side::Ours {
                    self.output.push_gone(row, Gone::Removed);
                }
            }
        }
    }

    fn copies_conflict(
        &mut self,
        plan: &Plan,
        group: &Group,
        counts: PerSide<u64>,
        why: &str,
    ) -> Result<u64> {
        let row = group.first();
        let choice = self.choice(plan, || {
            let row = row.map_or(Ok(serde_json::Value::Null), |row| row_json(plan, row, false))?;
            let show =
                |count: u64| (count > 0).then(|| serde_json::json!({"count": count, "rows": [row.clone()]}));
            Ok(RowConflict {
                kind: RowConflictKind::RowConflict,
                base: show(counts.base),
                ours: show(counts.ours),
                theirs: show(counts.theirs),
                key: row,
                column: None,
                policy: None,
                message: why.to_owned(),
            })
        })?;
        Ok(match choice {
            None if plan.open_rows == OpenRows::LeftOut => 0,
            None | Some(Choice::Ours) => counts.ours,
            Some(Choice::Theirs) => counts.theirs,
            Some(Choice::Base) => counts.base,
            Some(Choice::Both) => both_changes(counts),
            Some(Choice::Value(_)) => {
                return Err(misfit(plan, row, "the row has no identity: choose a side"));
            }
        })
    }
}
