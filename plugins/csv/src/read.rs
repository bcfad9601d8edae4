//! Rows and cells as they are written (RFC 4180, and what spreadsheets make of it).

use std::borrow::Cow;

use anabranch_plugin::records::plain::{self, Line};

/// The byte order mark that spreadsheets write.
pub(crate) const MARK: &str = "\u{feff}";

/// What may stand between cells.
const DELIMITERS: [char; 4] = [',', '\t', ';', '|'];

/// The delimiter that the first rows have most of, together; a comma where they have none.
pub(crate) fn delimiter(texts: &[&str]) -> char {
    let mut counts = [0_usize; DELIMITERS.len()];
    for text in texts {
        count(text, &mut counts);
    }
    // The first of those with the most, so that an answer does not hang on chance.
    let best = DELIMITERS.iter().zip(counts).rev().max_by_key(|(_, count)| *count);
    best.filter(|(_, count)| *count > 0).map_or(',', |(delimiter, _)| *delimiter)
}

/// Counts the delimiters in the first row of a text.
fn count(text: &str, counts: &mut [usize; DELIMITERS.len()]) {
    let mut quoted = false;
    for char in text.chars() {
        match char {
            '"' => quoted = !quoted,
            '\n' if !quoted => return,
            _ if quoted => {}
            _ => {
                let place = DELIMITERS.iter().zip(&mut *counts).find(|(delimiter, _)| **delimiter == char);
                if let Some((_, count)) = place {
                    *count += 1;
                }
            }
        }
    }
}

/// The rows of a text, without its byte order mark. A quoted cell may hold line ends.
pub(crate) fn rows(text: &str, delimiter: char) -> Result<Vec<Line<'_>>, String> {
    plain::check(text)?;
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let mut rows = Vec::new();
    let mut state = State::CellStart;
    let mut begin = 0;
    for (at, char) in text.char_indices() {
        state = match (state, char) {
            (State::CellStart, '"') => State::Quoted,
            (State::Quoted, '"') => State::QuoteInQuoted,
            (State::Quoted, _) => State::Quoted,
            (State::QuoteInQuoted, '"') => State::Quoted,
            (_, '\n') => {
                rows.push(line(text, begin, at + 1));
                begin = at + 1;
                State::CellStart
            }
            (_, char) if char == delimiter => State::CellStart,
            // It may be part of a line end; `line` sees to it.
            (State::QuoteInQuoted, '\r') => State::QuoteInQuoted,
            (State::QuoteInQuoted, _) => {
                return Err(format!("row {} has text behind a quoted cell", rows.len() + 1));
            }
            _ => State::Plain,
        };
    }
    if state == State::Quoted {
        return Err(format!("row {} has a quoted cell without an end", rows.len() + 1));
    }
    if begin < text.len() {
        rows.push(line(text, begin, text.len()));
    }
    Ok(rows)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Plain,
    Quoted,
    /// Behind a quote in a quoted cell: its end, or the first of two that stand for one.
    QuoteInQuoted,
}

fn line(text: &str, begin: usize, end: usize) -> Line<'_> {
    let whole = text.get(begin..end).unwrap_or_default();
    let row = whole.strip_suffix('\n').map_or(whole, |row| row.strip_suffix('\r').unwrap_or(row));
    Line { text: row, end: whole.get(row.len()..).unwrap_or_default() }
}

/// The cells of a row as they are written: joined by the delimiter they are the row.
pub(crate) fn cells(row: &str, delimiter: char) -> Vec<&str> {
    let mut cells = Vec::new();
    let mut begin = 0;
    let mut quoted = false;
    for (at, char) in row.char_indices() {
        if char == '"' && (quoted || at == begin) {
            quoted = !quoted;
        } else if char == '"' && at > begin && row.get(begin..).is_some_and(|cell| cell.starts_with('"')) {
            // The second of two quotes that stand for one.
            quoted = true;
        } else if char == delimiter && !quoted {
            cells.push(row.get(begin..at).unwrap_or_default());
            begin = at + char.len_utf8();
        }
    }
    cells.push(row.get(begin..).unwrap_or_default());
    cells
}

/// What a cell says.
pub(crate) fn value(cell: &str) -> Cow<'_, str> {
    match cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')) {
        Some(inner) if inner.contains('"') => Cow::Owned(inner.replace("\"\"", "\"")),
        Some(inner) => Cow::Borrowed(inner),
        None => Cow::Borrowed(cell),
    }
}

/// A value as a cell: quoted where it has to be.
pub(crate) fn quoted(value: &str, delimiter: char) -> String {
    if value.contains([delimiter, '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<Vec<String>> {
        let rows = rows(text, ',').expect(text);
        rows.iter()
            .map(|row| cells(row.text, ',').into_iter().map(|cell| value(cell).into_owned()).collect())
            .collect()
    }

    #[test]
    fn quoted_cells_hold_anything() {
        assert_eq!(told("a,\"b,\"\"c\"\"\r\nd\",\r\n\"\",x"), [vec!["a", "b,\"c\"\r\nd", ""], vec!["", "x"]]);
        assert_eq!(told("\u{feff}a\n\nb"), [["a"], [""], ["b"]]);
        assert_eq!(told("a \"b\" c"), [["a \"b\" c"]]);
        assert_eq!(told("\"\"\"a\"\"\",b"), [["\"a\"", "b"]]);
    }

    #[test]
    fn broken_quotes_are_refused() {
        assert_eq!(rows("a\n\"b", ',').expect_err("no end"), "row 2 has a quoted cell without an end");
        assert_eq!(rows("\"a\"b", ',').expect_err("text"), "row 1 has text behind a quoted cell");
    }

    #[test]
    fn the_delimiter_is_that_of_the_first_row() {
        for (text, expected) in
            [("a;b,c;d\n,,,,", ';'), ("a\tb", '\t'), ("a", ','), ("\"a;b;c\",d", ','), ("a,b;c", ',')]
        {
            assert_eq!(delimiter(&[text]), expected, "{text}");
        }
    }

    #[test]
    fn cells_joined_are_the_row() {
        for row in ["", ",", "\"\"", "\"a,b\",c", "a\"b,c", "\"\"\"\",\"\""] {
            assert_eq!(cells(row, ',').join(","), row);
        }
    }
}
