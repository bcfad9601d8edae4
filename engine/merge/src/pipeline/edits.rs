//! Puts together the edits that turn ours into the merged tree. Pure.

use std::collections::BTreeMap;

use anabranch_tree::{Key, KeyRange, Tree, TreeEdit, TreeError};
use anabranch_types::Entry;

/// The edits of a merge, collected in any order. Later edits of the same key replace earlier ones.
#[derive(Debug, Default)]
pub(super) struct Edits {
    takes: Vec<(KeyRange, Tree)>,
    points: BTreeMap<String, Option<Entry>>,
}

impl Edits {
    /// Lets a range hold what `from` has in it.
    pub(super) fn take(&mut self, range: KeyRange, from: &Tree) {
        if !range.is_empty() {
            self.takes.push((range, from.clone()));
        }
    }

    /// Lets a path hold `entry`, or nothing.
    pub(super) fn set(&mut self, path: &str, entry: Option<&Entry>) {
        self.points.insert(path.to_owned(), entry.cloned());
    }

    /// The edits in order of key. The ranges and the paths are apart by construction; the tree refuses them if not.
    pub(super) fn into_tree_edits(self) -> Result<Vec<TreeEdit>, TreeError> {
        let mut edits: Vec<(Vec<u8>, TreeEdit)> = Vec::new();
        for (range, from) in self.takes {
            edits.push((range.start.clone(), TreeEdit::Take { range, from }));
        }
        for (path, entry) in self.points {
            let key = Key::new(path.clone())?;
            let edit = match entry {
                Some(entry) => TreeEdit::Put(key, entry),
                None => TreeEdit::Remove(key),
            };
            edits.push((path.into_bytes(), edit));
        }
        edits.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(edits.into_iter().map(|(_, edit)| edit).collect())
    }
}

/// Joins ranges that overlap or touch. The answer is sorted, its ranges apart from each other.
fn union(mut ranges: Vec<KeyRange>) -> Vec<KeyRange> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by(|left, right| left.start.cmp(&right.start));
    let mut joined: Vec<KeyRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end.as_ref().is_none_or(|end| range.start <= *end) => {
                last.end = match (last.end.take(), range.end) {
                    (Some(left), Some(right)) => Some(left.max(right)),
                    _ => None,
                };
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// What is left of `ranges`, which are sorted and apart from each other, without `holes`, in any order.
pub(super) fn subtract(ranges: &[KeyRange], holes: Vec<KeyRange>) -> Vec<KeyRange> {
    let holes = union(holes);
    let mut left = Vec::new();
    let mut first_hole = 0;
    for range in ranges {
        // Holes that end before this range do not concern any later one either.
        while holes
            .get(first_hole)
            .is_some_and(|hole| hole.end.as_ref().is_some_and(|end| *end <= range.start))
        {
            first_hole += 1;
        }
        let mut start = range.start.clone();
        let mut open = true;
        for hole in holes.iter().skip(first_hole).take_while(|hole| hole.overlaps(range)) {
            let before = KeyRange { start: start.clone(), end: Some(hole.start.clone()) };
            if !before.is_empty() {
                left.push(before);
            }
            match &hole.end {
                Some(end) => start = start.max(end.clone()),
                None => open = false,
            }
        }
        let rest = KeyRange { start, end: range.end.clone() };
        if open && !rest.is_empty() {
            left.push(rest);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u8, end: Option<u8>) -> KeyRange {
        KeyRange { start: vec![start], end: end.map(|end| vec![end]) }
    }

    /// Every choice of up to two ranges and two holes over eight positions, against a set of positions.
    #[test]
    fn subtracting_is_exact() {
        let mut lists = vec![vec![]];
        for a in 0..6_u8 {
            for b in a + 1..=6 {
                lists.push(vec![range(a, Some(b))]);
                for c in b..6 {
                    lists.push(vec![range(a, Some(b)), range(c, Some(c + 1))]);
                    lists.push(vec![range(a, Some(b)), range(c, None)]);
                }
            }
        }
        let mut hole_lists = lists.clone();
        for a in 0..6_u8 {
            for b in a..6 {
                for c in b..6 {
                    hole_lists.push(vec![range(a, None), range(b, Some(c))]);
                    hole_lists.push(vec![range(a, Some(c)), range(b, Some(b + 1)), range(5, Some(6))]);
                }
            }
        }
        let holds = |list: &[KeyRange], at: u8| list.iter().any(|range| range.contains(&[at]));
        for ranges in &lists {
            for holes in &hole_lists {
                let left = subtract(ranges, holes.clone());
                for at in 0..8 {
                    let expected = holds(ranges, at) && !holds(holes, at);
                    assert_eq!(holds(&left, at), expected, "{ranges:?} without {holes:?} at {at}");
                }
                for pair in left.windows(2) {
                    assert!(!pair[0].overlaps(&pair[1]), "{left:?}");
                }
            }
        }
    }
}
