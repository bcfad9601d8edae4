//! Merges YAML by path, and keeps comments and layout.

mod diff;
mod merge;
mod read;
#[cfg(test)]
mod tests;
mod write;

use anabranch_plugin::json::{Arrays, Pointer};
use anabranch_plugin::{
    About, Changes, Conflicts, DiffReport, Failure, Json, Merged, ObjectPlugin, Sides, lines,
};

use merge::{Merge, Stands};
use read::{Node, Stream};

/// The largest object that is merged, in bytes.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

const OPTIONS: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "arrays": {"enum": ["whole", "position", "key"], "default": "whole",
               "description": "how elements of two sequences are told to be the same; with key it is \"key\""},
    "key": {"type": "string", "default": "id",
            "description": "the entry by which mappings in a sequence are told apart"},
    "max-bytes": {"type": "integer", "minimum": 1, "maximum": 4194304,
                  "description": "the largest object that is merged"}
  }
}"#;

struct Yaml;

anabranch_plugin::export_object_plugin!(Yaml);

impl ObjectPlugin for Yaml {
    fn about() -> About {
        About {
            patterns: &["*.yaml", "*.yml"],
            media_types: &["application/yaml", "text/yaml"],
            options_schema: Some(OPTIONS),
            bytes_max: BYTES_MAX,
            ..About::new("yaml", env!("CARGO_PKG_VERSION"), "Merges YAML by path.")
        }
    }

    fn merge(sides: &Sides, options: &Json, conflicts: &mut dyn Conflicts) -> Result<Merged, Failure> {
        let arrays = Arrays::of(options)?;
        let texts = match sides.texts() {
            Ok(texts) => texts,
            Err(why) => return Ok(Merged::Whole(why)),
        };
        let mut streams = Vec::with_capacity(3);
        for (text, label) in texts.into_iter().zip(&sides.labels) {
            match read::read(text) {
                Ok(stream) => streams.push(stream),
                Err(why) => {
                    return Ok(Merged::Whole(format!("it is not YAML that can be merged on {label}: {why}")));
                }
            }
        }
        let Ok([base, ours, theirs]) = <[Stream<'_>; 3]>::try_from(streams) else {
            return Err(Failure::new("internal", "three sides"));
        };
        let count = ours.documents.len();
        let has_base = sides.base.is_some();
        if theirs.documents.len() != count || (has_base && base.documents.len() != count) {
            return Ok(Merged::Whole("the sides hold different numbers of documents".into()));
        }
        let mut merge = Merge { texts, arrays: &arrays, conflicts, at: Pointer::default(), open: false };
        let plan = merge.documents([&base, &ours, &theirs])?;
        if merge.open {
            return Ok(Merged::bytes(texts[1]));
        }
        written(texts, &ours, &theirs, &plan, conflicts)
    }

    fn diff(
        before: &[u8],
        after: &[u8],
        options: &Json,
        changes: &mut Changes<'_>,
    ) -> Result<DiffReport, Failure> {
        diff::diff(before, after, &Arrays::of(options)?, changes)
    }
}

/// The text in which the merged values stand: lines that merge to it, else ours with edits, else what people say about lines.
fn written(
    texts: [&str; 3],
    ours: &Stream<'_>,
    theirs: &Stream<'_>,
    plan: &[Stands<'_>],
    conflicts: &mut dyn Conflicts,
) -> Result<Merged, Failure> {
    let [base, our_text, their_text] = texts;
    let meant: Vec<Option<Node>> =
        plan.iter().zip(&ours.documents).map(|(stands, node)| merge::built(stands, Some(node))).collect();
    let is_meant = |text: &str| {
        read::read(text).is_ok_and(|stream| {
            stream.documents.len() == meant.len()
                && stream
                    .documents
                    .iter()
                    .zip(&meant)
                    .all(|(is, meant)| meant.as_ref().is_some_and(|meant| is.same(meant)))
        })
    };
    let mut clean = true;
    let by_lines = lines::merge(base, our_text, their_text, &mut |clash| {
        clean = false;
        Ok(clash.ours.clone())
    })?;
    if clean && is_meant(&by_lines) {
        return Ok(Merged::bytes(by_lines));
    }
    if let Some(text) = write::edited(our_text, their_text, &ours.documents, plan)
        && is_meant(&text)
        && write::keeps_comments(base, our_text, their_text, &text)
    {
        return Ok(Merged::bytes(text));
    }
    // Where all values are those of theirs, so is the layout.
    if theirs
        .documents
        .iter()
        .zip(&meant)
        .all(|(is, meant)| meant.as_ref().is_some_and(|meant| is.same(meant)))
        && write::keeps_comments(base, our_text, their_text, their_text)
    {
        return Ok(Merged::bytes(their_text));
    }
    if clean {
        return Ok(Merged::Whole("its values merge, but its lines would say something else".into()));
    }
    let text = lines::merge_reporting(texts, "layout", conflicts, &|mut conflict, _| {
        conflict.message = format!(
            "{}, and the merged values cannot be written without losing comments or layout",
            conflict.message
        );
        conflict
    })?;
    match read::read(&text) {
        Ok(_) => Ok(Merged::bytes(text)),
        Err(why) => Ok(Merged::Whole(format!("the lines that were chosen are not YAML: {why}"))),
    }
}
