//! Three-way merge of lists. Pure.

mod align;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::ops::Range;

pub use align::{Aligned, align, aligned_names};

use similar::{Algorithm, DiffTag, MergeResolution, TextMerge};

/// A part of a merged list, and where it lies on each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Who has the result.
    pub winner: Winner,
    /// Where it lies in the base.
    pub base: Range<usize>,
    /// Where it lies in ours.
    pub ours: Range<usize>,
    /// Where it lies in theirs.
    pub theirs: Range<usize>,
}

/// Who has the result of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// Ours: only it changed the region, or nobody did, or both did the same.
    Ours,
    /// Theirs: only it changed the region.
    Theirs,
    /// Both changed it, differently.
    Nobody,
}

/// The merged list in its parts, in order. Together they cover each side once.
pub fn regions<T: Eq + Hash>(base: &[T], ours: &[T], theirs: &[T]) -> Vec<Region> {
    // The merge of texts does just what is needed, so items become lines: equal ones are the same line.
    let mut numbers = HashMap::new();
    let [base, ours, theirs] = [base, ours, theirs].map(|items| numbered(items, &mut numbers));
    let merge = TextMerge::from_lines(base.as_str(), ours.as_str(), theirs.as_str());
    let region = |region: &similar::MergeRegion| Region {
        winner: match region.resolution() {
            MergeResolution::Unchanged | MergeResolution::Ours | MergeResolution::Both => Winner::Ours,
            MergeResolution::Theirs => Winner::Theirs,
            _ => Winner::Nobody,
        },
        base: region.base_range(),
        ours: region.ours_range(),
        theirs: region.theirs_range(),
    };
    merge.regions().iter().map(region).collect()
}

fn numbered<'t, T: Eq + Hash>(items: &'t [T], numbers: &mut HashMap<&'t T, usize>) -> String {
    let mut lines = String::new();
    for item in items {
        let next = numbers.len();
        let number = *numbers.entry(item).or_insert(next);
        lines.push_str(&number.to_string());
        lines.push('\n');
    }
    lines
}

/// What differs: each range of `before` that is gone with the range of `after` that stands in its place.
pub fn changes<T: Eq + Hash>(before: &[T], after: &[T]) -> Vec<(Range<usize>, Range<usize>)> {
    let mut numbers = HashMap::new();
    let [before, after] = [before, after].map(|items| {
        let mut ids = Vec::with_capacity(items.len());
        for item in items {
            let next = numbers.len();
            ids.push(*numbers.entry(item).or_insert(next));
        }
        ids
    });
    let operations = similar::capture_diff_slices(Algorithm::Myers, &before, &after);
    let mut changed: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for operation in operations.iter().filter(|operation| operation.tag() != DiffTag::Equal) {
        let (gone, came) = (operation.old_range(), operation.new_range());
        match changed.last_mut() {
            // Removing and inserting in one place is one change, whichever comes first.
            Some((last_gone, last_came)) if gone.start <= last_gone.end && came.start <= last_came.end => {
                last_gone.end = last_gone.end.max(gone.end);
                last_came.end = last_came.end.max(came.end);
            }
            _ => changed.push((gone, came)),
        }
    }
    changed
}

/// The items of a range, none where it lies outside.
pub fn part<T>(items: &[T], range: Range<usize>) -> &[T] {
    items.get(range).unwrap_or_default()
}

/// A merged order of things that have names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order<T> {
    /// Everything that ours or theirs has, once.
    pub items: Vec<T>,
    /// Both sides put what they share into orders that differ, and ours stands.
    pub clash: bool,
}

/// Merges the orders of three lists of distinct items: the order of ours, or that of theirs where only theirs moved what it
/// shares with the base. What the other side has beside it comes behind what it follows there, after what was put in the
/// same place.
pub fn order<T: Eq + Hash + Clone>(base: &[T], ours: &[T], theirs: &[T]) -> Order<T> {
    let moved = |side: &[T]| !same_order(base, side);
    let (ours_moved, theirs_moved) = (moved(ours), moved(theirs));
    let (leading, other) = if theirs_moved && !ours_moved { (theirs, ours) } else { (ours, theirs) };
    let in_leading: HashSet<&T> = leading.iter().collect();
    let in_other: HashSet<&T> = other.iter().collect();
    // What has to come before the first item that both have, and behind each of those.
    let mut following: HashMap<Option<&T>, Vec<&T>> = HashMap::new();
    let mut anchor = None;
    for item in other {
        if in_leading.contains(item) {
            anchor = Some(item);
        } else {
            following.entry(anchor).or_default().push(item);
        }
    }
    let mut items = Vec::with_capacity(leading.len() + other.len());
    let mut waiting = following.remove(&None).unwrap_or_default();
    for item in leading {
        if in_other.contains(item) {
            items.extend(waiting.drain(..).cloned());
            waiting = following.remove(&Some(item)).unwrap_or_default();
        }
        items.push(item.clone());
    }
    items.extend(waiting.into_iter().cloned());
    Order { items, clash: ours_moved && theirs_moved && !same_order(ours, theirs) }
}

/// Whether what two lists share stands in the same order in both.
fn same_order<T: Eq + Hash>(one: &[T], other: &[T]) -> bool {
    let in_one: HashSet<&T> = one.iter().collect();
    let in_other: HashSet<&T> = other.iter().collect();
    let shared = one.iter().filter(|item| in_other.contains(item));
    shared.eq(other.iter().filter(|item| in_one.contains(item)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(base: &str, ours: &str, theirs: &str) -> String {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let order = order(&chars(base), &chars(ours), &chars(theirs));
        let mark = if order.clash { "!" } else { "" };
        format!("{}{mark}", order.items.into_iter().collect::<String>())
    }

    #[test]
    fn orders_are_merged() {
        assert_eq!(ordered("abc", "abc", "abc"), "abc");
        assert_eq!(ordered("abc", "abxc", "abyc"), "abxyc");
        assert_eq!(ordered("abc", "xabc", "yabc"), "xyabc");
        assert_eq!(ordered("abc", "abcx", "cba"), "cxba");
        assert_eq!(ordered("abc", "bac", "abcx"), "bacx");
        assert_eq!(ordered("abc", "bac", "acb"), "bac!");
        assert_eq!(ordered("abc", "bac", "bac"), "bac");
        assert_eq!(ordered("", "ab", "cd"), "abcd");
        assert_eq!(ordered("abc", "ac", "ab"), "acb");
    }

    #[test]
    fn regions_cover_each_side_once() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (base, ours, theirs) = (words("a b c d"), words("x b c e"), words("a b c f g"));
        let regions = regions(&base, &ours, &theirs);
        let winners: Vec<_> = regions.iter().map(|region| region.winner).collect();
        assert_eq!(winners, [Winner::Ours, Winner::Ours, Winner::Nobody]);
        let end =
            |range: fn(&Region) -> &Range<usize>| regions.iter().map(|region| range(region).len()).sum();
        let lengths: [usize; 3] =
            [end(|region| &region.base), end(|region| &region.ours), end(|region| &region.theirs)];
        assert_eq!(lengths, [4, 4, 5]);
    }
}
