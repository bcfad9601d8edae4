//! Writes a merged document: the text of ours with edits, so that comments and layout stay.
//!
//! What is written here is read again and compared with what was meant. So this may give up, or be wrong about unusual
//! layouts, and nothing is lost by it.

use std::collections::HashSet;
use std::ops::Range;

use crate::merge::{Part, Stands, Taken};
use crate::read::{Kind, Node, Style};

/// An edit of the text of ours.
type Edit = (Range<usize>, String);

/// The text of ours in which a plan's values stand; `None` where it cannot be written by edits.
pub(crate) fn edited(text: &str, theirs: &str, documents: &[Node], plan: &[Stands<'_>]) -> Option<String> {
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let their_lines = theirs.lines().map(str::trim).collect();
    let mut writer = Writer { text, their_lines, line_end, edits: Vec::new() };
    for (node, stands) in documents.iter().zip(plan) {
        writer.value(node, stands)?;
    }
    writer.applied()
}

struct Writer<'t> {
    text: &'t str,
    /// The lines of theirs, without the space around them.
    their_lines: HashSet<&'t str>,
    line_end: &'static str,
    edits: Vec<Edit>,
}

/// Where a part of a collection lies: from its key or dash to the end of its last line.
struct Place {
    begin: usize,
    /// Behind the end of its last line.
    end: usize,
}

impl Writer<'_> {
    fn value(&mut self, node: &Node, stands: &Stands<'_>) -> Option<()> {
        match stands {
            Stands::Ours => Some(()),
            Stands::Inside(parts) if node.style == Style::Block => self.parts(node, parts),
            Stands::Taken(taken) => self.inline(node, taken),
            _ => None,
        }
    }

    /// Replaces a value that stands in a line by another that does.
    fn inline(&mut self, node: &Node, taken: &Taken<'_>) -> Option<()> {
        let new = match taken {
            Taken::Given(text, _) => text.as_str(),
            Taken::From { text, value, .. } if value.style == Style::Inline => {
                text.get(value.start..value.end)?
            }
            Taken::From { .. } => return None,
        };
        let old = self.text.get(node.start..node.end)?;
        if node.style != Style::Inline
            || old.is_empty()
            || new.is_empty()
            || old.contains('\n')
            || new.contains('\n')
        {
            return None;
        }
        self.edits.push((node.start..node.end, new.to_owned()));
        Some(())
    }

    fn parts(&mut self, node: &Node, parts: &[Part<'_>]) -> Option<()> {
        // Parts of ours that change their order are not written by edits.
        let own: Vec<usize> = parts.iter().filter_map(|part| part.ours).collect();
        if !own.is_sorted() {
            return None;
        }
        let mut after = None;
        for part in parts {
            let Some(at) = part.ours else {
                if let Stands::Taken(Taken::From { text, key, value }) = &part.stands {
                    self.insert(node, after, text, key.unwrap_or(value), value)?;
                }
                continue;
            };
            let (key, value) = own_part(node, at)?;
            match &part.stands {
                Stands::Absent => self.remove(key, value)?,
                stands => {
                    let edits = self.edits.len();
                    if self.value(value, stands).is_none() {
                        self.edits.truncate(edits);
                        self.replace(key, value, stands)?;
                    } else {
                        self.comment(value, part.others);
                    }
                }
            }
            after = Some(at);
        }
        Some(())
    }

    /// Takes the comment behind a value from theirs, where only theirs changed it.
    fn comment(&mut self, node: &Node, others: Option<[(&str, &Node); 2]>) {
        let Some([(base_text, base), (their_text, theirs)]) = others else { return };
        let sides = [(base_text, base), (self.text, node), (their_text, theirs)];
        let [Some(base), Some(ours), Some(theirs)] = sides.map(|(text, node)| behind(text, node)) else {
            return;
        };
        let said =
            |text: &'_ str, range: &Range<usize>| text.get(range.clone()).unwrap_or_default().to_owned();
        let (was, is, theirs) = (said(base_text, &base), said(self.text, &ours), said(their_text, &theirs));
        if was.trim() == is.trim() && theirs.trim() != was.trim() {
            self.edits.push((ours, theirs));
        }
    }

    /// Puts an entry of another side, all its lines, in the place of that of ours.
    fn replace(&mut self, key: &Node, value: &Node, stands: &Stands<'_>) -> Option<()> {
        let Stands::Taken(taken) = stands else { return None };
        let place = place(self.text, key, value)?;
        let new = match taken {
            Taken::From { text, key: their_key, value: their_value } => {
                let their_key = their_key.unwrap_or(their_value);
                let theirs = self::place(text, their_key, their_value)?;
                moved(text, &theirs, column(self.text, place.begin), self.line_end)?
            }
            Taken::Given(text, _) if key.start != value.start && !text.contains('\n') => {
                format!("{}: {text}{}", self.text.get(key.start..key.end)?, self.line_end)
            }
            Taken::Given(..) => return None,
        };
        self.edits.push((place.begin..place.end, new));
        Some(())
    }

    /// Removes an entry, and the comments above it that theirs removed as well.
    fn remove(&mut self, key: &Node, value: &Node) -> Option<()> {
        let place = place(self.text, key, value)?;
        let mut begin = line_start(self.text, place.begin);
        if !self.text.get(begin..place.begin)?.trim().is_empty() {
            return None;
        }
        while begin > 0 {
            let above = line_start(self.text, begin - 1);
            let line = self.text.get(above..begin)?.trim();
            if !line.starts_with('#') || self.their_lines.contains(line) {
                break;
            }
            begin = above;
        }
        self.edits.push((begin..place.end, String::new()));
        Some(())
    }

    /// Puts an entry of theirs, with what stands above it there, behind a part of ours or before the first.
    fn insert(
        &mut self,
        node: &Node,
        after: Option<usize>,
        text: &str,
        key: &Node,
        value: &Node,
    ) -> Option<()> {
        let (first_key, first_value) = own_part(node, 0)?;
        let first = place(self.text, first_key, first_value)?;
        let theirs = place(text, key, value)?;
        let at = match after {
            Some(after) => {
                let (key, value) = own_part(node, after)?;
                place(self.text, key, value)?.end
            }
            None => line_start(self.text, first.begin),
        };
        let indent = column(self.text, first.begin);
        let mut new = above(text, line_start(text, theirs.begin), self.line_end);
        new.push_str(&" ".repeat(indent));
        new.push_str(&moved(text, &theirs, indent, self.line_end)?);
        if at > 0 && !self.text.get(..at)?.ends_with('\n') {
            // The last line of ours has no end: the new one gets none in its stead.
            new = format!("{}{}", self.line_end, new.trim_end());
        }
        // Several in one place stay in order, because edits are sorted stably.
        self.edits.push((at..at, new));
        Some(())
    }

    /// The text with all edits; `None` where they overlap.
    fn applied(mut self) -> Option<String> {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end > range.start));
        let mut text = String::new();
        let mut at = 0;
        for (range, new) in &self.edits {
            text.push_str(self.text.get(at..range.start)?);
            text.push_str(new);
            at = range.end;
        }
        text.push_str(self.text.get(at..)?);
        Some(text)
    }
}

