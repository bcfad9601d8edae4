//! What a verb answers, and how it is printed.

use std::io::{self, Write};

use anabranch_api::utc;
use anyhow::Context;
use serde_json::Value;

/// Something differs, or a merge has conflicts.
pub(super) const DIFFERS: u8 = 1;

/// What a verb answers.
#[derive(Debug)]
pub(super) struct Answer {
    /// For people; each line ends with a line break.
    pub(super) text: String,
    /// The same for programs.
    pub(super) json: Value,
    /// 0: clean; 1: conflicts, or something differs.
    pub(super) exit_code: u8,
}

impl Answer {
    /// An answer with exit code 0.
    pub(super) fn clean(text: impl Into<String>, json: Value) -> Self {
        Answer { text: text.into(), json, exit_code: 0 }
    }
}

/// Prints an answer. A reader that went away (`| head`) is no error.
pub(super) fn print(answer: &Answer, as_json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = if as_json {
        if answer.json.is_null() { Ok(()) } else { writeln!(out, "{:#}", answer.json) }
    } else {
        out.write_all(answer.text.as_bytes())
    };
    unless_reader_left(written.and_then(|()| out.flush())).map(drop)
}

/// Whether writing to the standard output goes on: false when its reader went away.
pub(super) fn unless_reader_left(written: io::Result<()>) -> anyhow::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("the standard output cannot be written"),
    }
}

/// Rows under a heading, in columns as wide as their widest cell; the last column runs free.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(str::to_owned);
    let mut widths = heading.each_ref().map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', (width + 2).saturating_sub(cell.chars().count())));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Text from a server, without what would move a terminal's cursor or change its colours.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A text field of a JSON object, fit for a terminal; empty if it has none.
pub(super) fn field(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map(shown).unwrap_or_default()
}

/// A field that holds seconds since the Unix epoch, as people read it; empty where it is unknown.
pub(super) fn moment(value: &Value, name: &str) -> String {
    match value.get(name).and_then(Value::as_i64) {
        None | Some(0) => String::new(),
        Some(seconds) => utc(seconds),
    }
}

/// `1 object`, `2 objects`.
pub(super) fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The beginning of a commit id, as long as people need it.
pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn columns_are_aligned_and_lines_end_clean() {
        let rows = [["a".to_owned(), "first".to_owned()], ["long-ü".to_owned(), String::new()]];
        expect![[r"
            NAME    WHAT
            a       first
            long-ü
        "]]
        .assert_eq(&table(["NAME", "WHAT"], &rows));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(shown("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
    }
}
