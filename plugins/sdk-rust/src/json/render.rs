//! Writes JSON: values anew, and objects and arrays in the layout that they have in a text.

use super::{Document, Json, Kind};

/// The value in one line.
pub(super) fn compact(value: &Json<'_>, out: &mut String) {
    match &value.kind {
        Kind::Null => out.push_str("null"),
        Kind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Kind::Number(number) => out.push_str(number),
        Kind::Text(text) => quote(text, out),
        Kind::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                compact(element, out);
            }
            out.push(']');
        }
        Kind::Object(members) => {
            out.push('{');
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                quote(&member.name, out);
                out.push(':');
                compact(&member.value, out);
            }
            out.push('}');
        }
    }
}

/// A text as a JSON string: only what has to be is escaped.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..' ' => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => out.push(char),
        }
    }
    out.push('"');
}

/// How the members of an object or the elements of an array are laid out: the text around each value.
pub(super) struct Layout<'t> {
    slots: Vec<Slot<'t>>,
}

/// The text around one value.
#[derive(Clone, Copy)]
struct Slot<'t> {
    /// Between the comma or bracket before it and its name, or itself in an array.
    before: &'t str,
    /// Its name with quotes; `""` in an array.
    name: &'t str,
    /// Between name and value, the colon included.
    gap: &'t str,
    /// Between it and the comma or bracket behind it.
    after: &'t str,
}

/// A value that goes into a layout.
pub(super) struct Piece {
    /// Its text.
    pub value: String,
    /// Which of ours' slots it has; otherwise it comes from theirs.
    pub ours: Option<usize>,
    /// Which of theirs' slots it has.
    pub theirs: Option<usize>,
}

impl<'t> Layout<'t> {
    /// The layout of an object or array of a document; empty for any other value.
    pub(super) fn of(document: &Document<'t>, container: &Json<'_>) -> Self {
        let items: Vec<(usize, usize, &Json<'_>)> = match &container.kind {
            Kind::Object(members) => {
                members.iter().map(|member| (member.start, member.end, &member.value)).collect()
            }
            Kind::Array(elements) => {
                elements.iter().map(|element| (element.start, element.start, element)).collect()
            }
            _ => Vec::new(),
        };
        let text = |start: usize, end: usize| document.text.get(start..end).unwrap_or_default();
        let mut slots = Vec::with_capacity(items.len());
        let mut begin = container.start + 1;
        for (index, (start, end, value)) in items.iter().enumerate() {
            let next = items.get(index + 1).map_or(container.end - 1, |(start, ..)| *start);
            let between = text(value.end, next);
            let after = between.split_once(',').map_or(between, |(after, _)| after);
            slots.push(Slot {
                before: text(begin, *start),
                name: text(*start, *end),
                gap: text(*end, value.start),
                after,
            });
            begin = value.end + after.len() + 1;
        }
        Self { slots }
    }

    fn slot(&self, index: Option<usize>) -> Option<&Slot<'t>> {
        self.slots.get(index?)
    }

    /// The container with these values, in the layout of ours; what is new in it looks like what is there.
    pub(super) fn render(&self, theirs: &Self, brackets: [char; 2], pieces: &[Piece]) -> String {
        let style = if self.slots.is_empty() { theirs } else { self };
        let first_before = style.slots.first().map_or("", |slot| slot.before);
        let last_after = style.slots.last().map_or("", |slot| slot.after);
        let next_before = self.next_before(theirs, first_before);
        let gap = style.slots.first().map_or("", |slot| slot.gap);
        let last_own = self.slots.len().checked_sub(1);
        let mut text = String::from(brackets[0]);
        for (index, piece) in pieces.iter().enumerate() {
            let own = self.slot(piece.ours);
            let foreign = self.slot(piece.ours).or_else(|| theirs.slot(piece.theirs));
            if index > 0 {
                text.push(',');
            }
            let before = match (index, own) {
                (0, _) => first_before,
                (_, Some(slot)) if piece.ours != Some(0) => slot.before,
                _ => next_before,
            };
            text.push_str(before);
            text.push_str(foreign.map_or("", |slot| slot.name));
            text.push_str(own.map_or(gap, |slot| slot.gap));
            text.push_str(&piece.value);
            match own {
                _ if index + 1 == pieces.len() => text.push_str(last_after),
                Some(slot) if piece.ours != last_own => text.push_str(slot.after),
                _ => {}
            }
        }
        text.push(brackets[1]);
        text
    }

    /// What stands before a value that is not the first.
    fn next_before(&self, theirs: &Self, first_before: &'t str) -> &'t str
    where
        't: 't,
    {
        match self.slots.get(1) {
            Some(slot) => slot.before,
            None if first_before.contains('\n') => first_before,
            None => match theirs.slots.get(1) {
                Some(slot) if slot.before.is_empty() => "",
                _ => " ",
            },
        }
    }

    /// How far the values of the container are indented, where each has a line of its own.
    pub(super) fn indent(&self) -> Option<&'t str> {
        self.slots.first().and_then(|slot| slot.before.rsplit_once('\n')).map(|(_, indent)| indent)
    }
}

/// A value of several lines that moves from one indentation to another, and to other line ends.
pub(super) fn moved(value: &str, from: Option<&str>, to: Option<&str>, line_end: &str) -> String {
    if !value.contains('\n') {
        return value.to_owned();
    }
    // Strings hold no line ends, so each line begins with space that says nothing.
    let mut lines = value.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut text = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        text.push_str(line_end);
        match (from, to) {
            (Some(from), Some(to)) if line.starts_with(from) => {
                text.push_str(to);
                text.push_str(line.get(from.len()..).unwrap_or_default());
            }
            _ => text.push_str(line),
        }
    }
    text
}
