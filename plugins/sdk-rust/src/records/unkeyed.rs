//! Rows without keys: told apart by what they are.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use crate::Failure;
use crate::sequence::{changes, part};

/// Rows that both sides changed, differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clash<'a, T> {
    /// The first of these rows in the base, from 0 on.
    pub start: usize,
    /// The rows in the base.
    pub base: &'a [T],
    /// The rows in ours.
    pub ours: &'a [T],
    /// The rows in theirs.
    pub theirs: &'a [T],
}

/// Merges rows without keys. It differs from a merge of lines, because each row stands for itself: changes of neighbouring
/// rows go together, and what both sides inserted in one place stands there one behind the other, ours first; equal rows
/// that both inserted there stand once. `decide` answers what stands in the place of rows that both sides changed.
///
/// # Errors
///
/// Those of `decide`.
pub fn merge_unkeyed<T: Eq + Hash + Clone>(
    base: &[T],
    ours: &[T],
    theirs: &[T],
    decide: &mut dyn FnMut(&Clash<'_, T>) -> Result<Vec<T>, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut our_side = Side::new(base, ours);
    let mut their_side = Side::new(base, theirs);
    let mut merged = Vec::with_capacity(ours.len().max(theirs.len()));
    let mut at = 0;
    while let Some(first) = first(&our_side, &their_side) {
        let unchanged = first.start - at;
        merged.extend_from_slice(our_side.take(unchanged));
        their_side.take(unchanged);
        let mut group = first;
        // Each change in the group may widen it, and a wider group may touch more changes.
        let (by_ours, by_theirs) = loop {
            let (by_ours, by_theirs) = (our_side.within(&group), their_side.within(&group));
            let end = our_side.end_of(by_ours).max(their_side.end_of(by_theirs));
            if end <= group.end {
                break (by_ours, by_theirs);
            }
            group.end = end;
        };
        let rows = part(base, group.clone());
        let (ours, theirs) =
            (our_side.replace(rows.len(), by_ours), their_side.replace(rows.len(), by_theirs));
        if by_theirs == 0 || ours == theirs {
            merged.extend_from_slice(ours);
        } else if by_ours == 0 {
            merged.extend_from_slice(theirs);
        } else if rows.is_empty() {
            merged.extend_from_slice(ours);
            merged.extend(beyond(ours, theirs).cloned());
        } else {
            merged.extend(decide(&Clash { start: group.start, base: rows, ours, theirs })?);
        }
        at = group.end;
    }
    merged.extend_from_slice(our_side.take(base.len() - at));
    Ok(merged)
}

/// Where the next change lies in the base: an insertion before a change that begins in its place.
fn first<T>(ours: &Side<'_, T>, theirs: &Side<'_, T>) -> Option<Range<usize>> {
    let next = [ours, theirs].into_iter().filter_map(|side| side.changes.first());
    next.map(|(gone, _)| gone.clone()).min_by_key(|gone| (gone.start, gone.end > gone.start))
}

/// A side on the way through the base.
struct Side<'t, T> {
    rows: &'t [T],
    /// The changes that are not merged yet.
    changes: Vec<(Range<usize>, Range<usize>)>,
    /// The next row that is not merged yet.
    at: usize,
}

impl<'t, T: Eq + Hash> Side<'t, T> {
    fn new(base: &[T], rows: &'t [T]) -> Self {
        Self { rows, changes: changes(base, rows), at: 0 }
    }

    /// The next rows, which nobody changed.
    fn take(&mut self, count: usize) -> &'t [T] {
        let start = self.at;
        self.at += count;
        part(self.rows, start..self.at)
    }

    /// How many of the next changes lie in a part of the base.
    fn within(&self, group: &Range<usize>) -> usize {
        self.changes.iter().take_while(|(gone, _)| touches(group, gone)).count()
    }

    /// Where the first `count` of the next changes end in the base.
    fn end_of(&self, count: usize) -> usize {
        self.changes.iter().take(count).map(|(gone, _)| gone.end).max().unwrap_or(0)
    }

    /// The rows in the place of `count` rows of the base, of which the next `changes` changes are about.
    fn replace(&mut self, count: usize, changes: usize) -> &'t [T] {
        let mut length = count;
        for (gone, came) in self.changes.drain(..changes) {
            length = length + came.len() - gone.len();
        }
        self.take(length)
    }
}

