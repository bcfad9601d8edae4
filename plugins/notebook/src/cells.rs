//! Which cell is which.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::ops::Range;

use anabranch_plugin::json::Kind;
use anabranch_plugin::{Json, lines, sequence};

/// Distinct names of the cells of some states, the first of which is the base: their ids where all have them, else by
/// what they hold.
pub(crate) fn names<const N: usize>(states: [&[Json]; N]) -> [Vec<String>; N] {
    if let Some(names) = ids(&states) {
        return names;
    }
    let base = states.first().copied().unwrap_or_default();
    states.map(|cells| aligned(base, cells))
}

/// The ids of all cells (nbformat 4.5 and later); `None` where one has none, or one stands twice.
fn ids<const N: usize>(states: &[&[Json]; N]) -> Option<[Vec<String>; N]> {
    let mut all = states.map(|_| Vec::new());
    for (names, cells) in all.iter_mut().zip(states) {
        let id = |cell: &Json| cell.get("id").and_then(Json::as_str).map(str::to_owned);
        *names = cells.iter().map(id).collect::<Option<Vec<_>>>()?;
        let distinct: HashSet<&String> = names.iter().collect();
        if distinct.len() != names.len() {
            return None;
        }
    }
    Some(all)
}

/// What a cell holds.
pub(crate) fn source(cell: &Json) -> Option<String> {
    text(cell.get("source")?)
}

/// A text that is written as one string or as one for each line.
pub(crate) fn text(value: &Json) -> Option<String> {
    match value.kind() {
        Kind::Text(text) => Some(text.to_string()),
        Kind::Array(parts) => parts.iter().map(Json::as_str).collect(),
        _ => None,
    }
}

fn kind<'c>(cell: &'c Json<'_>) -> &'c str {
    cell.get("cell_type").and_then(Json::as_str).unwrap_or_default()
}

/// Names of cells without ids: a cell that stands for one of the base has its number, `#1` for the first; a new one
/// is called by what it holds, so that the same new cell on both sides is one.
fn aligned(base: &[Json], cells: &[Json]) -> Vec<String> {
    let print =
        |cells: &[Json]| cells.iter().map(|cell| (kind(cell).to_owned(), source(cell))).collect::<Vec<_>>();
    let (base_prints, prints) = (print(base), print(cells));
    let mut origin: Vec<Option<usize>> = vec![None; cells.len()];
    let (mut base_at, mut at) = (0, 0);
    for (gone, came) in sequence::changes(&base_prints, &prints) {
        pair_equal(&mut origin, at..came.start, base_at);
        pair_similar(&mut origin, base, cells, gone.clone(), came.clone());
        (base_at, at) = (gone.end, came.end);
    }
    pair_equal(&mut origin, at..cells.len(), base_at);
    let mut copies: HashMap<&(String, Option<String>), usize> = HashMap::new();
    let name = |(print, origin): (&'_ (String, Option<String>), &Option<usize>), copy: usize| match origin {
        Some(number) => format!("#{}", number + 1),
        None => format!("new {} {:016x} {copy}", print.0, fingerprint(print)),
    };
    let mut names = Vec::with_capacity(cells.len());
    for (print, origin) in prints.iter().zip(&origin) {
        let copy = copies.entry(print).or_default();
        *copy += usize::from(origin.is_none());
        names.push(name((print, origin), *copy));
    }
    names
}

/// Tells new cells apart. Two that it does not tell apart make the cells one value, which is a conflict at worst.
fn fingerprint(print: &(String, Option<String>)) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    print.hash(&mut hasher);
    hasher.finish()
}

fn pair_equal(origin: &mut [Option<usize>], cells: Range<usize>, base: usize) {
    for (offset, place) in origin.get_mut(cells).unwrap_or_default().iter_mut().enumerate() {
        *place = Some(base + offset);
    }
}

/// Pairs cells that stand in one place and are of one kind: where there is one on either side, or where at least half of
/// their lines agree.
fn pair_similar(
    origin: &mut [Option<usize>],
    base: &[Json],
    cells: &[Json],
    gone: Range<usize>,
    came: Range<usize>,
) {
    let single = gone.len() == 1 && came.len() == 1;
    let mut from = gone.start;
    for at in came {
        let Some(cell) = cells.get(at) else { continue };
        let fits = |number: &usize| {
            base.get(*number).is_some_and(|was| kind(was) == kind(cell) && (single || similar(was, cell)))
        };
        if let Some(number) = (from..gone.end).find(fits) {
            from = number + 1;
            if let Some(place) = origin.get_mut(at) {
                *place = Some(number);
            }
        }
    }
}

fn similar(one: &Json, other: &Json) -> bool {
    let (one, other) = (source(one).unwrap_or_default(), source(other).unwrap_or_default());
    let (one, other) = (lines::split(&one), lines::split(&other));
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for line in &one {
        *counts.entry(line.trim_end()).or_default() += 1;
    }
    let shared = other.iter().filter(|line| match counts.get_mut(line.trim_end()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    });
    4 * shared.count() >= one.len() + other.len()
}
