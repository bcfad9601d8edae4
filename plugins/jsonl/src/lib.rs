//! Merges JSON Lines: records by key and member by member, or line by line where no key is named.

mod keyed;
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
            "description": "the members that say which record is which; without it records are merged as lines"},
    "max-bytes": {"type": "integer", "minimum": 1, "maximum": 33554432,
                  "description": "the largest object that is merged"}
  }
}"#;

struct JsonLines;

anabranch_plugin::export_object_plugin!(JsonLines);

impl ObjectPlugin for JsonLines {
    fn about() -> About {
        About {
            patterns: &["*.jsonl", "*.ndjson"],
            media_types: &["application/jsonl", "application/x-ndjson"],
            options_schema: Some(OPTIONS),
            ..About::new("jsonl", env!("CARGO_PKG_VERSION"), "Merges JSON Lines record by record.")
        }
    }

    fn merge(sides: &Sides, options: &Json, conflicts: &mut dyn Conflicts) -> Result<Merged, Failure> {
        let texts = match sides.texts() {
            Ok(texts) => texts,
            Err(why) => return Ok(Merged::Whole(why)),
        };
        match key(options) {
            Some(key) => keyed::merge(texts, &sides.labels, &key, conflicts),
            None => {
                let mut rows: [Vec<Line<'_>>; 3] = Default::default();
                for ((lines, text), label) in rows.iter_mut().zip(texts).zip(&sides.labels) {
                    match plain::rows(text) {
                        Ok(read) => *lines = read,
                        Err(why) => return Ok(Merged::Whole(format!("on {label} {why}"))),
                    }
                }
                let [base, ours, theirs] = rows;
                let (lines, rows) = plain::merge(&base, &ours, &theirs, 1, conflicts)?;
                let text = Ends::of(&ours).write(lines.iter().map(|line| (line.text, line.end)));
                Ok(Merged::Object { bytes: text.into(), rows: Some(rows), notes: Vec::new() })
            }
        }
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
        let mut notes = Vec::new();
        let rows = match key(options).map(|key| keyed::diff(before, after, &key, changes)) {
            Some(Ok(rows)) => rows?,
            without => {
                notes.extend(without.and_then(Result::err).map(|why| format!("compared by lines: {why}")));
                plain::diff(&plain::split(before), &plain::split(after), 1, changes)?
            }
        };
        let RowTotals { added, removed, modified, .. } = rows;
        notes.push(format!("{added} records added, {removed} removed, {modified} modified"));
        Ok(DiffReport { totals: None, rows: Some(rows), notes })
    }
}

/// The members that say which record is which.
fn key(options: &Json) -> Option<Vec<String>> {
    let names = options.get("key")?.elements()?;
    Some(names.iter().filter_map(Json::as_str).map(Into::into).collect())
}
