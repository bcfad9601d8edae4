//! Merges UTF-8 texts line by line: the built-in merger `text` as a plugin.

use anabranch_plugin::{
    About, Changes, Conflicts, DiffReport, Failure, Json, Merged, ObjectPlugin, Sides, Totals, Value, lines,
    records::plain,
};

/// The largest text that is merged.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

const OPTIONS: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "max-bytes": {"type": "integer", "minimum": 1, "maximum": 67108864,
                  "description": "the largest text that is merged"}
  }
}"#;

struct Lines;

anabranch_plugin::export_object_plugin!(Lines);

impl ObjectPlugin for Lines {
    fn about() -> About {
        About {
            patterns: &["*.txt", "*.md", "*.csv"],
            media_types: &["text/plain"],
            options_schema: Some(OPTIONS),
            bytes_max: BYTES_MAX,
            ..About::new("lines", env!("CARGO_PKG_VERSION"), "Merges texts line by line.")
        }
    }

    fn merge(sides: &Sides, _: &Json, conflicts: &mut dyn Conflicts) -> Result<Merged, Failure> {
        let texts = match sides.texts() {
            Ok(texts) => texts,
            Err(why) => return Ok(Merged::Whole(why)),
        };
        for (text, label) in texts.iter().zip(&sides.labels) {
            if let Err(why) = plain::check(text) {
                return Ok(Merged::Whole(format!("on {label} {why}")));
            }
        }
        let merged = lines::merge_reporting(texts, "lines", conflicts, &|conflict, _| conflict)?;
        Ok(Merged::bytes(merged))
    }

    fn diff(before: &[u8], after: &[u8], _: &Json, changes: &mut Changes<'_>) -> Result<DiffReport, Failure> {
        let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else {
            return Ok(DiffReport { notes: vec!["it is not UTF-8".into()], ..DiffReport::default() });
        };
        if let Err(why) = plain::check(before).and_then(|()| plain::check(after)) {
            return Ok(DiffReport { notes: vec![why], ..DiffReport::default() });
        }
        let mut totals = Totals::default();
        for (gone, line, came) in lines::changes(before, after) {
            totals.removed += gone.len() as u64;
            totals.added += came.len() as u64;
            let value = |lines: &[&str]| (!lines.is_empty()).then(|| Value::Text(lines.concat()));
            changes.emit("x-lines", format!("line {line}"), value(&gone), value(&came))?;
        }
        let notes = vec![format!("{} lines added, {} removed", totals.added, totals.removed)];
        Ok(DiffReport { totals: Some(totals), rows: None, notes })
    }
}
