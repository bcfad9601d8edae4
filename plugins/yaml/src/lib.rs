//! Merges YAML by path, and keeps comments and layout.

mod diff;
mod merge;
mod names;
mod read;
#[cfg(test)]
mod tests;
mod write;

use anabranch_plugin::json::{Arrays, Pointer};
use anabranch_plugin::{
    About, Changes, Conflicts, DiffReport, Failure, Json, Merged, ObjectPlugin, Side, Sides, lines, records,
};

use merge::{Merge, Stands};
use read::{Node, Stream};

/// The largest object that is merged, in bytes.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

const OPTIONS: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "arrays": {"enum": ["items", "whole", "position", "key"], "default": "items",
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
    if let Some(text) = by_lines(texts)?
        && is_meant(&text)
        && write::keeps_comments(base, our_text, their_text, &text)
    {
        return Ok(Merged::bytes(text));
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
    line_conflicts(texts, conflicts)
}

/// The text in which the lines are merged; `None` where both sides changed some. Changes of neighbouring lines go together,
/// since what comes out is compared with what is meant.
fn by_lines(texts: [&str; 3]) -> Result<Option<String>, Failure> {
    let [base, ours, theirs] = texts.map(lines::split);
    let mut clean = true;
    let merged = records::merge_unkeyed(&base, &ours, &theirs, &mut |clash| {
        clean = false;
        Ok(clash.ours.to_vec())
    })?;
    Ok(clean.then(|| merged.concat()))
}

/// Asks about the lines that both sides changed, where the merged values cannot be written.
fn line_conflicts(texts: [&str; 3], conflicts: &mut dyn Conflicts) -> Result<Merged, Failure> {
    let [base, ours, theirs] = texts;
    let (mut asked, mut open) = (false, false);
    let text = lines::merge(base, ours, theirs, &mut |clash| {
        asked = true;
        let mut conflict = clash.conflict("layout");
        conflict
            .message
            .push_str(", and the merged values cannot be written without losing comments or layout");
        let Some(decision) = conflicts.report(conflict)? else {
            open = true;
            return Ok(clash.ours.clone());
        };
        match decision.side() {
            Some(Side::Ours) => Ok(clash.ours.clone()),
            Some(Side::Theirs) => Ok(clash.theirs.clone()),
            Some(Side::Base) => Ok(clash.base.clone()),
            None => Err(decision.unknown()),
        }
    })?;
    Ok(match read::read(&text) {
        _ if !asked => Merged::Whole("its values merge, but its lines would say something else".into()),
        Err(why) if !open => Merged::Whole(format!("the lines that were chosen are not YAML: {why}")),
        _ => Merged::bytes(text),
    })
}
