//! Merges JSON by path. What did not change keeps the formatting of ours.

use anabranch_plugin::json::{self, Arrays, Clash, Document, Names, Pointer, Rules};
use anabranch_plugin::{
    About, Changes, Conflicts, Decision, DiffReport, Failure, Json, Merged, ObjectPlugin, Sides,
};

#[cfg(test)]
mod tests;

const OPTIONS: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "arrays": {"enum": ["items", "whole", "position", "key"], "default": "items",
               "description": "how elements of two arrays are told to be the same; with key it is \"key\""},
    "key": {"type": "string", "default": "id",
            "description": "the member by which objects in an array are told apart"},
    "max-bytes": {"type": "integer", "minimum": 1, "maximum": 33554432,
                  "description": "the largest object that is merged"}
  }
}"#;

struct JsonMerge;

anabranch_plugin::export_object_plugin!(JsonMerge);

impl ObjectPlugin for JsonMerge {
    fn about() -> About {
        About {
            patterns: &["*.json"],
            media_types: &["application/json"],
            options_schema: Some(OPTIONS),
            ..About::new("json", env!("CARGO_PKG_VERSION"), "Merges JSON by path.")
        }
    }

    fn merge(sides: &Sides, options: &Json, conflicts: &mut dyn Conflicts) -> Result<Merged, Failure> {
        let arrays = Arrays::of(options)?;
        match sides.read("JSON", Document::read) {
            Err(why) => Ok(Merged::Whole(why)),
            Ok((base, ours, theirs)) => {
                let mut rules = ByPath { arrays, conflicts };
                Ok(Merged::bytes(json::merge(base.as_ref(), &ours, &theirs, &mut rules)?))
            }
        }
    }

    fn diff(
        before: &[u8],
        after: &[u8],
        options: &Json,
        changes: &mut Changes<'_>,
    ) -> Result<DiffReport, Failure> {
        let arrays = Arrays::of(options)?;
        let mut report = DiffReport::default();
        let (before, after) = match (state(before), state(after)) {
            (Ok(before), Ok(after)) => (before, after),
            (Err(error), _) => return noted(report, format!("it is not JSON before: {error}")),
            (_, Err(error)) => return noted(report, format!("it is not JSON after: {error}")),
        };
        let names = |_: &Pointer, sides: [&[Json]; 3]| arrays.names(sides);
        json::diff(before.as_ref(), after.as_ref(), &names, "property", changes)?;
        report.notes.push(format!("{} values differ", changes.totals().all()));
        Ok(report)
    }
}

fn noted(mut report: DiffReport, note: String) -> Result<DiffReport, Failure> {
    report.notes.push(note);
    Ok(report)
}

/// A state of the object; an empty one is none.
fn state(bytes: &[u8]) -> Result<Option<Json<'_>>, json::Error> {
    if bytes.is_empty() { Ok(None) } else { Json::parse(bytes).map(Some) }
}

struct ByPath<'a> {
    arrays: Arrays,
    conflicts: &'a mut dyn Conflicts,
}

impl Rules for ByPath<'_> {
    fn names(&self, _: &Pointer, sides: [&[Json]; 3]) -> Option<Names> {
        self.arrays.names(sides)
    }

    fn clash(&mut self, clash: &Clash<'_>) -> Result<Option<Decision>, Failure> {
        self.conflicts.report(clash.conflict("x-json-conflict", "both-changed"))
    }
}
