//! The merge of three texts. Pure.

use similar::{Algorithm, DiffTag, DiffableStr, MergeResolution, TextMerge};

/// A part of the merged text.
pub enum Region {
    /// It is decided.
    Text(String),
    /// Both sides changed the lines of the base from `line` on, differently.
    Conflict { line: usize, base: Vec<String>, ours: Vec<String>, theirs: Vec<String> },
}

/// The merged text in its parts.
pub fn regions(base: &str, ours: &str, theirs: &str) -> Vec<Region> {
    let (base_lines, our_lines, their_lines) = (lines(base), lines(ours), lines(theirs));
    let merge = TextMerge::from_lines(base, ours, theirs);
    let regions = merge.regions().iter().map(|region| {
        let ours = part(&our_lines, region.ours_range());
        let theirs = part(&their_lines, region.theirs_range());
        match region.resolution() {
            MergeResolution::Unchanged | MergeResolution::Ours | MergeResolution::Both => {
                Region::Text(ours.concat())
            }
            MergeResolution::Theirs => Region::Text(theirs.concat()),
            _ => {
                let range = region.base_range();
                Region::Conflict { line: range.start, base: part(&base_lines, range), ours, theirs }
            }
        }
    });
    regions.collect()
}

/// What differs: the lines that are gone, where in the text before, and the lines that came.
pub fn changes(before: &str, after: &str) -> Vec<(Vec<String>, usize, Vec<String>)> {
    let (before, after) = (lines(before), lines(after));
    let ops = similar::capture_diff_slices(Algorithm::Myers, &before, &after);
    let changed = ops.iter().filter(|op| op.tag() != DiffTag::Equal);
    changed
        .map(|op| (part(&before, op.old_range()), op.old_range().start, part(&after, op.new_range())))
        .collect()
}

/// The lines of a text with their ends.
fn lines(text: &str) -> Vec<&str> {
    text.tokenize_lines()
}

fn part(lines: &[&str], range: std::ops::Range<usize>) -> Vec<String> {
    lines.get(range).unwrap_or_default().iter().map(|line| (*line).to_owned()).collect()
}