/// A part of a collection of ours: an element is its own key.
fn own_part(node: &Node, at: usize) -> Option<(&Node, &Node)> {
    match &node.kind {
        Kind::Mapping(entries) => entries.get(at).map(|(key, value)| (key, value)),
        Kind::Sequence(elements) => elements.get(at).map(|element| (element, element)),
        _ => None,
    }
}

fn place(text: &str, key: &Node, value: &Node) -> Option<Place> {
    let mut begin = key.start;
    if std::ptr::eq(key, value) {
        // An element begins at its dash.
        let start = line_start(text, begin);
        let before = text.get(start..begin)?;
        begin = start
            + before
                .rfind('-')
                .filter(|dash| before.get(..*dash).is_some_and(|space| space.trim().is_empty()))?;
    }
    let content = text.get(..value.end.max(key.end))?.trim_end().len();
    let end = text.get(content..)?.find('\n').map_or(text.len(), |line| content + line + 1);
    Some(Place { begin, end })
}

/// The comment behind a value in its line, with the space before it; `None` where something else stands there.
fn behind(text: &str, node: &Node) -> Option<Range<usize>> {
    if node.style != Style::Inline || node.start == node.end {
        return None;
    }
    let rest = text.get(node.end..)?.lines().next().unwrap_or_default();
    let comment = rest.trim_end();
    let is_comment =
        comment.is_empty() || (comment.starts_with([' ', '\t']) && comment.trim_start().starts_with('#'));
    is_comment.then_some(node.end..node.end + comment.len())
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1)
}

fn column(text: &str, at: usize) -> usize {
    at - line_start(text, at)
}

/// Comments and empty lines directly above a line.
fn above(text: &str, at: usize, line_end: &str) -> String {
    let mut lines = Vec::new();
    for line in text.get(..at).unwrap_or_default().lines().rev() {
        let is_between = line.trim().is_empty() || line.trim_start().starts_with('#');
        if !is_between || line.starts_with("---") {
            break;
        }
        lines.push(line);
    }
    lines.iter().rev().map(|line| format!("{}{line_end}", line.trim_end_matches('\r'))).collect()
}

/// The lines of a part of another text, from its key or dash on, at another indentation.
fn moved(text: &str, place: &Place, indent: usize, line_end: &str) -> Option<String> {
    let from = column(text, place.begin);
    let mut lines = text.get(place.begin..place.end)?.lines();
    let mut new = format!("{}{line_end}", lines.next()?);
    for line in lines {
        let content = line.get(from.min(line.len() - line.trim_start().len())..)?;
        if !content.is_empty() {
            new.push_str(&" ".repeat(indent));
        }
        new.push_str(content);
        new.push_str(line_end);
    }
    Some(new)
}

/// Whether a text has the comments that a merge of ours and theirs has to have: none is gone but those that a side removed.
pub(crate) fn keeps_comments(base: &str, ours: &str, theirs: &str, merged: &str) -> bool {
    let [base, ours, theirs, merged] = [base, ours, theirs, merged].map(comments);
    let kept = |side: &HashSet<&str>, other: &HashSet<&str>| {
        side.iter().all(|line| merged.contains(line) || (base.contains(line) && !other.contains(line)))
    };
    kept(&ours, &theirs) && kept(&theirs, &ours)
}

/// The comments of a text; what looks like one in a text of several lines counts as well.
fn comments(text: &str) -> HashSet<&str> {
    let comment = |line: &'_ str| {
        let begin = if line.trim_start().starts_with('#') {
            line.find('#')
        } else {
            line.find(" #").map(|at| at + 1)
        };
        begin.map(|begin| (begin, line.trim_end().len()))
    };
    text.lines().filter_map(|line| comment(line).and_then(|(begin, end)| line.get(begin..end))).collect()
}
