//! A key that each side has at most once.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use serde_json::Value;

use super::{Settler, misfit, row_json};
use crate::compute;
use crate::conflict::{Choice, RowConflict, RowConflictKind};
use crate::cursor::RowRef;
use crate::decide::{CellVerdict, RowSides, RowVerdict, decide_row};
use crate::error::{During, Result};
use crate::groups::Group;
use crate::json;
use crate::json_read;
use crate::output::{Cell, Gone, Origin, origin_of};
use crate::plan::{OpenRows, Plan};
use crate::side::Side;

/// The row that the result has.
enum Final {
    Row(RowRef, Origin),
    Cells(RowRef, Vec<(usize, Cell)>),
}

impl Final {
    fn bytes(&self, column: usize) -> &[u8] {
        match self {
            Final::Row(row, _) => row.cell(column),
            Final::Cells(row, cells) => match cells.iter().find(|(replaced, _)| *replaced == column) {
                Some((_, cell)) => cell.bytes(column),
                None => row.cell(column),
            },
        }
    }
}

fn side_of<'a>(sides: RowSides<'a>, side: Side) -> Option<&'a RowRef> {
    match side {
        Side::Base => sides.base,
        Side::Ours => sides.ours,
        Side::Theirs => sides.theirs,
    }
}

impl Settler {
    pub(super) fn settle_row(&mut self, plan: &Plan, group: &Group) -> Result<()> {
        let sides = RowSides {
            base: group.rows.base.first(),
            ours: group.rows.ours.first(),
            theirs: group.rows.theirs.first(),
        };
        match decide_row(plan, sides) {
            RowVerdict::Absent => self.emit(plan, sides, None),
            RowVerdict::Take(side) => self.emit_side(plan, sides, side),
            RowVerdict::Both => self.emit_both(plan, sides),
            RowVerdict::RowConflict => self.row_conflict(plan, sides, RowConflictKind::RowConflict),
            RowVerdict::DuplicateKey => self.row_conflict(plan, sides, RowConflictKind::DuplicateKey),
            RowVerdict::Cells(cells) => self.settle_cells(plan, sides, cells),
        }
    }

    fn emit_side(&mut self, plan: &Plan, sides: RowSides<'_>, side: Side) -> Result<()> {
        let row = side_of(sides, side).map(|row| Final::Row(row.clone(), origin_of(side)));
        self.emit(plan, sides, row)
    }

    fn emit_both(&mut self, plan: &Plan, sides: RowSides<'_>) -> Result<()> {
        self.emit_side(plan, RowSides { theirs: None, ..sides }, Side::Ours)?;
        if sides.theirs.is_some() {
            self.emit_side(plan, RowSides { base: None, ours: None, ..sides }, Side::Theirs)?;
        }
        Ok(())
    }

    /// Writes the row of the result, and counts what it changes.
    fn emit(&mut self, plan: &Plan, sides: RowSides<'_>, row: Option<Final>) -> Result<()> {
        let cells_from = |side: &RowRef, row: &Final| {
            // Most rows of a table are ours', untouched: nothing has to be compared.
            if matches!(row, Final::Row(row, _) if row.is(side)) {
                return 0;
            }
            plan.values.iter().filter(|column| side.cell(**column) != row.bytes(**column)).count() as u64
        };
        let mut replaces_ours = row.is_none();
        for (side, delta) in
            [(sides.ours, &mut self.report.from_ours), (sides.base, &mut self.report.from_base)]
        {
            match (side, &row) {
                (None, None) => {}
                (None, Some(_)) => delta.added += 1,
                (Some(_), None) => delta.removed += 1,
                (Some(side), Some(row)) => {
                    let cells = cells_from(side, row);
                    delta.changed += u64::from(cells > 0);
                    delta.cells += cells;
                }
            }
        }
        if let (Some(ours), Some(Final::Row(row, origin))) = (sides.ours, &row) {
            replaces_ours = *origin != Origin::Ours && !ours.same(row, &plan.values);
        } else if let (Some(ours), Some(row)) = (sides.ours, &row) {
            replaces_ours = cells_from(ours, row) > 0;
        }
        if let Some(ours) = sides.ours
            && replaces_ours
        {
            self.output.push_gone(ours, if row.is_some() { Gone::Changed } else { Gone::Removed });
        }
        let Some(row) = row else { return Ok(()) };
        self.report.rows += 1;
        match (row, sides.ours) {
            // What equals ours' row is ours' row, wherever it was taken from.
            (_, Some(ours)) if !replaces_ours => self.output.push(ours, Origin::Ours),
            (Final::Row(row, origin), _) => self.output.push(&row, origin),
            (row, _) if sides.theirs.is_some_and(|theirs| cells_from(theirs, &row) == 0) => {
                sides.theirs.into_iter().for_each(|theirs| self.output.push(theirs, Origin::Theirs));
            }
            (Final::Cells(row, cells), _) => self.output.push_cells(&row, cells),
        }
        Ok(())
    }

