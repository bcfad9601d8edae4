//! Which cell is which.

use std::collections::{HashMap, HashSet};

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

/// The kind of a cell and its source.
type Print = (String, Option<String>);

fn kind<'c>(cell: &'c Json<'_>) -> &'c str {
    cell.get("cell_type").and_then(Json::as_str).unwrap_or_default()
}

/// Names of cells without ids: `#1` for what stands for the first of the base; a new cell is called by what it holds, so
/// that the same new cell on both sides is one.
fn aligned(base: &[Json], cells: &[Json]) -> Vec<String> {
    let print =
        |cells: &[Json]| cells.iter().map(|cell| (kind(cell).to_owned(), source(cell))).collect::<Vec<_>>();
    let (base, cells) = (print(base), print(cells));
    sequence::align(&base, &cells, &|one, other| similar(one, other)).names(&cells)
}

/// Whether two cells may be states of one: they are of one kind, and at least half of their lines agree.
fn similar((one_kind, one): &Print, (other_kind, other): &Print) -> bool {
    let (one, other) = (one.as_deref().unwrap_or_default(), other.as_deref().unwrap_or_default());
    let (one, other) = (lines::split(one), lines::split(other));
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
    one_kind == other_kind && 4 * shared.count() >= one.len() + other.len()
}