/// Whether a change is about a part of the base. An insertion is about a place between rows.
fn touches(group: &Range<usize>, gone: &Range<usize>) -> bool {
    match (group.is_empty(), gone.is_empty()) {
        (true, true) => group.start == gone.start,
        (true, false) => false,
        (false, true) => group.start < gone.start && gone.start < group.end,
        (false, false) => gone.start < group.end,
    }
}

/// The items of `theirs` that `ours` does not have, as often as they stand there more often.
fn beyond<'t, T: Eq + Hash>(ours: &[T], theirs: &'t [T]) -> impl Iterator<Item = &'t T> {
    let mut had: HashMap<&T, usize> = HashMap::new();
    for item in ours {
        *had.entry(item).or_default() += 1;
    }
    let new: Vec<&T> = theirs
        .iter()
        .filter(|item| match had.get_mut(item) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .collect();
    new.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(base: &str, ours: &str, theirs: &str) -> String {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let decide = &mut |clash: &Clash<'_, char>| {
            let told = [clash.base, clash.ours, clash.theirs].map(|part| part.iter().collect::<String>());
            Ok(format!("<{}:{}>", clash.start, told.join("|")).chars().collect())
        };
        let merged = merge_unkeyed(&chars(base), &chars(ours), &chars(theirs), decide).expect("it decides");
        merged.into_iter().collect()
    }

    #[test]
    fn what_both_inserted_in_one_place_is_kept() {
        assert_eq!(merged("ab", "abx", "aby"), "abxy");
        assert_eq!(merged("ab", "abx", "abxy"), "abxy");
        assert_eq!(merged("ab", "abxx", "abxxx"), "abxxx");
        assert_eq!(merged("", "x", "y"), "xy");
    }

    #[test]
    fn neighbouring_changes_go_together() {
        assert_eq!(merged("abc", "xbc", "ayc"), "xyc");
        assert_eq!(merged("ab", "b", "a"), "");
        assert_eq!(merged("abc", "abx", "abcd"), "abxd");
        assert_eq!(merged("abc", "abcd", "aby"), "abyd");
        assert_eq!(merged("abc", "zabc", "ybc"), "zybc");
        assert_eq!(merged("abc", "ac", "abcd"), "acd");
    }

    #[test]
    fn changes_of_the_same_rows_clash() {
        assert_eq!(merged("abc", "axc", "ayc"), "a<1:b|x|y>c");
        assert_eq!(merged("abcd", "axyd", "abzd"), "a<1:bc|xy|bz>d");
        assert_eq!(merged("abcd", "ad", "abxcd"), "a<1:bc||bxc>d");
        assert_eq!(merged("abc", "axc", "axc"), "axc");
    }

    #[test]
    fn the_laws_hold_for_all_small_lists() {
        let lists: Vec<String> = (0..=3_u32)
            .flat_map(|length| (0..3_usize.pow(length)).map(move |number| (length, number)))
            .map(|(length, number)| {
                (0..length).map(|place| ['a', 'b', 'c'][number / 3_usize.pow(place) % 3]).collect()
            })
            .collect();
        for base in &lists {
            for side in &lists {
                assert_eq!(&merged(base, base, side), side);
                assert_eq!(&merged(base, side, base), side);
                assert_eq!(&merged(base, side, side), side);
                for other in &lists {
                    let clash = |ours: &str, theirs: &str| merged(base, ours, theirs).contains('<');
                    assert_eq!(clash(side, other), clash(other, side), "{base} {side} {other}");
                }
            }
        }
    }
}