    fn settle_cells(
        &mut self,
        plan: &Plan,
        sides: RowSides<'_>,
        verdicts: Vec<(usize, CellVerdict)>,
    ) -> Result<()> {
        let Some(ours) = sides.ours else { return self.emit(plan, sides, None) };
        let open_before = self.report.conflict_count;
        let mut cells = Vec::with_capacity(verdicts.len());
        for (column, verdict) in verdicts {
            let decided = match verdict {
                CellVerdict::Take(side) => {
                    self.report.by_policy += u64::from(self.is_contested(sides, column));
                    side_of(sides, side).map(|row| Cell::Of(row.clone()))
                }
                CellVerdict::Sum | CellVerdict::Union => {
                    let value = compute_cell(plan, sides, column, &verdict)?;
                    self.report.by_policy += u64::from(value.is_some());
                    value
                }
                CellVerdict::Conflict => None,
            };
            let cell = match decided {
                Some(cell) => cell,
                None => self.cell_conflict(plan, sides, column)?.unwrap_or_else(|| Cell::Of(ours.clone())),
            };
            cells.push((column, cell));
        }
        if plan.open_rows == OpenRows::LeftOut && self.report.conflict_count > open_before {
            return self.emit(plan, sides, None);
        }
        self.emit(plan, sides, Some(Final::Cells(ours.clone(), cells)))
    }

    /// Whether a cell is not the base's on either side: else no policy had to be asked.
    fn is_contested(&self, sides: RowSides<'_>, column: usize) -> bool {
        let base = sides.base.map(|row| row.cell(column));
        [sides.ours, sides.theirs].iter().all(|side| side.map(|row| row.cell(column)) != base)
    }

    fn cell_conflict(&mut self, plan: &Plan, sides: RowSides<'_>, column: usize) -> Result<Option<Cell>> {
        let name = plan.column_name(column);
        let choice = self.choice(plan, || {
            let show =
                |row: Option<&RowRef>| row.map(|row| json::cell(&compute::cell(row, column)?, 0)).transpose();
            Ok(RowConflict {
                kind: RowConflictKind::RowConflict,
                key: sides.ours.map_or(Ok(Value::Null), |row| row_json(plan, row, true))?,
                column: Some(name.to_owned()),
                base: show(sides.base)?,
                ours: show(sides.ours)?,
                theirs: show(sides.theirs)?,
                policy: plan.policies.get(&column).map(ToString::to_string),
                message: format!("both sides changed {name}, differently"),
            })
        })?;
        let side = |row: Option<&RowRef>| row.map(|row| Cell::Of(row.clone()));
        Ok(match choice {
            None => None,
            Some(Choice::Ours) => side(sides.ours),
            Some(Choice::Theirs) => side(sides.theirs),
            Some(Choice::Base) => side(sides.base),
            Some(Choice::Both) => return Err(misfit(plan, sides.ours, "a cell has one value, not both")),
            Some(Choice::Value(value)) => Some(parse_cell(plan, sides.ours, column, &value)?),
        })
    }

