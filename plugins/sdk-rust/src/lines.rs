//! Three-way merge of texts by lines. Pure.

use similar::DiffableStr;

use crate::sequence::{self, Winner, part};
use crate::{Conflict, Conflicts, Failure, Side, Value};

/// Lines that both sides changed, differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The first of these lines in the base, from 1 on.
    pub line: usize,
    /// How many lines of the base they are.
    pub count: usize,
    /// The lines in the base, with their ends.
    pub base: String,
    /// The lines in ours.
    pub ours: String,
    /// The lines in theirs.
    pub theirs: String,
}

/// The lines of a text, each with its end: `\n`, `\r\n` or `\r`.
pub fn split(text: &str) -> Vec<&str> {
    text.tokenize_lines()
}

/// Merges three texts. `decide` says what stands in the place of lines that both sides changed.
///
/// # Errors
///
/// Those of `decide`.
pub fn merge(
    base: &str,
    ours: &str,
    theirs: &str,
    decide: &mut dyn FnMut(&Clash) -> Result<String, Failure>,
) -> Result<String, Failure> {
    let (base, our_lines, their_lines) = (split(base), split(ours), split(theirs));
    let mut merged = String::with_capacity(ours.len().max(theirs.len()));
    for region in sequence::regions(&base, &our_lines, &their_lines) {
        let ours = part(&our_lines, region.ours).concat();
        let theirs = part(&their_lines, region.theirs).concat();
        match region.winner {
            Winner::Ours => merged.push_str(&ours),
            Winner::Theirs => merged.push_str(&theirs),
            Winner::Nobody => {
                let (line, count) = (region.base.start + 1, region.base.len());
                let base = part(&base, region.base).concat();
                merged.push_str(&decide(&Clash { line, count, base, ours, theirs })?);
            }
        }
    }
    Ok(merged)
}

/// Merges three texts, and reports lines that both changed as conflicts; `named` completes each.
///
/// # Errors
///
/// The host refused a conflict.
pub fn merge_reporting(
    [base, ours, theirs]: [&str; 3],
    rule: &str,
    conflicts: &mut dyn Conflicts,
    named: &dyn Fn(Conflict, &Clash) -> Conflict,
) -> Result<String, Failure> {
    merge(base, ours, theirs, &mut |clash| {
        let Some(decided) = conflicts.report(named(clash.conflict(rule), clash))? else {
            return Ok(clash.ours.clone());
        };
        match decided.side() {
            Some(Side::Ours) => Ok(clash.ours.clone()),
            Some(Side::Theirs) => Ok(clash.theirs.clone()),
            Some(Side::Base) => Ok(clash.base.clone()),
            None => Err(decided.unknown()),
        }
    })
}

/// What differs: the lines that are gone, where in the text before (from 1 on), and the lines that came.
pub fn changes<'t>(before: &'t str, after: &'t str) -> Vec<(Vec<&'t str>, usize, Vec<&'t str>)> {
    let (before, after) = (split(before), split(after));
    let changed = sequence::changes(&before, &after).into_iter();
    changed
        .map(|(gone, came)| {
            (part(&before, gone.clone()).to_vec(), gone.start + 1, part(&after, came).to_vec())
        })
        .collect()
}

impl Clash {
    /// The conflict `text-conflict` about these lines.
    pub fn conflict(&self, rule: &str) -> Conflict {
        let line = self.line;
        let message = match self.count {
            0 => format!("both sides inserted different lines before line {line} of the base"),
            1 => format!("both sides changed line {line} of the base"),
            count => format!("both sides changed lines {line} to {} of the base", line + count - 1),
        };
        let value = |text: &String| Some(Value::Text(text.clone()));
        Conflict::new("text-conflict", format!(r#"{{"line":{line},"lines":{}}}"#, self.count), message, rule)
            .with_values([value(&self.base), value(&self.ours), value(&self.theirs)])
            .with_choices(&[
                ("ours", "keep the destination's"),
                ("theirs", "take the source's"),
                ("base", "keep the lines of the merge base"),
            ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(base: &str, ours: &str, theirs: &str) -> String {
        merge(base, ours, theirs, &mut |clash| {
            Ok(format!("<{}+{}:{}|{}|{}>", clash.line, clash.count, clash.base, clash.ours, clash.theirs))
        })
        .expect("it decides")
        .replace('\n', ",")
    }

    #[test]
    fn texts_are_merged_by_lines() {
        assert_eq!(merged("a\nb\nc\n", "x\nb\nc\n", "a\nb\nz\n"), "x,b,z,");
        assert_eq!(merged("a\nb\n", "a\n", "a\nb\n"), "a,");
        assert_eq!(merged("a\nb\nc\n", "a\nx\nc\n", "a\ny\nc\n"), "a,<2+1:b,|x,|y,>c,");
        assert_eq!(merged("", "a\n", "b\n"), "<1+0:|a,|b,>");
        assert_eq!(merged("a\r\nb\r\n", "a\r\nb\r\n", "a\r\nc\r\n"), "a\r,c\r,");
    }
}
