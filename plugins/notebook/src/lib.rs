//! Merges Jupyter notebooks: cells by their ids, sources line by line, the rest by path.

mod cells;
mod diff;
mod rules;
#[cfg(test)]
mod tests;

use anabranch_plugin::json::{self, Document};
use anabranch_plugin::{About, Changes, Conflicts, DiffReport, Failure, Json, Merged, ObjectPlugin, Sides};

const OPTIONS: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "max-bytes": {"type": "integer", "minimum": 1, "maximum": 33554432,
                  "description": "the largest object that is merged"}
  }
}"#;

struct Notebook;

anabranch_plugin::export_object_plugin!(Notebook);

impl ObjectPlugin for Notebook {
    fn about() -> About {
        About {
            patterns: &["*.ipynb"],
            media_types: &["application/x-ipynb+json"],
            options_schema: Some(OPTIONS),
            ..About::new("notebook", env!("CARGO_PKG_VERSION"), "Merges Jupyter notebooks cell by cell.")
        }
    }

    fn merge(sides: &Sides, _: &Json, conflicts: &mut dyn Conflicts) -> Result<Merged, Failure> {
        let (base, ours, theirs) = match sides.read("a notebook of format 4", read) {
            Ok(sides) => sides,
            Err(why) => return Ok(Merged::Whole(why)),
        };
        let all = [base.as_ref(), Some(&ours), Some(&theirs)];
        let names = cells::names(all.map(|side| side.map(cells_of).unwrap_or_default()));
        let mut rules = rules::NotebookRules::new(all, names, conflicts);
        let text = json::merge(base.as_ref(), &ours, &theirs, &mut rules)?;
        Ok(Merged::Object { bytes: text.into(), rows: None, notes: rules.notes() })
    }

    fn diff(before: &[u8], after: &[u8], _: &Json, changes: &mut Changes<'_>) -> Result<DiffReport, Failure> {
        match (state(before, "before"), state(after, "after")) {
            (Ok(before), Ok(after)) => diff::diff(before.as_ref(), after.as_ref(), changes),
            (Err(why), _) | (_, Err(why)) => Ok(DiffReport { notes: vec![why], ..DiffReport::default() }),
        }
    }
}

/// A state of a notebook; an empty one is none.
fn state<'b>(bytes: &'b [u8], when: &str) -> Result<Option<Document<'b>>, String> {
    match bytes {
        [] => Ok(None),
        bytes => {
            read(bytes).map(Some).map_err(|why| format!("it is not a notebook of format 4 {when}: {why}"))
        }
    }
}

/// Reads a notebook: an object whose `cells` are objects.
fn read(bytes: &[u8]) -> Result<Document<'_>, String> {
    let document = Document::read(bytes).map_err(|error| error.to_string())?;
    let root = document.root();
    if root.get("nbformat").and_then(Json::as_u64) != Some(4) {
        return Err("`nbformat` is not 4".into());
    }
    let Some(cells) = root.get("cells").and_then(Json::elements) else {
        return Err("`cells` is not an array".into());
    };
    if let Some(number) = cells.iter().position(|cell| cell.members().is_none()) {
        return Err(format!("cell {} is not an object", number + 1));
    }
    Ok(document)
}

fn cells_of<'d>(document: &'d Document<'_>) -> &'d [Json<'d>] {
    document.root().get("cells").and_then(Json::elements).unwrap_or_default()
}
