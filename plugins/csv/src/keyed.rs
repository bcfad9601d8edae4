//! Rows by key.

use std::borrow::Cow;
use std::collections::HashMap;

use anabranch_plugin::json::quote;
use anabranch_plugin::records;
use anabranch_plugin::{Changes, Conflict, Conflicts, Decision, Failure, RowTotals, Side, Value, sequence};

use crate::table::{Cell, Cells, Key, Records, Table, same};
use crate::{Rows, Settings, read};

/// Merges three tables. The inner error says why they cannot be.
pub(crate) fn merge(
    texts: [&str; 3],
    labels: &[String; 3],
    key: &[String],
    settings: &Settings,
    conflicts: &mut dyn Conflicts,
) -> Result<Result<Rows, String>, Failure> {
    let mut tables: [Table<'_>; 3] = Default::default();
    for (index, ((table, text), label)) in tables.iter_mut().zip(texts).zip(labels).enumerate() {
        if index == 0 && text.is_empty() {
            // Both sides added the object.
            continue;
        }
        match Table::read(text, key, settings) {
            Ok(read) => *table = read,
            Err(why) => return Ok(Err(format!("on {label} {why}"))),
        }
    }
    let columns = columns(&tables, conflicts)?;
    let [was, mut our_rows, mut their_rows] =
        tables.each_mut().map(|table| table.take_records(&columns.names));
    for (rows, kept) in
        [(&mut our_rows, &columns.kept_from_ours), (&mut their_rows, &columns.kept_from_theirs)]
    {
        refill(rows, &was, &columns.names, kept);
    }
    let merged = records::merge(&was, &our_rows, &their_rows, &mut |_, sides| {
        let row = sides.into_iter().flatten().next();
        let shown = row.map(|row| row.shown(&columns.names, Some(key))).unwrap_or_default();
        RowMerge { key: &shown, columns: &columns.names, settings, conflicts }.row(sides)
    })?;
    let mut notes = Vec::new();
    if merged.order_clash {
        notes.push("both sides moved rows, differently: they are in the order of ours".into());
    }
    if columns.order_clash {
        notes.push("both sides moved columns, differently: they are in the order of ours".into());
    }
    let [_, ours, theirs] = &tables;
    let text = write(ours, theirs, &columns.names, &our_rows, &merged.records, settings);
    Ok(Ok(Rows { text, rows: merged.rows, notes }))
}

/// The columns of the result.
struct Columns {
    names: Vec<String>,
    order_clash: bool,
    /// Columns that ours dropped and that stand all the same.
    kept_from_ours: Vec<String>,
    /// Columns that theirs dropped and that stand all the same.
    kept_from_theirs: Vec<String>,
}

fn columns(tables: &[Table<'_>; 3], conflicts: &mut dyn Conflicts) -> Result<Columns, Failure> {
    let [base, ours, theirs] = tables;
    let order = sequence::order(&base.names(), &ours.names(), &theirs.names());
    let mut columns = Columns {
        names: Vec::new(),
        order_clash: order.clash,
        kept_from_ours: Vec::new(),
        kept_from_theirs: Vec::new(),
    };
    for name in order.items {
        if base.has(&name) && !(ours.has(&name) && theirs.has(&name)) {
            let dropped_by_ours = !ours.has(&name);
            let writer = if dropped_by_ours { theirs } else { ours };
            if !wrote(base, writer, &name) || !kept(&name, dropped_by_ours, conflicts)? {
                continue;
            }
            let list =
                if dropped_by_ours { &mut columns.kept_from_ours } else { &mut columns.kept_from_theirs };
            list.push(name.clone());
        }
        columns.names.push(name);
    }
    Ok(columns)
}

/// Whether a side changed cells of a column, or has new rows with a value in it.
fn wrote(base: &Table<'_>, side: &Table<'_>, name: &str) -> bool {
    let before = base.column(name);
    side.column(name).into_iter().any(|(key, cell)| match before.get(key) {
        Some(before) => read::value(before) != read::value(cell),
        None => !read::value(cell).is_empty(),
    })
}

/// Whether a column that one side dropped and the other wrote into stands. While that is open, it does not.
fn kept(name: &str, dropped_by_ours: bool, conflicts: &mut dyn Conflicts) -> Result<bool, Failure> {
    let (dropped, wrote) = if dropped_by_ours { ("ours", "theirs") } else { ("theirs", "ours") };
    let message = format!("the column {name:?} was dropped on {dropped}, and {wrote} wrote into it");
    let state = |side: &str| Some(Value::Text(if side == dropped { "dropped" } else { "written" }.into()));
    let conflict = Conflict::new("drop-vs-write", "", message, "drop-vs-write")
        .with_column(name)
        .with_values([None, state("ours"), state("theirs")])
        .with_choices(&[("ours", "do as the destination did"), ("theirs", "do as the source did")]);
    match conflicts.report(conflict)?.map(|decision| (decision.side(), decision)) {
        None => Ok(false),
        Some((Some(Side::Ours), _)) => Ok(!dropped_by_ours),
        Some((Some(Side::Theirs), _)) => Ok(dropped_by_ours),
        Some((_, decision)) => Err(decision.unknown()),
    }
}

/// Gives a side the cells of the base in columns that it dropped and that stand all the same.
fn refill<'t>(rows: &mut Records<'t>, base: &Records<'t>, columns: &[String], kept: &[String]) {
    if kept.is_empty() {
        return;
    }
    let base: HashMap<&Key<'t>, &Cells<'t>> =
        base.iter().map(|record| (&record.key, &record.value)).collect();
    for row in rows {
        let Some(before) = base.get(&row.key) else { continue };
        let mut cells = row.value.cells();
        for ((name, cell), before) in columns.iter().zip(&mut cells).zip(before.cells()) {
            if kept.contains(name) {
                *cell = before;
            }
        }
        row.value = Cells::Merged { cells, end: row.value.end() };
    }
}

/// The merge of one row that both sides changed.
struct RowMerge<'a> {
    key: &'a str,
    columns: &'a [String],
    settings: &'a Settings,
    conflicts: &'a mut dyn Conflicts,
}

