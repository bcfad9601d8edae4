//! Merging rows without identity: as a multiset, by how often each row value occurs on each side.
//!
//! What a side did is a number of deletions or insertions of each value. Both sides' add up, with two exceptions.
//! *Cancel*: a deletion and an insertion that both sides made are one edit, made twice: it counts once. *Contested*:
//! both sides deleted more of a value than the base has, so both deleted the same row; if both only deleted, that
//! is one deletion; if a side also inserted something, that may be the row's new form, and it is a conflict.
//!
//! Which insertion belongs to which deletion is not known, so the rule looks at the sums over all values first
//! ([`BagSurvey`]), and where the sums leave several answers it makes a conflict, never a guess.

use serde::{Deserialize, Serialize};

use crate::side::PerSide;

/// The sums over all row values that the rule needs. Surveys of parts (of ranges, for instance) add up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BagSurvey {
    /// Rows whose deletion both sides have.
    pub deleted_on_both: u64,
    /// Rows whose insertion both sides have.
    pub inserted_on_both: u64,
    /// Rows whose insertion one side alone has.
    pub inserted_on_one: u64,
    /// Values that the sides do not have equally often.
    pub values_that_differ: u64,
}

impl BagSurvey {
    /// Takes in one value, by how often it occurs on each side.
    pub fn add(&mut self, counts: PerSide<u64>) {
        let edits = Edits::of(counts);
        self.deleted_on_both += edits.deleted_on_both;
        self.inserted_on_both += edits.inserted_on_both;
        self.inserted_on_one += edits.inserted - 2 * edits.inserted_on_both;
        self.values_that_differ += u64::from(counts.ours != counts.theirs);
    }

    /// The survey of two parts that share no value.
    #[must_use]
    pub fn plus(self, other: BagSurvey) -> BagSurvey {
        BagSurvey {
            deleted_on_both: self.deleted_on_both + other.deleted_on_both,
            inserted_on_both: self.inserted_on_both + other.inserted_on_both,
            inserted_on_one: self.inserted_on_one + other.inserted_on_one,
            values_that_differ: self.values_that_differ + other.values_that_differ,
        }
    }

    /// How many pairs of a deletion and an insertion both sides have.
    fn pairs(&self) -> u64 {
        self.deleted_on_both.min(self.inserted_on_both)
    }
}

/// What both sides did to one value.
#[derive(Clone, Copy, Debug)]
struct Edits {
    deleted: u64,
    deleted_on_both: u64,
    contested: u64,
    inserted: u64,
    inserted_on_both: u64,
}

impl Edits {
    fn of(counts: PerSide<u64>) -> Edits {
        let PerSide { base, ours, theirs } = counts;
        let (deleted_ours, deleted_theirs) = (base.saturating_sub(ours), base.saturating_sub(theirs));
        let (inserted_ours, inserted_theirs) = (ours.saturating_sub(base), theirs.saturating_sub(base));
        let deleted = deleted_ours + deleted_theirs;
        Edits {
            deleted,
            deleted_on_both: deleted_ours.min(deleted_theirs),
            contested: deleted.saturating_sub(base),
            inserted: inserted_ours + inserted_theirs,
            inserted_on_both: inserted_ours.min(inserted_theirs),
        }
    }
}

/// What the rule says of one value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BagVerdict {
    /// The result has it so often.
    Count(u64),
    /// It cannot be decided, and why.
    Conflict(&'static str),
}

/// Decides how often the result has one value.
///
/// Of the edits that both sides made, some are of this value; how many, only the sums limit. Where each number that
/// they allow gives the same answer, that is the answer.
pub(crate) fn decide_bag(survey: &BagSurvey, counts: PerSide<u64>) -> BagVerdict {
    let edits = Edits::of(counts);
    let pairs = survey.pairs();
    if survey.values_that_differ == 0 && pairs > 0 {
        // The same edit of the whole, deletions included.
        return BagVerdict::Count(counts.ours);
    }
    let plain = counts.base + edits.inserted;
    let (fewest, most) = shared(pairs, survey.inserted_on_both, edits.inserted_on_both);
    if fewest != most {
        return BagVerdict::Conflict(
            "both sides inserted this row and deleted others: an edit made twice cannot be told from two insertions",
        );
    }
    let plain = plain - most;
    let (fewest, most) = shared(pairs, survey.deleted_on_both, edits.deleted_on_both);
    if fewest < edits.contested && survey.inserted_on_one > 0 {
        return BagVerdict::Conflict(
            "both sides deleted this row, and a side inserted others that may be its new form",
        );
    }
    // What is contested and no edit is one deletion, made twice.
    let (fewest, most) = (fewest.max(edits.contested), most.max(edits.contested));
    if fewest != most {
        return BagVerdict::Conflict(
            "both sides deleted some of several equal rows: an edit made twice cannot be told from two edits",
        );
    }
    BagVerdict::Count((plain + most) - edits.deleted)
}

