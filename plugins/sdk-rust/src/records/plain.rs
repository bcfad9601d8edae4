//! Rows that are told apart by their text alone, and the lines that rows are written in.

use std::hash::{Hash, Hasher};

use super::{Clash, merge_unkeyed};
use crate::{Changes, Conflict, Conflicts, Failure, RowTotals, Side, Value, sequence};

/// A row as it is written. Rows are equal when their texts are, whatever ends them.
#[derive(Clone, Copy, Debug)]
pub struct Line<'t> {
    /// The row without what ends it.
    pub text: &'t str,
    /// `\n`, `\r\n`, or nothing at the end of the object.
    pub end: &'t str,
}

impl PartialEq for Line<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Line<'_> {}

impl Hash for Line<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// How many lines a side may have: three sides of this size fit into the memory that a call has by default.
const LINES_MAX: usize = 1_200_000;

/// The lines of a text that is not too long for a merge by rows.
///
/// # Errors
///
/// It is, in words.
pub fn rows(text: &str) -> Result<Vec<Line<'_>>, String> {
    check(text).map(|()| split(text))
}

/// Says so where a text has too many lines for a merge.
///
/// # Errors
///
/// It has, in words.
pub fn check(text: &str) -> Result<(), String> {
    match text.bytes().filter(|byte| *byte == b'\n').count() {
        lines if lines > LINES_MAX => {
            Err(format!("it has {lines} lines, and at most {LINES_MAX} are compared and merged"))
        }
        _ => Ok(()),
    }
}

/// The lines of a text.
pub fn split(text: &str) -> Vec<Line<'_>> {
    let line = |line: &'_ str| {
        let text = line.strip_suffix('\n').map_or(line, |text| text.strip_suffix('\r').unwrap_or(text));
        (text.len(), line.len())
    };
    text.split_inclusive('\n')
        .map(|whole| {
            let (text, all) = line(whole);
            Line {
                text: whole.get(..text).unwrap_or_default(),
                end: whole.get(text..all).unwrap_or_default(),
            }
        })
        .collect()
}

/// How the lines of a text end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends<'t> {
    /// What ends a new line.
    pub line: &'t str,
    /// Whether the last line has an end.
    pub last: bool,
}

impl<'t> Ends<'t> {
    /// As the first line of these ends, and whether the last one does.
    pub fn of(lines: &[Line<'t>]) -> Self {
        let first = lines.first().map_or("", |line| line.end);
        Self {
            line: if first.is_empty() { "\n" } else { first },
            last: lines.last().is_none_or(|line| !line.end.is_empty()),
        }
    }

    /// Writes lines, each as a text and the end that it had (`""` for a new one).
    pub fn write<'l, T: AsRef<str>>(&self, lines: impl IntoIterator<Item = (T, &'l str)>) -> String
    where
        't: 'l,
    {
        let mut text = String::new();
        let mut last_end = "";
        for (line, end) in lines {
            text.push_str(line.as_ref());
            last_end = if end.is_empty() { self.line } else { end };
            text.push_str(last_end);
        }
        if !self.last {
            text.truncate(text.len() - last_end.len());
        }
        text
    }
}