impl RowMerge<'_> {
    fn row<'t>(&mut self, sides: [Option<&Cells<'t>>; 3]) -> Result<Option<Cells<'t>>, Failure> {
        match sides {
            [Some(base), Some(ours), Some(theirs)] => {
                let (bases, theirs) = (base.cells(), theirs.cells());
                let mut cells = Vec::with_capacity(theirs.len());
                for (((name, ours), base), theirs) in
                    self.columns.iter().zip(ours.cells()).zip(bases).zip(theirs)
                {
                    cells.push(self.cell(name, [base, ours, theirs])?);
                }
                Ok(Some(Cells::Merged { cells, end: ours.end() }))
            }
            _ => self.whole(sides),
        }
    }

    fn cell<'t>(&mut self, column: &str, [base, ours, theirs]: [Cell<'t>; 3]) -> Result<Cell<'t>, Failure> {
        if same(&ours, &theirs) || same(&base, &theirs) {
            return Ok(ours);
        }
        if same(&base, &ours) {
            return Ok(theirs);
        }
        let shown = |cell: &Cell<'t>| cell.as_ref().map(|cell| Value::Text(read::value(cell).into_owned()));
        let message = format!("in the row {} both sides changed {column:?}", self.key);
        let conflict = Conflict::new("row-conflict", self.key, message, "both-changed")
            .with_column(column)
            .with_values([shown(&base), shown(&ours), shown(&theirs)])
            .with_choices(&[
                ("ours", "keep the destination's"),
                ("theirs", "take the source's"),
                ("base", "go back to the merge base"),
                ("value", "put a given value in its place"),
            ]);
        let Some(decision) = self.conflicts.report_row(conflict)? else { return Ok(ours) };
        match decision.side() {
            Some(Side::Ours) => Ok(ours),
            Some(Side::Theirs) => Ok(theirs),
            Some(Side::Base) => Ok(base),
            None => Ok(Some(Cow::Owned(read::quoted(&given(&decision)?, self.settings.delimiter)))),
        }
    }

    /// A row that one side removed, or that both added.
    fn whole<'t>(&mut self, sides: [Option<&Cells<'t>>; 3]) -> Result<Option<Cells<'t>>, Failure> {
        let [base, ours, theirs] = sides;
        let key = self.key;
        let (kind, rule, message) = match (base, ours) {
            (None, _) => {
                ("duplicate-key", "added-on-both", format!("both sides added the row {key}, differently"))
            }
            (_, None) => (
                "row-conflict",
                "removed-and-changed",
                format!("the row {key} was removed on ours and changed on theirs"),
            ),
            _ => (
                "row-conflict",
                "removed-and-changed",
                format!("the row {key} was changed on ours and removed on theirs"),
            ),
        };
        let value = |row: Option<&Cells<'t>>| row.map(|row| Value::Json(row.shown(self.columns, None)));
        let mut choices = vec![("ours", "keep the destination's"), ("theirs", "take the source's")];
        if base.is_some() {
            choices.push(("base", "go back to the merge base"));
        }
        let conflict =
            Conflict::new(kind, key, message, rule).with_values(sides.map(value)).with_choices(&choices);
        let Some(decision) = self.conflicts.report_row(conflict)? else { return Ok(ours.cloned()) };
        match decision.side() {
            Some(Side::Ours) => Ok(ours.cloned()),
            Some(Side::Theirs) => Ok(theirs.cloned()),
            Some(Side::Base) => Ok(base.cloned()),
            None => Err(decision.unknown()),
        }
    }
}