/// How many of `pairs`, which lie somewhere among `all`, can lie among `some` of these: at least and at most.
fn shared(pairs: u64, all: u64, some: u64) -> (u64, u64) {
    (pairs.saturating_sub(all - some), pairs.min(some))
}

/// How often both sides' changes, taken as unrelated, leave a value.
pub(crate) fn both_changes(counts: PerSide<u64>) -> u64 {
    let edits = Edits::of(counts);
    (counts.base + edits.inserted).saturating_sub(edits.deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values in order, each `name: base ours theirs`; answers the counts of the result, or `!` for a conflict.
    fn check(values: &[(u64, u64, u64)], expected: &str) {
        let counts = |(base, ours, theirs): (u64, u64, u64)| PerSide { base, ours, theirs };
        for swap in [false, true] {
            let values: Vec<_> =
                values.iter().map(|(b, o, t)| if swap { (*b, *t, *o) } else { (*b, *o, *t) }).collect();
            let mut survey = BagSurvey::default();
            values.iter().for_each(|value| survey.add(counts(*value)));
            let verdicts = values.iter().map(|value| match decide_bag(&survey, counts(*value)) {
                BagVerdict::Count(count) => count.to_string(),
                BagVerdict::Conflict(_) => "!".to_owned(),
            });
            assert_eq!(verdicts.collect::<Vec<_>>().join(" "), expected, "{values:?}");
        }
    }

    #[test]
    fn changes_of_different_rows_add_up() {
        check(&[(1, 0, 1), (1, 1, 0), (0, 1, 0), (0, 0, 1), (2, 2, 2)], "0 0 1 1 2");
    }

    #[test]
    fn the_same_append_on_both_sides_is_two_rows() {
        check(&[(0, 1, 1)], "2");
    }

    #[test]
    fn the_same_edit_on_both_sides_is_one() {
        check(&[(1, 0, 0), (0, 1, 1)], "0 1");
        check(&[(1, 0, 0), (0, 1, 1), (1, 0, 1), (0, 1, 0)], "0 1 0 1");
    }

    #[test]
    fn the_same_deletion_on_both_sides_is_one() {
        check(&[(1, 0, 0)], "0");
        check(&[(3, 0, 0)], "0");
        check(&[(1, 0, 0), (1, 0, 1)], "0 0");
    }

    #[test]
    fn a_row_edited_differently_or_edited_and_deleted_is_a_conflict() {
        check(&[(1, 0, 0), (0, 1, 0), (0, 0, 1)], "! 1 1");
        check(&[(1, 0, 0), (0, 1, 0)], "! 1");
    }

    #[test]
    fn copies_of_a_row_are_counted() {
        check(&[(5, 4, 4)], "3");
        check(&[(3, 1, 1), (0, 2, 2)], "1 2");
        check(&[(3, 1, 2)], "0");
        check(&[(3, 1, 1)], "0");
    }

    #[test]
    fn what_the_sums_leave_open_is_a_conflict() {
        // One deletion on both, two insertions on both: which of them was the edit?
        check(&[(1, 0, 0), (0, 1, 1), (0, 1, 1), (0, 1, 0)], "0 ! ! 1");
        // Two deletions of copies on both, one insertion on both.
        check(&[(5, 4, 4), (5, 4, 4), (0, 1, 1), (0, 1, 0)], "! ! 1 1");
    }

    #[test]
    fn an_identical_whole_is_one_edit() {
        check(&[(1, 0, 0), (0, 1, 1), (0, 1, 1)], "0 1 1");
    }
}