    fn row_conflict(&mut self, plan: &Plan, sides: RowSides<'_>, kind: RowConflictKind) -> Result<()> {
        let any = sides.base.or(sides.ours).or(sides.theirs);
        let choice = self.choice(plan, || {
            let show = |row: Option<&RowRef>| row.map(|row| row_json(plan, row, false)).transpose();
            Ok(RowConflict {
                kind,
                key: any.map_or(Ok(Value::Null), |row| row_json(plan, row, true))?,
                column: None,
                base: show(sides.base)?,
                ours: show(sides.ours)?,
                theirs: show(sides.theirs)?,
                policy: None,
                message: row_message(sides).to_owned(),
            })
        })?;
        match choice {
            None if plan.open_rows == OpenRows::LeftOut => self.emit(plan, sides, None),
            None | Some(Choice::Ours) => self.emit_side(plan, sides, Side::Ours),
            Some(Choice::Theirs) => self.emit_side(plan, sides, Side::Theirs),
            Some(Choice::Base) => self.emit_side(plan, sides, Side::Base),
            Some(Choice::Both) => self.emit_both(plan, sides),
            Some(Choice::Value(value)) => {
                let like = sides.ours.or(sides.theirs).or(sides.base);
                let Some(like) = like else { return Ok(()) };
                let row = parse_row(plan, like, &value)?;
                self.emit(plan, sides, Some(Final::Row(row, Origin::Merged)))
            }
        }
    }
}

fn row_message(sides: RowSides<'_>) -> &'static str {
    match (sides.base, sides.ours, sides.theirs) {
        (None, ..) => "both sides inserted this key, differently",
        (_, None, _) => "row updated on theirs, deleted on ours",
        (_, _, None) => "row updated on ours, deleted on theirs",
        _ => "both sides changed the row, differently",
    }
}

fn compute_cell(
    plan: &Plan,
    sides: RowSides<'_>,
    column: usize,
    verdict: &CellVerdict,
) -> Result<Option<Cell>> {
    let (Some(ours), Some(theirs)) = (sides.ours, sides.theirs) else { return Ok(None) };
    let (ours, theirs) = (compute::cell(ours, column)?, compute::cell(theirs, column)?);
    let base = sides.base.map(|row| compute::cell(row, column)).transpose()?;
    let value = match (verdict, &base) {
        (CellVerdict::Union, base) => Some(compute::union_set(base.as_ref(), &ours, &theirs)?),
        (_, Some(base)) => compute::sum_delta(base, &ours, &theirs)?,
        _ => None,
    };
    let cell = |value: ArrayRef| {
        let bytes = compute::encode(&plan.codec, column, &value)?;
        Ok(Cell::Value(value, bytes))
    };
    value.map(cell).transpose()
}

fn parse_cell(plan: &Plan, row: Option<&RowRef>, column: usize, value: &Value) -> Result<Cell> {
    let value = parse(plan, row, column, value)?;
    let bytes = compute::encode(&plan.codec, column, &value)?;
    Ok(Cell::Value(value, bytes))
}

fn parse(plan: &Plan, row: Option<&RowRef>, column: usize, value: &Value) -> Result<ArrayRef> {
    let field = plan.schema.field(column);
    if value.is_null() && !field.is_nullable() {
        return Err(misfit(plan, row, format!("{} is never NULL", field.name())));
    }
    let wrong = |why: String| misfit(plan, row, format!("{}: {why}", field.name()));
    json_read::parse(value, field.data_type()).map_err(wrong)
}

/// A row that somebody wrote: its key is that of `like`, and so are the columns that are only carried along.
fn parse_row(plan: &Plan, like: &RowRef, value: &Value) -> Result<RowRef> {
    let misfit = |why: String| misfit(plan, Some(like), why);
    let object = value.as_object().ok_or_else(|| misfit("a row is an object of its columns".into()))?;
    if let Some(unknown) = object.keys().find(|name| plan.schema.index_of(name).is_err()) {
        return Err(misfit(format!("there is no column {unknown}")));
    }
    let given: BTreeMap<usize, &Value> =
        object.iter().filter_map(|(name, value)| Some((plan.schema.index_of(name).ok()?, value))).collect();
    let mut columns = Vec::with_capacity(plan.schema.fields().len());
    for column in 0..plan.schema.fields().len() {
        columns.push(match given.get(&column) {
            Some(value) => parse(plan, Some(like), column, value)?,
            None if plan.values.contains(&column) => {
                return Err(misfit(format!("column {} is missing", plan.column_name(column))));
            }
            None => compute::cell(like, column)?,
        });
    }
    let batch = RecordBatch::try_new(plan.schema.clone(), columns).during("making a chosen row")?;
    let row = RowRef { batch: Arc::new(plan.codec.encode(batch)?), row: 0 };
    match row.compare(like, &plan.key).is_eq() {
        true => Ok(row),
        false => Err(misfit("a chosen row keeps its key".into())),
    }
}
