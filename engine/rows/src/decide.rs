//! The rule of the three-way merge of one row, and of its cells: pure, over encoded values.

use crate::cursor::RowRef;
use crate::plan::{ColumnPolicy, Mode, Plan, Policy};
use crate::side::Side;

/// One row on the three sides; absent where it is `None`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowSides<'a> {
    pub(crate) base: Option<&'a RowRef>,
    pub(crate) ours: Option<&'a RowRef>,
    pub(crate) theirs: Option<&'a RowRef>,
}

/// What the rule says of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum RowVerdict {
    /// The result does not have it.
    Absent,
    /// The row of this side.
    Take(Side),
    /// Two new rows that share an id by chance.
    Both,
    /// One side deleted it, the other changed it; or both changed it and cells are not merged.
    RowConflict,
    /// Both sides inserted it, differently.
    DuplicateKey,
    /// Cell by cell: those that are not ours'.
    Cells(Vec<(usize, CellVerdict)>),
}

/// What the rule says of a cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum CellVerdict {
    /// The cell of this side.
    Take(Side),
    /// Policy `sum_delta` has to compute it.
    Sum,
    /// Policy `union_set` has to compute it.
    Union,
    /// Both changed it, and no policy decides.
    Conflict,
}

/// Decides about one row.
pub(crate) fn decide_row(plan: &Plan, sides: RowSides<'_>) -> RowVerdict {
    let same = |left: &RowRef, right: &RowRef| left.same(right, &plan.values);
    match (sides.base, sides.ours, sides.theirs) {
        (None, None, None) | (Some(_), None, None) => RowVerdict::Absent,
        (None, Some(_), None) => RowVerdict::Take(Side::Ours),
        (None, None, Some(_)) => RowVerdict::Take(Side::Theirs),
        (None, Some(_), Some(_)) if plan.mode == Mode::RowId => RowVerdict::Both,
        (None, Some(ours), Some(theirs)) => match same(ours, theirs) {
            true => RowVerdict::Take(Side::Ours),
            false => decide_inserted(plan, sides, ours, theirs),
        },
        (Some(base), Some(kept), None) | (Some(base), None, Some(kept)) => match same(base, kept) {
            true => RowVerdict::Absent,
            false => RowVerdict::RowConflict,
        },
        (Some(base), Some(ours), Some(theirs)) => {
            if same(base, theirs) || same(ours, theirs) {
                RowVerdict::Take(Side::Ours)
            } else if same(base, ours) {
                RowVerdict::Take(Side::Theirs)
            } else if plan.cell_wise {
                decide_cells(plan, sides, base, ours, theirs)
            } else {
                RowVerdict::RowConflict
            }
        }
    }
}

/// Both sides inserted one key: one row only if a policy decides about every cell that differs.
fn decide_inserted(plan: &Plan, sides: RowSides<'_>, ours: &RowRef, theirs: &RowRef) -> RowVerdict {
    if !plan.cell_wise {
        return RowVerdict::DuplicateKey;
    }
    let differing = plan.values.iter().filter(|column| ours.cell(**column) != theirs.cell(**column));
    let cells: Vec<_> = differing.map(|column| (*column, decide_cell(plan, sides, *column))).collect();
    match cells.iter().any(|(_, verdict)| matches!(verdict, CellVerdict::Conflict | CellVerdict::Sum)) {
        true => RowVerdict::DuplicateKey,
        false => RowVerdict::Cells(cells),
    }
}

fn decide_cells(
    plan: &Plan,
    sides: RowSides<'_>,
    base: &RowRef,
    ours: &RowRef,
    theirs: &RowRef,
) -> RowVerdict {
    let mut cells = Vec::new();
    for column in plan.values.iter().copied() {
        let (base, ours, theirs) = (base.cell(column), ours.cell(column), theirs.cell(column));
        if base == theirs || ours == theirs {
            continue;
        }
        let verdict = match base == ours {
            true => CellVerdict::Take(Side::Theirs),
            false => decide_cell(plan, sides, column),
        };
        cells.push((column, verdict));
    }
    RowVerdict::Cells(cells)
}

/// Asks the policy of a column about a cell that both sides changed differently.
fn decide_cell(plan: &Plan, sides: RowSides<'_>, column: usize) -> CellVerdict {
    let (Some(ours), Some(theirs)) = (sides.ours, sides.theirs) else { return CellVerdict::Conflict };
    let later = |column: usize| match ours.cell(column).cmp(theirs.cell(column)) {
        std::cmp::Ordering::Less => CellVerdict::Take(Side::Theirs),
        std::cmp::Ordering::Equal => CellVerdict::Conflict,
        std::cmp::Ordering::Greater => CellVerdict::Take(Side::Ours),
    };
    match plan.policies.get(&column) {
        None => CellVerdict::Conflict,
        Some(ColumnPolicy::LatestBy { column: by, .. }) => later(*by),
        Some(ColumnPolicy::Plain(policy)) => match policy {
            // NULL has the least encoding, so the greater value is never NULL unless both are.
            Policy::Max => later(column),
            Policy::Min => match (is_null(ours, column), is_null(theirs, column)) {
                (true, _) => CellVerdict::Take(Side::Theirs),
                (_, true) => CellVerdict::Take(Side::Ours),
                _ if ours.cell(column) < theirs.cell(column) => CellVerdict::Take(Side::Ours),
                _ => CellVerdict::Take(Side::Theirs),
            },
            Policy::SumDelta => CellVerdict::Sum,
            Policy::UnionSet => CellVerdict::Union,
            Policy::Ours => CellVerdict::Take(Side::Ours),
            Policy::Theirs => CellVerdict::Take(Side::Theirs),
            Policy::LatestBy(_) => CellVerdict::Conflict,
        },
    }
}

fn is_null(row: &RowRef, column: usize) -> bool {
    row.batch.batch().columns().get(column).is_some_and(|array| array.is_null(row.row))
}
