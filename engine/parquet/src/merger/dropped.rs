//! Columns that one side dropped while the other wrote into them: what was written would be lost without a word.

use anabranch_merge::{Conflict, ConflictValue};
use anabranch_rows::scan::diff_next;
use anabranch_rows::schema::{MergedSchema, reconcile};
use anabranch_rows::{DiffOptions, Identity, PerSide, RowChange, RowDiff, Side, json, key_columns, scan};
use arrow::array::Array;
use arrow::datatypes::Schema;

use super::rows::by_key;
use super::sides::{OpenFile, OpenFiles};
use super::stop::{Stop, of_dropped};
use crate::RowMeans;

/// The columns that were lost so, each with a row that shows it.
pub(super) async fn conflicts(
    root: &str,
    files: &OpenFiles,
    merged: &MergedSchema,
    identity: &Identity,
    means: &RowMeans,
) -> Result<Vec<Conflict>, Stop> {
    let mut found = Vec::new();
    for (column, dropped_on) in &merged.dropped {
        let kept_on = if *dropped_on == Side::Ours { Side::Theirs } else { Side::Ours };
        if merged.dropped.contains(&(column.clone(), kept_on)) {
            continue;
        }
        let (Some(base), Some(kept)) = (&files.base, files.get(kept_on)) else { continue };
        if let Some(key) = written_into([base, kept], top_level(column), identity, means).await? {
            found.push(of_dropped(root, column, *dropped_on == Side::Ours, &key));
        }
    }
    Ok(found)
}

/// The column of the file in which a path of names lies. A dot within a name is doubled.
fn top_level(path: &str) -> String {
    let mut name = String::new();
    let mut letters = path.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '.' && letters.next_if_eq(&'.').is_none() {
            break;
        }
        name.push(letter);
    }
    name
}

/// The key of a row in which a side changed a column, or that it added with a value there.
async fn written_into(
    [base, side]: [&OpenFile; 2],
    column: String,
    identity: &Identity,
    means: &RowMeans,
) -> Result<Option<ConflictValue>, Stop> {
    let Identity::Key(keys) = identity else { return Ok(None) };
    let part = |file: &OpenFile| {
        let is_wanted = |name: &String| *name == column || keys.contains(name);
        let fields = file.columns.plain.fields().iter().filter(|field| is_wanted(field.name())).cloned();
        Schema::new(fields.collect::<Vec<_>>())
    };
    let (before, after) = (part(base), part(side));
    let joined = reconcile(PerSide { base: &before, ours: &after, theirs: &after });
    let joined =
        joined.map_err(|_| Stop::Whole(format!("column {column} is of another type on each side")))?;
    let key = key_columns(&joined.rows, identity, &[])?;
    let place = joined.rows.index_of(&column).ok();
    let open = async |file: &OpenFile, from: Side| {
        let rows =
            scan::read(file.scan(joined.projections.get(from), None), joined.rows.clone(), &key).await?;
        by_key(rows, &joined.rows, &key, means).await
    };
    let (mut before, mut after) = (open(base, Side::Base).await?, open(side, Side::Ours).await?);
    let mut diff = RowDiff::new(joined.rows.clone(), &DiffOptions::new(identity.clone()))?;
    while let Some(changes) = diff_next(&mut diff, &mut before, &mut after).await? {
        for change in changes {
            let Some((view, place)) = change.after.as_ref().zip(place) else { continue };
            let has_value = view.batch().columns().get(place).is_some_and(|cells| cells.is_valid(view.row()));
            let is_written = match change.change {
                RowChange::Added => has_value,
                RowChange::Changed => change.columns.contains(&place),
                RowChange::Removed => false,
            };
            if is_written {
                return Ok(Some(json::row(&joined.rows, view.batch().columns(), view.row(), &key)?));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_in_a_column() {
        for (path, column) in [("a", "a"), ("a.b", "a"), ("a..b", "a.b"), ("a..b.c..d", "a.b"), ("", "")] {
            assert_eq!(top_level(path), column, "{path}");
        }
    }
}
