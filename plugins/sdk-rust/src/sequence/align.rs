//! Which element of a list is which, where elements have no names. Pure.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use super::{changes, part};

/// A list beside the one that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aligned {
    /// For each element, the one of the base that it is; `None` where it is new.
    pub origin: Vec<Option<usize>>,
    /// The places of the base where something is new, each with what stands there now.
    pub inserted: Vec<(Range<usize>, Range<usize>)>,
}

/// Finds the element of the base that each element of a side is: an equal one; where as many elements stand in a place as
/// before, the one in the same position; otherwise the next one there that is `similar`.
pub fn align<T: Eq + Hash>(base: &[T], side: &[T], similar: &dyn Fn(&T, &T) -> bool) -> Aligned {
    let mut aligned = Aligned { origin: vec![None; side.len()], inserted: Vec::new() };
    let (mut base_at, mut at) = (0, 0);
    let end = (base.len()..base.len(), side.len()..side.len());
    for (gone, came) in changes(base, side).into_iter().chain([end]) {
        for (offset, place) in
            aligned.origin.get_mut(at..came.start).unwrap_or_default().iter_mut().enumerate()
        {
            *place = Some(base_at + offset);
        }
        let places = aligned.origin.get_mut(came.clone()).unwrap_or_default();
        let mut from = gone.start;
        for (offset, (place, new)) in places.iter_mut().zip(part(side, came.clone())).enumerate() {
            let same_place = (gone.len() == came.len()).then_some(gone.start + offset);
            let fits = |index: &usize| base.get(*index).is_some_and(|old| similar(old, new));
            *place = same_place.or_else(|| (from..gone.end).find(fits));
            from = place.map_or(from, |index| index + 1);
        }
        if places.iter().any(Option::is_none) {
            aligned.inserted.push((gone.clone(), came.clone()));
        }
        (base_at, at) = (gone.end, came.end);
    }
    aligned
}

/// Names for the elements of three lists, so that elements with one name are one: `#1` for the first of the base. `None` where both sides
/// inserted different elements in one place, so that their order would be a guess.
pub fn aligned_names<T: Eq + Hash>(
    [base, ours, theirs]: [&[T]; 3],
    similar: &dyn Fn(&T, &T) -> bool,
) -> Option<[Vec<String>; 3]> {
    let (by_ours, by_theirs) = (align(base, ours, similar), align(base, theirs, similar));
    let mut other = by_theirs.inserted.iter().peekable();
    for (gone, came) in &by_ours.inserted {
        while other.next_if(|(their_gone, _)| their_gone.end < gone.start).is_some() {}
        if let Some((their_gone, their_came)) = other.peek()
            && their_gone.start <= gone.end
            && (gone != their_gone || part(ours, came.clone()) != part(theirs, their_came.clone()))
        {
            return None;
        }
    }
    let base = (1..=base.len()).map(|number| format!("#{number}")).collect();
    Some([base, by_ours.names(ours), by_theirs.names(theirs)])
}

impl Aligned {
    /// Names of the elements of a side: those of the base, and what new ones hold, so that the same new element on both sides
    /// is one.
    pub fn names<T: Eq + Hash>(&self, side: &[T]) -> Vec<String> {
        let mut copies: HashMap<&T, usize> = HashMap::new();
        let name = |(element, origin)| match origin {
            &Some(index) => format!("#{}", index + 1),
            None => {
                let copy = copies.entry(element).or_default();
                *copy += 1;
                let mut hasher = DefaultHasher::new();
                element.hash(&mut hasher);
                format!("new {:016x} {copy}", hasher.finish())
            }
        };
        side.iter().zip(&self.origin).map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(base: &str, ours: &str, theirs: &str) -> String {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let [base, ours, theirs] = [base, ours, theirs].map(words);
        let similar = &|one: &String, other: &String| one.chars().next() == other.chars().next();
        match aligned_names([&base, &ours, &theirs], similar) {
            None => "none".into(),
            Some([_, ours, theirs]) => {
                let short = |names: Vec<String>| {
                    names.iter().map(|name| name[..2].to_owned()).collect::<Vec<_>>().join(" ")
                };
                format!("{} | {}", short(ours), short(theirs))
            }
        }
    }

    #[test]
    fn elements_are_found_by_content_place_and_likeness() {
        assert_eq!(told("a b c", "a x c", "a b c d"), "#1 #2 #3 | #1 #2 #3 ne");
        assert_eq!(told("a b c", "n a b c", "a b c n"), "ne #1 #2 #3 | #1 #2 #3 ne");
        assert_eq!(told("a b c", "x b2 y c", "a c"), "ne #2 ne #3 | #1 #3");
        assert_eq!(told("a b c", "", "a"), " | #1");
    }

    #[test]
    fn what_both_inserted_in_one_place_has_no_order() {
        assert_eq!(told("a b", "a b x", "a b y"), "none");
        assert_eq!(told("a b", "a b x", "a b x"), "#1 #2 ne | #1 #2 ne");
        assert_eq!(told("a b c", "a x y c", "a b z c"), "none");
        assert_eq!(told("a b c", "x a b c", "a b y c"), "ne #1 #2 #3 | #1 #2 ne #3");
    }
}