/// Merges rows without keys; see [`merge_unkeyed`]. Rows that both sides changed are conflicts with the number of the first
/// one in the base, where the first of all has the number `first`. Answers the rows, and what the merge changed in ours.
///
/// # Errors
///
/// The host refused a conflict.
pub fn merge<'t>(
    base: &[Line<'t>],
    ours: &[Line<'t>],
    theirs: &[Line<'t>],
    first: usize,
    conflicts: &mut dyn Conflicts,
) -> Result<(Vec<Line<'t>>, RowTotals), Failure> {
    // A row that is not ours' ends as ours' rows do.
    let endless = |lines: &[Line<'t>]| lines.iter().map(|line| Line { end: "", ..*line }).collect::<Vec<_>>();
    let (base, theirs) = (&endless(base), &endless(theirs));
    let merged = merge_unkeyed(base, ours, theirs, &mut |clash| decide(clash, first, conflicts))?;
    let mut rows = RowTotals { added: 0, removed: 0, modified: 0, cells: 0 };
    for (gone, came) in sequence::changes(ours, &merged) {
        let modified = gone.len().min(came.len());
        rows.modified += modified as u64;
        rows.removed += (gone.len() - modified) as u64;
        rows.added += (came.len() - modified) as u64;
    }
    Ok((merged, rows))
}

fn decide<'t>(
    clash: &Clash<'_, Line<'t>>,
    first: usize,
    conflicts: &mut dyn Conflicts,
) -> Result<Vec<Line<'t>>, Failure> {
    let (row, count) = (clash.start + first, clash.base.len());
    let message = match count {
        1 => format!("both sides changed row {row} of the base"),
        count => format!("both sides changed rows {row} to {} of the base", row + count - 1),
    };
    let shown = |lines: &[Line<'_>]| {
        let texts: Vec<&str> = lines.iter().map(|line| line.text).collect();
        (!texts.is_empty()).then(|| Value::Text(texts.join("\n")))
    };
    let key = format!(r#"{{"row":{row},"rows":{count}}}"#);
    let conflict = Conflict::new("row-conflict", key, message, "rows")
        .with_values([shown(clash.base), shown(clash.ours), shown(clash.theirs)])
        .with_choices(&[
            ("ours", "keep the destination's rows"),
            ("theirs", "take the source's rows"),
            ("base", "keep the rows of the merge base"),
            ("both", "keep the rows of both"),
        ]);
    let Some(decision) = conflicts.report_row(conflict)? else { return Ok(clash.ours.to_vec()) };
    match (decision.side(), decision.choice.as_str()) {
        (Some(Side::Ours), _) => Ok(clash.ours.to_vec()),
        (Some(Side::Theirs), _) => Ok(clash.theirs.to_vec()),
        (Some(Side::Base), _) => Ok(clash.base.to_vec()),
        (None, "both") => Ok([clash.ours, clash.theirs].concat()),
        (None, _) => Err(decision.unknown()),
    }
}

/// Compares rows without keys: those in one place are shown as changed.
///
/// # Errors
///
/// The host refused a page of changes.
pub fn diff(
    before: &[Line<'_>],
    after: &[Line<'_>],
    first: usize,
    changes: &mut Changes<'_>,
) -> Result<RowTotals, Failure> {
    let mut rows = RowTotals { added: 0, removed: 0, modified: 0, cells: 0 };
    for (gone, came) in sequence::changes(before, after) {
        for index in 0..gone.len().max(came.len()) {
            let was = before.get(gone.start + index).filter(|_| index < gone.len());
            let is = after.get(came.start + index).filter(|_| index < came.len());
            match (was, is) {
                (None, _) => rows.added += 1,
                (_, None) => rows.removed += 1,
                _ => rows.modified += 1,
            }
            let row = first + if was.is_some() { gone.start + index } else { came.start + index };
            let value = |line: Option<&Line<'_>>| line.map(|line| Value::Text(line.text.to_owned()));
            changes.emit("row", format!(r#"{{"row":{row}}}"#), value(was), value(is))?;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Recorder;

    fn merged(base: &str, ours: &str, theirs: &str, mut recorder: Recorder) -> String {
        let sides = [base, ours, theirs].map(split);
        let ends = Ends::of(&sides[1]);
        let (rows, totals) = merge(&sides[0], &sides[1], &sides[2], 1, &mut recorder).expect("it merges");
        let text = ends.write(rows.iter().map(|line| (line.text, line.end)));
        format!(
            "{text:?} +{} -{} ~{} !{}",
            totals.added,
            totals.removed,
            totals.modified,
            recorder.open.len()
        )
    }

    #[test]
    fn rows_keep_their_ends_and_new_ones_end_as_ours_do() {
        let none = Recorder::default;
        assert_eq!(merged("a\r\nb", "a\r\nb\r\nc", "x\nb", none()), r#""x\r\nb\r\nc" +0 -0 ~1 !0"#);
        assert_eq!(merged("a\n", "a\nb\n", "a\nc", none()), r#""a\nb\nc\n" +1 -0 ~0 !0"#);
        assert_eq!(merged("a\nb\n", "b\n", "a\n", none()), r#""" +0 -1 ~0 !0"#);
    }

    #[test]
    fn rows_that_both_changed_are_a_conflict_with_its_number() {
        let decided = |choice| Recorder::default().decide(r#"{"row":2,"rows":1}"#, "", choice, None);
        let run = |recorder| merged("a\nb\nc\n", "a\nx\nc\n", "a\ny\nc\n", recorder);
        assert_eq!(run(Recorder::default()), r#""a\nx\nc\n" +0 -0 ~0 !1"#);
        assert_eq!(run(decided("theirs")), r#""a\ny\nc\n" +0 -0 ~1 !0"#);
        assert_eq!(run(decided("both")), r#""a\nx\ny\nc\n" +1 -0 ~0 !0"#);
        let preferring = Recorder { prefer: Some(Side::Theirs), ..Recorder::default() };
        assert_eq!(run(preferring), r#""a\ny\nc\n" +0 -0 ~1 !0"#);
    }
}