/// The value that a decision puts into a cell.
fn given(decision: &Decision) -> Result<String, Failure> {
    use anabranch_plugin::Json;
    let text = match (decision.choice.as_str(), &decision.value) {
        ("value", Some(Value::Text(text))) => return Ok(text.clone()),
        ("value", Some(Value::Json(text))) => text,
        _ => return Err(decision.unknown()),
    };
    match Json::parse(text.as_bytes()) {
        Ok(json) => Ok(json.as_str().map_or_else(|| text.clone(), Into::into)),
        Err(error) => Err(Failure::new("bad-options", format!("the value of a cell is not JSON: {error}"))),
    }
}

/// The table as text. A cell that says what it says on ours is written as there.
fn write(
    ours: &Table<'_>,
    theirs: &Table<'_>,
    columns: &[String],
    our_rows: &Records<'_>,
    merged: &Records<'_>,
    settings: &Settings,
) -> String {
    let own: HashMap<&Key<'_>, &Cells<'_>> =
        our_rows.iter().map(|record| (&record.key, &record.value)).collect();
    let header = settings.header.then(|| {
        let written = |table: &Table<'_>, name: &str| {
            table.columns.iter().find(|(column, _)| column == name).map(|(_, written)| (*written).to_owned())
        };
        let name = |name: &String| {
            let written = written(ours, name).or_else(|| written(theirs, name));
            written.unwrap_or_else(|| read::quoted(name, settings.delimiter))
        };
        let names: Vec<String> = columns.iter().map(name).collect();
        (Cow::Owned(names.join(&settings.delimiter.to_string())), ours.header_end)
    });
    let rows = merged.iter().map(|record| {
        let own = own.get(&record.key).copied();
        (record.value.written(own, settings.delimiter), own.map_or("", |own| own.end()))
    });
    let tail = ours.tail.iter().map(|line| (Cow::Borrowed(line.text), line.end));
    let Some(ends) = ours.ends else { return String::new() };
    ends.write(header.into_iter().chain(rows).chain(tail))
}

/// Compares the rows of two states by key. The outer error says why there are no keys.
pub(crate) fn diff(
    before: &str,
    after: &str,
    key: &[String],
    settings: &Settings,
    changes: &mut Changes<'_>,
) -> Result<Result<RowTotals, Failure>, String> {
    let table = |text, when| match text {
        "" => Ok(Table::default()),
        text => Table::read(text, key, settings).map_err(|why| format!("{when}, {why}")),
    };
    let (was, is) = (table(before, "before")?, table(after, "after")?);
    Ok(emit(was, is, key, changes))
}

fn emit(
    mut was: Table<'_>,
    mut is: Table<'_>,
    key: &[String],
    changes: &mut Changes<'_>,
) -> Result<RowTotals, Failure> {
    let names = sequence::order(&was.names(), &is.names(), &was.names()).items;
    for name in &names {
        let value = |table: &Table<'_>| table.has(name).then(|| Value::Json(quote(name)));
        if was.has(name) != is.has(name) {
            changes.emit("column", name.as_str(), value(&was), value(&is))?;
        }
    }
    let mut rows = RowTotals { added: 0, removed: 0, modified: 0, cells: 0 };
    let (before, after) = (was.take_records(&names), is.take_records(&names));
    let value = |row: Option<&Cells<'_>>| row.map(|row| Value::Json(row.shown(&names, None)));
    for (_, was, is) in records::pairs(&before, &after) {
        if was != is {
            records::count(&mut rows, was, is);
            let shown = is.or(was).map(|row| row.shown(&names, Some(key))).unwrap_or_default();
            changes.emit("row", shown, value(was), value(is))?;
        }
    }
    Ok(rows)
}
