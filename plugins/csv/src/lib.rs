//! Merges CSV and TSV: rows by key and cell by cell, or row by row where no key is named.

mod keyed;
mod read;
mod table;
#[cfg(test)]
mod tests;

use anabranch_plugin::records::plain::{self, Ends, Line};
use anabranch_plugin::{
    About, Changes, Conflicts, DiffReport, Failure, Json, Merged, ObjectPlugin, RowTotals, Sides,
};

const OPTIONS: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "key": {"type": "array", "items": {"type": "string"}, "minItems": 1,
            "description": "the columns that say which row is which; without it rows are told apart by their text"},
    "header": {"type": "boolean", "default": true,
               "description": "whether the first row names the columns; otherwise they are called 1, 2, 3"},
    "delimiter": {"enum": [",", ";", "\t", "|"],
                  "description": "what stands between cells; found out from the first row where it is not said"},
    "max-bytes": {"type": "integer", "minimum": 1, "maximum": 33554432,
                  "description": "the largest object that is merged"}
  }
}"#;

struct Csv;

anabranch_plugin::export_object_plugin!(Csv);

impl ObjectPlugin for Csv {
    fn about() -> About {
        About {
            patterns: &["*.csv", "*.tsv"],
            media_types: &["text/csv", "text/tab-separated-values"],
            options_schema: Some(OPTIONS),
            ..About::new("csv", env!("CARGO_PKG_VERSION"), "Merges CSV and TSV row by row.")
        }
    }

    fn merge(sides: &Sides, options: &Json, conflicts: &mut dyn Conflicts) -> Result<Merged, Failure> {
        let texts = match sides.texts() {
            Ok(texts) => texts,
            Err(why) => return Ok(Merged::Whole(why)),
        };
        let settings = Settings::of(options, &texts);
        let mark = if texts[1].starts_with(read::MARK) { read::MARK } else { "" };
        let merged = match &settings.key {
            Some(key) => keyed::merge(texts, &sides.labels, key, &settings, conflicts)?,
            None => rows(texts, &sides.labels, &settings, conflicts)?,
        };
        Ok(match merged {
            Ok(Rows { text, rows, notes }) => {
                Merged::Object { bytes: format!("{mark}{text}").into(), rows: Some(rows), notes }
            }
            Err(why) => Merged::Whole(why),
        })
    }

    fn diff(
        before: &[u8],
        after: &[u8],
        options: &Json,
        changes: &mut Changes<'_>,
    ) -> Result<DiffReport, Failure> {
        let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else {
            return Ok(DiffReport { notes: vec!["it is not UTF-8".into()], ..DiffReport::default() });
        };
        if let Err(why) = plain::check(before).and_then(|()| plain::check(after)) {
            return Ok(DiffReport { notes: vec![why], ..DiffReport::default() });
        }
        let settings = Settings::of(options, &[before, after]);
        let mut notes = Vec::new();
        let keyed = settings.key.as_ref().map(|key| keyed::diff(before, after, key, &settings, changes));
        let rows = match keyed {
            Some(Ok(rows)) => rows?,
            without => {
                notes.extend(without.and_then(Result::err).map(|why| format!("compared by rows: {why}")));
                let lines =
                    |text| read::rows(text, settings.delimiter).unwrap_or_else(|_| plain::split(text));
                plain::diff(&lines(before), &lines(after), settings.first_row(), changes)?
            }
        };
        let RowTotals { added, removed, modified, .. } = rows;
        notes.push(format!("{added} rows added, {removed} removed, {modified} modified"));
        Ok(DiffReport { totals: None, rows: Some(rows), notes })
    }
}

/// How an object is read.
struct Settings {
    key: Option<Vec<String>>,
    header: bool,
    delimiter: char,
}

impl Settings {
    /// The options, with the delimiter of the texts where they do not say one.
    fn of(options: &Json, texts: &[&str]) -> Self {
        let names = options.get("key").and_then(Json::elements);
        let said = options.get("delimiter").and_then(Json::as_str).and_then(|text| text.chars().next());
        Self {
            key: names.map(|names| names.iter().filter_map(Json::as_str).map(Into::into).collect()),
            header: options.get("header").and_then(Json::as_bool).unwrap_or(true),
            delimiter: said.unwrap_or_else(|| read::delimiter(texts)),
        }
    }

    /// The number of the first row, where the first row of data has the number 1.
    fn first_row(&self) -> usize {
        usize::from(!self.header)
    }
}

/// Merged rows as they are written, without a byte order mark.
struct Rows {
    text: String,
    rows: RowTotals,
    notes: Vec<String>,
}

/// Merges rows by their text. The inner error says why they cannot be.
fn rows(
    texts: [&str; 3],
    labels: &[String; 3],
    settings: &Settings,
    conflicts: &mut dyn Conflicts,
) -> Result<Result<Rows, String>, Failure> {
    let mut sides: [Vec<Line<'_>>; 3] = Default::default();
    for ((rows, text), label) in sides.iter_mut().zip(texts).zip(labels) {
        match read::rows(text, settings.delimiter) {
            Ok(read) => *rows = read,
            Err(why) => return Ok(Err(format!("on {label} {why}"))),
        }
    }
    let [base, ours, theirs] = &sides;
    if shape(ours, settings) != shape(theirs, settings) {
        let why = "the columns differ, and rows can be matched only by the option key";
        return Ok(Err(why.into()));
    }
    let (lines, rows) = plain::merge(base, ours, theirs, settings.first_row(), conflicts)?;
    let text = Ends::of(ours).write(lines.iter().map(|line| (line.text, line.end)));
    Ok(Ok(Rows { text, rows, notes: Vec::new() }))
}

/// What rows have to have in common so that they can stand in one object: names of columns, or how many there are.
fn shape(rows: &[Line<'_>], settings: &Settings) -> Option<Vec<String>> {
    let first = rows.first()?;
    let cells = read::cells(first.text, settings.delimiter).into_iter();
    Some(
        cells
            .map(|cell| if settings.header { read::value(cell).into_owned() } else { String::new() })
            .collect(),
    )
}
