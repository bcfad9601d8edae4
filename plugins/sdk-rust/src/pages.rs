//! Everything that a snapshot lists or a comparison finds, page by page, for plugins whose units are folders.

use crate::Failure;
use crate::bindings::anabranch::merge::snapshots::{Snapshot, compare, compare_merge};
use crate::bindings::anabranch::merge::types::{Entry, EntryChange, EntryMerge};

/// How many items a page has, which is the most that the host gives.
const PAGE: u32 = 1000;

/// Hands over each object whose path starts with `prefix`, in order of path.
///
/// # Errors
///
/// Those of `visit`, or the host refused a page.
pub fn entries(
    snapshot: &Snapshot,
    prefix: &str,
    visit: &mut dyn FnMut(Entry) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let entries = snapshot.walk(prefix);
    all(&mut || entries.next(PAGE), visit)
}

/// Hands over each object below `prefix` that differs between two snapshots.
///
/// # Errors
///
/// Those of `visit`, or the host refused a page.
pub fn changes(
    before: &Snapshot,
    after: &Snapshot,
    prefix: &str,
    visit: &mut dyn FnMut(EntryChange) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let changes = compare(before, after, prefix);
    all(&mut || changes.next(PAGE), visit)
}

/// Hands over each object below `prefix` that at least one side changed since the base.
///
/// # Errors
///
/// Those of `visit`, or the host refused a page.
pub fn merges(
    [base, ours, theirs]: [&Snapshot; 3],
    prefix: &str,
    visit: &mut dyn FnMut(EntryMerge) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let merges = compare_merge(base, ours, theirs, prefix);
    all(&mut || merges.next(PAGE), visit)
}

fn all<T>(
    next: &mut dyn FnMut() -> Result<Vec<T>, Failure>,
    visit: &mut dyn FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    loop {
        let page = next()?;
        if page.is_empty() {
            return Ok(());
        }
        page.into_iter().try_for_each(&mut *visit)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_to_the_empty_one_or_the_first_failure() {
        let mut pages = vec![vec![], vec![3], vec![1, 2]];
        let mut seen = Vec::new();
        let next = &mut || Ok(pages.pop().expect("nobody reads on"));
        all(next, &mut |item| {
            seen.push(item);
            Ok(())
        })
        .expect("it reads");
        assert_eq!(seen, [1, 2, 3]);
        let failed = all(&mut || Ok(vec![1]), &mut |_| Err(Failure::new("x-enough", "enough")));
        assert_eq!(failed.expect_err("it fails").code, "x-enough");
    }
}
